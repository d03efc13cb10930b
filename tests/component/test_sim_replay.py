"""Recorded candles as if they happened now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from tests.support.exchange import NOW, Exchange
from tracker.errors import ConfigError
from tracker.model import DAY, MINUTE, Market, Metric
from tracker.sim.replay import Replay
from tracker.sources.coinbase import Coinbase
from tracker.sources.machine import Machine

THEN = datetime(2021, 4, 25, 4, 0, tzinfo=UTC)
MINUTE_NOW = NOW.replace(second=0)
AAA = Market("coinbase", "AAA", "BTC")
BBB = Market("coinbase", "BBB", "USDT")


def record(path: Path, rows: list[tuple[str, int, float, float]]) -> Path:
    """Write rows (market, minutes after THEN, close, volume)."""
    names, minutes, closes, volumes = zip(*rows, strict=True)
    table = pa.table(
        {
            "market": list(names),
            "timestamp": pa.array([THEN + n * MINUTE for n in minutes], pa.timestamp("ms", "UTC")),
            "open": list(closes),
            "high": [close * 2 for close in closes],
            "low": [close / 2 for close in closes],
            "close": list(closes),
            "volume": list(volumes),
            "source": ["made for this test"] * len(rows),
        }
    )
    pq.write_table(table, path)
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    rows = [("binance:AAA/BTC", n, (271 + n) / 1e8, 0.125 * n) for n in range(60) if not 20 <= n < 40]
    rows += [("binance:BBB/USDT", n, 41_000.5 + n, 1.1) for n in range(0, 50, 2)]
    return record(tmp_path / "recorded.parquet", rows)


def test_the_last_candle_ends_at_the_minute_of_the_start(
    recording: Path, exchange_with: Callable[..., Exchange]
) -> None:
    exchange = exchange_with(replay=recording)
    found = Coinbase(exchange.url, exchange.url, exchange.clock, Machine(paced=False)).candles(
        AAA, MINUTE_NOW - DAY, MINUTE_NOW + DAY
    )
    assert found[-1].minute == MINUTE_NOW
    assert (found[-1].close, found[-1].volume) == (3.3e-06, 0.125 * 59)
    shift = requests.get(f"{exchange.url}/sim", timeout=10).json()["shift_seconds"]
    assert found[-1].opened - timedelta(seconds=shift) == THEN + 59 * MINUTE


def test_minutes_that_were_not_recorded_are_not_served(recording: Path, exchange_with: Callable[..., Exchange]) -> None:
    exchange = exchange_with(replay=recording)
    found = Coinbase(exchange.url, exchange.url, exchange.clock, Machine(paced=False)).candles(
        AAA, MINUTE_NOW - DAY, MINUTE_NOW
    )
    ago = [round((MINUTE_NOW - one.minute) / MINUTE) for one in found]
    assert ago == [*range(59, 39, -1), *range(19, -1, -1)]


def test_a_poll_shows_the_last_known_close_and_the_volume_of_the_day(
    recording: Path, exchange_with: Callable[..., Exchange]
) -> None:
    exchange = exchange_with(replay=recording)
    exchange.now = MINUTE_NOW.replace(second=55)
    poll = Coinbase(exchange.url, exchange.url, exchange.clock, Machine(paced=False)).latest([AAA, BBB], MINUTE_NOW)
    values = {(one.series.market, one.series.metric): one.value for one in poll.samples}
    assert values[AAA, Metric.PRICE] == 3.3e-06
    assert values[BBB, Metric.PRICE] == 41_048.5  # 11 minutes old: the exchange has nothing newer
    assert values[BBB, Metric.VOLUME_24H] == 27.5


def test_ahead_keeps_minutes_for_the_future(recording: Path, exchange_with: Callable[..., Exchange]) -> None:
    exchange = exchange_with(replay=recording, ahead=timedelta(minutes=15))
    coinbase = Coinbase(exchange.url, exchange.url, exchange.clock, Machine(paced=False))
    for passed in (0, 7, 15, 30):
        exchange.now = NOW + passed * MINUTE
        found = coinbase.candles(AAA, MINUTE_NOW - DAY, MINUTE_NOW + DAY)
        newest = min(44 + passed, 59)
        assert found[-1].close == (271 + newest) / 1e8
        poll = coinbase.latest([AAA], MINUTE_NOW + passed * MINUTE)
        assert poll.samples[0].value == found[-1].close


def test_each_market_keeps_all_its_digits(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-08, 123456.78901234, 7.0, 2.2250738585e-05]
    path = record(tmp_path / "digits.parquet", [("x:AAA/BTC", n, value, value) for n, value in enumerate(values)])
    tape = Replay(path, NOW)
    market = tape.markets("coinbase")[0]
    rows = tape.columns("coinbase", market, 0, 10**9)
    closes = [units / 10**market.price_decimals for units in rows.close.tolist()]
    assert closes == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("binance:AAA/BTC", 0, 1.0, 1.0), ("binance:AAA/BTC", 0, 1.0, 1.0)], "twice"),
        ([("binance:AAA/BTC", 0, float("nan"), 1.0)], "no finite number"),
        ([("AAA-BTC", 0, 1.0, 1.0)], "is not exchange:BASE/QUOTE"),
        ([("binance:AAA/BTC", 0, 1.0, 1.0), ("kraken:AAA/BTC", 0, 1.0, 1.0)], "two exchanges"),
    ],
)
def test_a_recording_that_cannot_be_served_is_refused(
    tmp_path: Path, rows: list[tuple[str, int, float, float]], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Replay(record(tmp_path / "wrong.parquet", rows), NOW)


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("hello")
    pq.write_table(pa.table({"market": ["a"]}), tmp_path / "columns.parquet")
    pq.write_table(pq.read_table(record(tmp_path / "r.parquet", [("x:A/B", 0, 1.0, 1.0)])).slice(1), tmp_path / "empty")
    for name in ("absent.parquet", "text.parquet", "columns.parquet", "empty"):
        with pytest.raises(ConfigError, match=name):
            Replay(tmp_path / name, NOW)
