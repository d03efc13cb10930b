"""What every store promises (tracker.ports.Store), whatever it lies on."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from tests.support.samples import BTC, ETH, NOON, minute_of, table, until, walk
from tracker.errors import CorruptObject, PermanentError
from tracker.frames import SAMPLES, merged
from tracker.model import DAY, HOUR, MINUTE, Listing, Market, MarketStatus, Metric, Origin
from tracker.stats import summarise
from tracker.store import ParquetStore

KRAKEN = Market("kraken", "BTC", "USD")
OKX = Market("ccxt:OKX", "BTC", "USDT")


@pytest.fixture
def store(place: str) -> ParquetStore:
    return ParquetStore(place)


def paths(store: ParquetStore, prefix: str = "") -> list[str]:
    return [one.path for one in store.objects.list(prefix)]


def contents(store: ParquetStore, prefix: str = "") -> dict[str, bytes | None]:
    return {path: store.objects.get(path) for path in paths(store, prefix)}


def test_the_names_of_objects_are_those_of_the_design(store: ParquetStore) -> None:
    at = NOON + 7 * MINUTE
    store.write_minute(at, "coinbase", table({at: 1.0}))
    store.write_minute(at, "ccxt:OKX", table({at: 1.0}, OKX))
    store.write_candles(NOON, "coinbase", table({at: 1.0}, origin=Origin.CANDLE))
    store.write_summary(at, summarise(table({at: 1.0}), at))
    store.write_report(at, "fetch", {})
    store.write_listings("coinbase", [], at)
    assert paths(store) == [
        "candles/date=2026-03-01/hour=12/coinbase.parquet",
        "listings/coinbase.json",
        "minute/date=2026-03-01/hour=12/1207-ccxt_3a__4f__4b__58_.parquet",
        "minute/date=2026-03-01/hour=12/1207-coinbase.parquet",
        "runs/date=2026-03-01/hour=12/1207-fetch.json",
        "summary/date=2026-03-01/hour=12/1207.parquet",
    ]


def test_what_was_written_is_read_back_sorted(store: ParquetStore) -> None:
    values = walk(1, 5)
    for market in (ETH, BTC):
        for minute, value in until(NOON, values).items():
            rows = [table({minute: value}, market, metric=metric) for metric in (Metric.VOLUME_24H, Metric.PRICE)]
            known = store.read(minute - MINUTE, minute)
            store.write_minute(minute, "coinbase", merged([known, *rows]))
    found = store.read(NOON - HOUR, NOON)
    expected = merged([
        table(until(NOON, values), market, metric=metric) for market in (BTC, ETH) for metric in Metric
    ])  # fmt: skip
    assert found.equals(expected)
    assert found.schema.equals(SAMPLES)


def test_a_range_leaves_out_its_start_and_keeps_its_end(store: ParquetStore) -> None:
    for minute in (NOON - HOUR, NOON - MINUTE, NOON, NOON + MINUTE, NOON + DAY):
        store.write_minute(minute, "coinbase", table({minute: 1.0}))
    assert store.read(NOON - HOUR, NOON)["minute"].to_pylist() == [NOON - MINUTE, NOON]
    assert store.read(NOON - DAY, NOON + DAY).num_rows == 5
    assert store.read(NOON + DAY, NOON + 2 * DAY).num_rows == 0
    assert store.read(NOON, NOON).num_rows == 0


def test_midnight_belongs_to_the_new_day(store: ParquetStore) -> None:
    midnight = datetime.combine(NOON.date(), datetime.min.time(), NOON.tzinfo)
    for minute in (midnight - MINUTE, midnight, midnight + MINUTE):
        store.write_minute(minute, "coinbase", table({minute: 1.0}))
    assert store.read(midnight - MINUTE, midnight)["minute"].to_pylist() == [midnight]
    assert store.read(midnight - HOUR, midnight + HOUR).num_rows == 3
    assert "minute/date=2026-03-01/hour=00/0000-coinbase.parquet" in paths(store)


def test_an_empty_store_reads_as_no_samples(store: ParquetStore) -> None:
    assert store.read(NOON - DAY, NOON).equals(SAMPLES.empty_table())
    assert store.read_summary(NOON) is None
    assert store.read_reports(NOON) == {}
    assert store.read_listings("coinbase") is None
    assert store.summary_minutes(NOON - DAY, NOON) == []


def test_a_minute_written_twice_leaves_the_same_bytes(store: ParquetStore) -> None:
    rows = minute_of(NOON, [BTC, ETH], lambda market: len(market.base))
    store.write_minute(NOON, "coinbase", rows)
    before = contents(store)
    store.write_minute(NOON, "coinbase", rows.take(pa.array([3, 1, 0, 2])))
    assert contents(store) == before


def test_a_minute_written_again_is_replaced_whole(store: ParquetStore) -> None:
    store.write_minute(NOON, "coinbase", minute_of(NOON, [BTC, ETH], lambda _: 1.0))
    store.write_minute(NOON, "coinbase", table({NOON: 2.0}))
    assert store.read(NOON - MINUTE, NOON)["value"].to_pylist() == [2.0]


def test_candles_fill_what_polls_left_out(store: ParquetStore) -> None:
    store.write_minute(NOON, "coinbase", table({NOON: 1.0}))
    candles = {NOON: 9.0, NOON + MINUTE: 2.0}
    assert store.write_candles(NOON, "coinbase", table(candles, origin=Origin.CANDLE)) is True
    found = store.read(NOON - MINUTE, NOON + HOUR)
    assert found["value"].to_pylist() == [1.0, 2.0]
    assert found["origin"].to_pylist() == ["poll", "candle"]


def test_candles_given_again_replace_and_others_stay(store: ParquetStore) -> None:
    first = table({NOON: 1.0, NOON + MINUTE: 2.0}, origin=Origin.CANDLE)
    assert store.write_candles(NOON, "coinbase", first) is True
    assert store.write_candles(NOON, "coinbase", first) is False
    assert store.write_candles(NOON, "coinbase", table({NOON: 5.0}, origin=Origin.CANDLE)) is True
    assert store.write_candles(NOON, "coinbase", table({NOON: 5.0}, origin=Origin.CANDLE)) is False
    assert store.read(NOON - MINUTE, NOON + HOUR)["value"].to_pylist() == [5.0, 2.0]


def test_each_exchange_has_its_own_candles(store: ParquetStore) -> None:
    store.write_candles(NOON, "coinbase", table({NOON: 1.0}, origin=Origin.CANDLE))
    store.write_candles(NOON, "kraken", table({NOON: 2.0}, KRAKEN, origin=Origin.CANDLE))
    assert store.read(NOON - MINUTE, NOON)["value"].to_pylist() == [1.0, 2.0]


def test_markets_and_columns_are_chosen(store: ParquetStore) -> None:
    store.write_minute(NOON, "coinbase", minute_of(NOON, [BTC, ETH], lambda market: len(market.base)))
    store.write_minute(NOON, "kraken", minute_of(NOON, [KRAKEN], lambda _: 7.0))
    store.write_minute(NOON, "ccxt:OKX", minute_of(NOON, [OKX], lambda _: 8.0))
    assert store.read(NOON - MINUTE, NOON, markets=[KRAKEN])["value"].to_pylist() == [7.0, 7.0]
    assert set(store.read(NOON - MINUTE, NOON, markets=[OKX])["market"].to_pylist()) == {"ccxt:OKX:BTC-USDT"}
    some = store.read(NOON - MINUTE, NOON, markets=[ETH, KRAKEN], columns=["minute", "market"])
    assert some.schema.names == ["minute", "market"]
    assert some["market"].to_pylist() == ["coinbase:ETH-USD"] * 2 + ["kraken:BTC-USD"] * 2
    assert store.read(NOON - MINUTE, NOON, markets=[]).num_rows == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_a_value_that_cannot_be_is_refused_and_leaves_the_old_minute(store: ParquetStore, value: float) -> None:
    store.write_minute(NOON, "coinbase", table({NOON: 1.0}))
    for write in (store.write_minute, store.write_candles):
        with pytest.raises(PermanentError, match="coinbase:BTC-USD price"):
            write(NOON, "coinbase", table({NOON: value}))
    assert store.read(NOON - MINUTE, NOON)["value"].to_pylist() == [1.0]
    assert len(paths(store)) == 1


def test_rows_that_belong_elsewhere_are_refused(store: ParquetStore) -> None:
    with pytest.raises(PermanentError, match=r"2026-03-01T12:01:00Z does not belong to 2026-03-01T12:00:00Z"):
        store.write_minute(NOON, "coinbase", table({NOON + MINUTE: 1.0}))
    with pytest.raises(PermanentError, match="does not belong"):
        store.write_candles(NOON, "coinbase", table({NOON + HOUR: 1.0}))
    with pytest.raises(PermanentError, match="kraken:BTC-USD is not a market of coinbase"):
        store.write_minute(NOON, "coinbase", table({NOON: 1.0}, KRAKEN))
    with pytest.raises(PermanentError, match="not a whole hour"):
        store.write_candles(NOON + MINUTE, "coinbase", table({NOON + MINUTE: 1.0}))
    with pytest.raises(PermanentError, match="not a whole minute"):
        store.write_summary(NOON + timedelta(seconds=1), summarise(table({NOON: 1.0}), NOON))
    with pytest.raises(PermanentError, match="not a summary"):
        store.write_summary(NOON, table({NOON: 1.0}))
    assert paths(store) == []


def test_a_summary_is_kept_by_its_minute(store: ParquetStore) -> None:
    for back in (0, 1, 90, 24 * 60):
        minute = NOON - back * MINUTE
        store.write_summary(minute, summarise(table(until(minute, walk(back, 30))), minute))
    assert store.read_summary(NOON).equals(summarise(table(until(NOON, walk(0, 30))), NOON))  # type: ignore[union-attr]
    assert store.read_summary(NOON - 2 * MINUTE) is None
    assert store.summary_minutes(NOON - DAY, NOON) == [NOON - DAY, NOON - 90 * MINUTE, NOON - MINUTE, NOON]
    assert store.summary_minutes(NOON - DAY + MINUTE, NOON - MINUTE) == [NOON - 90 * MINUTE, NOON - MINUTE]


def test_reports_are_kept_by_minute_and_step(store: ParquetStore) -> None:
    store.write_report(NOON, "fetch", {"rows": 4, "problems": ["<é>"]})
    store.write_report(NOON, "analyze", {"rows": None})
    store.write_report(NOON, "analyze", {"rows": 5})
    store.write_report(NOON + MINUTE, "fetch", {"rows": 6})
    assert store.read_reports(NOON) == {"fetch": {"rows": 4, "problems": ["<é>"]}, "analyze": {"rows": 5}}
    assert store.read_reports(NOON - MINUTE) == {}


def test_listings_are_remembered_with_their_time(store: ParquetStore) -> None:
    listings = [Listing(BTC, "BTC-USD", MarketStatus.TRADABLE), Listing(ETH, "XETHZ", MarketStatus.DELISTED)]
    at = NOON + timedelta(seconds=12.5)
    store.write_listings("coinbase", listings, at)
    store.write_listings("ccxt:OKX", [], NOON)
    assert store.read_listings("coinbase") == (at, listings)
    assert store.read_listings("ccxt:OKX") == (NOON, [])


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"<html>", None])
def test_a_damaged_object_is_named_in_one_line(store: ParquetStore, damage: bytes | None) -> None:
    store.write_minute(NOON, "coinbase", table({NOON: 1.0}))
    store.write_summary(NOON, summarise(table({NOON: 1.0}), NOON))
    store.write_report(NOON, "fetch", {"a": 1})
    store.write_listings("coinbase", [], NOON)
    for path, whole in contents(store).items():
        store.objects.put(path, whole[: len(whole) // 2] if damage is None else damage)  # type: ignore[index]
    reads = (
        lambda: store.read(NOON - MINUTE, NOON),
        lambda: store.read_summary(NOON),
        lambda: store.read_reports(NOON),
        lambda: store.read_listings("coinbase"),
    )
    for read, path in zip(reads, ("minute/", "summary/", "runs/", "listings/"), strict=True):
        with pytest.raises(CorruptObject, match=rf"{path}.*delete it") as told:
            read()
        assert "\n" not in str(told.value)


def test_parquet_of_another_kind_is_not_taken_for_samples(store: ParquetStore) -> None:
    store.write_summary(NOON, summarise(table({NOON: 1.0}), NOON))
    (summary,) = contents(store).values()
    store.objects.put("minute/date=2026-03-01/hour=12/1200-coinbase.parquet", summary or b"")
    with pytest.raises(CorruptObject, match="1200-coinbase"):
        store.read(NOON - MINUTE, NOON)
