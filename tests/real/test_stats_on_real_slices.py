"""The statistics on recorded markets, against exact sums and against pandas, and all through the store."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from tracker.candles import Candles
from tracker.frames import merged, samples_of, samples_table, summary_rows
from tracker.history import samples as candle_samples
from tracker.model import DAY, HOUR, MINUTE, Candle, Market, Metric
from tracker.stats import summarise
from tracker.store import ParquetStore

pytestmark = pytest.mark.real_data

SLICES = [
    "binance_40mkts_72h_20210517_20210520_crash.parquet",
    "binance_40mkts_72h_20210423_20210426_real_outage.parquet",
    "bittrex_3_true_price_3x_days.parquet",
]


def recorded(name: str) -> pd.DataFrame:
    return pd.read_parquet(Path(os.environ["TRACKER_REAL_DATA"]) / name)


def table_of(frame: pd.DataFrame):
    """Turn recorded candles into samples as a load of history does."""
    found = []
    for name, rows in frame.sort_values("timestamp").groupby("market"):
        market = Market.parse(name.replace("/", "-"))
        candles = [
            Candle(market, at.to_pydatetime(), *values)
            for at, *values in rows[["timestamp", "open", "high", "low", "close", "volume"]].itertuples(index=False)
        ]
        start, end = candles[0].opened, candles[-1].minute
        loaded = Candles.of(market, candles)
        found += candle_samples(loaded, loaded.traded, start, end, list(Metric))
    return merged(found)


@pytest.mark.parametrize("name", SLICES)
def test_every_number_is_that_of_exact_arithmetic(name: str) -> None:
    frame = recorded(name)
    table = table_of(frame)
    by_series = defaultdict(dict)
    for one in samples_of(table):
        by_series[one.series][one.minute] = one.value
    last: datetime = max(max(values) for values in by_series.values())
    for at in (last, last - 5 * HOUR, last - 11 * HOUR - 13 * MINUTE):
        rows = summary_rows(summarise(table, at))
        assert {row.series for row in rows} == {
            series for series, values in by_series.items() if any(at - DAY < minute <= at for minute in values)
        }
        for row in rows:
            values = by_series[row.series]
            day = [value for minute, value in sorted(values.items()) if at - DAY < minute <= at]
            hour = [value for minute, value in values.items() if at - HOUR <= minute < at]
            mean = math.fsum(day) / len(day)
            stdev = math.sqrt(math.fsum((value - mean) ** 2 for value in day) / len(day))
            assert (row.n_24h, row.n_1h, row.latest) == (len(day), len(hour), day[-1])
            assert (row.min_24h, row.max_24h) == (min(day), max(day))
            if len(set(day)) == 1:
                assert row.stdev_24h in {0.0, None}
            else:
                assert row.stdev_24h == pytest.approx(stdev, rel=1e-9, abs=0)
            if hour:
                assert row.mean_1h == pytest.approx(math.fsum(hour) / len(hour), rel=1e-14, abs=0)


@pytest.mark.parametrize("name", SLICES)
def test_ranks_are_those_of_pandas(name: str) -> None:
    table = table_of(recorded(name))
    at = max(table["minute"].to_pylist())
    ours = summarise(table, at).to_pandas().set_index(["metric", "market"])["rank"].dropna()
    frame = table.to_pandas().astype({"market": str, "metric": str})
    day = frame[(frame["minute"] > at - DAY) & (frame["minute"] <= at)]
    theirs = day.groupby(["metric", "market"])["value"].agg(lambda one: 0.0 if one.nunique() == 1 else one.std(ddof=0))
    counted = day.groupby(["metric", "market"])["value"].count()
    theirs = theirs[counted >= 2].groupby("metric").rank(method="min", ascending=False)
    assert ours.astype(int).to_dict() == theirs.astype(int).to_dict()


def test_a_day_sealed_expired_and_derived_again_keeps_every_byte(tmp_path: Path) -> None:
    frame = recorded(SLICES[1])
    frame = frame[frame["market"].isin(sorted(frame["market"].unique())[:8])]
    table = table_of(frame)
    store = ParquetStore(str(tmp_path))
    by_hour = defaultdict(list)
    for one in samples_of(table):
        by_hour[one.minute.replace(minute=0)].append(one)
    for hour, rows in by_hour.items():
        store.write_candles(hour, "binance", samples_table(rows))
    at = max(by_hour) + 59 * MINUTE
    window = store.read(at - DAY, at)
    assert window.equals(merged([window]))
    store.write_summary(at, summarise(window, at))
    for hour in by_hour:
        store.seal(hour)

    def contents() -> dict[str, bytes | None]:
        return {
            one.path: store.objects.get(one.path) for root in ("hour", "summary") for one in store.objects.list(root)
        }

    before = contents()
    assert len(before) == len(by_hour) + 1
    store.objects.delete(before)
    for hour in by_hour:
        store.seal(hour)
    store.write_summary(at, summarise(store.read(at - DAY, at), at))
    assert contents() == before
    rows = sum(store.seal(hour).rows for hour in by_hour)
    size = sum(len(data or b"") for path, data in before.items() if path.startswith("hour/"))
    assert rows == table.num_rows
    assert size / rows < 12  # a candle's volume sums do not repeat as polled ones do; and 8 markets are few


def test_the_minutes_of_the_outage_are_absent_and_not_zero() -> None:
    table = table_of(recorded(SLICES[1]))
    outage = datetime.fromisoformat("2021-04-25T06:00:00+00:00")
    rows = summary_rows(summarise(table, outage))
    assert rows
    for row in rows:
        assert row.ratio_1h is None
        assert row.n_1h == 0
        assert row.mean_1h is None
        assert row.latest_minute <= datetime.fromisoformat("2021-04-25T04:02:00+00:00")  # type: ignore[operator]
        assert row.min_24h > 0  # type: ignore[operator]
