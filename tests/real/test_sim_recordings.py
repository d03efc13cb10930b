"""Recorded markets served again: what a client gets is what the file says, digit for digit."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.contracts.test_sources import Places
from tests.support.exchange import NOW, Exchange
from tracker.model import MINUTE, Market, Metric
from tracker.sim.server import Simulation
from tracker.sources import SOURCES

pytestmark = pytest.mark.real_data

FILES = {
    "binance_40mkts_72h_20210517_20210520_crash.parquet": 40,
    "binance_40mkts_72h_20210423_20210426_real_outage.parquet": 40,
    "bittrex_3_true_price_3x_days.parquet": 3,
}
Rows = dict[str, dict[datetime, tuple[float, ...]]]


def recorded(path: Path, shift: timedelta) -> Rows:
    """Give open, high, low, close, volume by market and shifted open time, as the file has them."""
    found: Rows = {}
    table = pq.read_table(path)
    columns = [table[name].to_pylist() for name in ("market", "timestamp", "open", "high", "low", "close", "volume")]
    for market, at, *values in zip(*columns, strict=True):
        pair = market.partition(":")[2].replace("/", "-")
        found.setdefault(pair, {})[at + shift] = tuple(values)
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_recorded_candle_comes_back_and_no_other(name: str, exchange_with: Callable[..., Exchange]) -> None:
    path = Path(os.environ["TRACKER_REAL_DATA"]) / name
    exchange = exchange_with(replay=path)
    shift = timedelta(seconds=exchange.simulation.about()["shift_seconds"])
    rows = recorded(path, shift)
    minute = NOW.replace(second=0)
    assert len(rows) == FILES[name]
    assert max(at for market in rows.values() for at in market) == minute - MINUTE
    source = SOURCES["binance"](Places(*[exchange.url] * 4), exchange.clock)
    for pair, expected in rows.items():
        found = source.candles(Market.parse(f"binance:{pair}"), min(expected), minute)
        first = min(expected)
        assert {one.opened: (one.open, one.high, one.low, one.close, one.volume) for one in found} == {
            at: values for at, values in expected.items() if at >= first
        }


@pytest.mark.parametrize("exchange_name", SOURCES)
def test_a_poll_is_the_last_recorded_close_and_the_day_before_it(
    exchange_name: str, exchange_with: Callable[..., Exchange]
) -> None:
    path = Path(os.environ["TRACKER_REAL_DATA"]) / "binance_40mkts_72h_20210517_20210520_crash.parquet"
    ahead = timedelta(minutes=500)
    exchange = exchange_with(replay=path, ahead=ahead)
    assert isinstance(exchange.simulation, Simulation)
    rows = recorded(path, timedelta(seconds=exchange.simulation.about()["shift_seconds"]))
    source = SOURCES[exchange_name](Places(*[exchange.url] * 4), exchange.clock)
    markets = [one.market for one in source.listings()]
    for passed in (0, 1, 250, 500):
        exchange.now = NOW + passed * MINUTE + timedelta(seconds=50)
        minute = exchange.now.replace(second=0)
        poll = source.latest(markets, minute)
        assert len(poll.samples) == 2 * len(rows)
        for sample in poll.samples:
            of_market = rows[sample.series.market.pair]
            if sample.series.metric is Metric.PRICE:
                assert sample.value == of_market[minute - MINUTE][3]
            else:
                day = [of_market[minute - n * MINUTE][4] for n in range(1, 1441)]
                assert sample.value == pytest.approx(sum(day), rel=1e-12)
