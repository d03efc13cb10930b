"""The site over recorded days: pages keep their budget on the wildest day, and a real outage is drawn as one."""

from __future__ import annotations

import gzip
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support import site
from tracker.model import Market, Metric

pytestmark = pytest.mark.real_data


def recorded(name: str, minute: datetime) -> site.Day:
    """Give the 24 h to `minute` of a recorded file; the 24 h volume is the sum of the minutes it holds."""
    table = pq.read_table(Path(os.environ["TRACKER_REAL_DATA"]) / name)
    names = np.array(table["market"].to_pylist())
    closed = table["timestamp"].cast(pa.int64()).to_numpy() // 60_000 + 1
    first = int(minute.timestamp()) // 60 - 2 * 1440
    values = {}
    for market in sorted(set(names)):
        rows = (names == market) & (closed > first) & (closed <= first + 2 * 1440)
        price, volume = np.full(2 * 1440, np.nan), np.zeros(2 * 1440)
        price[closed[rows] - first - 1] = table["close"].to_numpy()[rows]
        volume[closed[rows] - first - 1] = table["volume"].to_numpy()[rows]
        rolling = np.convolve(volume, np.ones(1440), "valid")[1:].round(8)
        rolling[np.isnan(price[1440:])] = np.nan
        one = Market.parse(market.replace("/", "-"))
        values |= {(one, Metric.PRICE): price[1440:], (one, Metric.VOLUME_24H): rolling}
    return site.day(values, minute)


def test_every_page_of_the_crash_of_2021_fits_its_budget():
    day = recorded("binance_40mkts_72h_20210517_20210520_crash.parquet", datetime(2021, 5, 19, 20, tzinfo=UTC))
    files = day.render()
    for path, data in files.items():
        if path.startswith(("index", "volume", "m/")):
            assert len(gzip.compress(data, 9)) <= 14_000, path
    assert json.loads(files["api/v1/alerts.json"])["open"] == []


def test_a_real_outage_is_drawn_as_a_gap_in_every_chart():
    minute = datetime(2021, 4, 25, 12, tzinfo=UTC)
    files = recorded("binance_40mkts_72h_20210423_20210426_real_outage.parquet", minute).render()
    for path, data in files.items():
        if path.startswith("m/"):
            assert data.count(b'class="gap"') == 2, path  # one in each chart
    assert re.search(r"28[34] of 1,440 minutes without a sample", files["m/binance-btc-usdt.html"].decode())
