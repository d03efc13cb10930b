"""Sealed hours: a pure function of their inputs, never believed when stale, and nothing is lost by retention."""

from __future__ import annotations

import random
from datetime import datetime
from itertools import pairwise
from threading import Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.samples import BTC, ETH, NOON, minute_of, table
from tracker.errors import CorruptObject, PermanentError
from tracker.frames import SAMPLES, merged
from tracker.model import DAY, HOUR, MINUTE, Market, Metric, Origin
from tracker.stats import summarise
from tracker.store import KEY, ParquetStore, Retention

KRAKEN = Market("kraken", "BTC", "USD")
HOUR_OBJECT = "hour/date=2026-03-01/hour=12/hour.parquet"


@pytest.fixture
def store(place: str) -> ParquetStore:
    return ParquetStore(place)


def fill(store: ParquetStore, start: datetime = NOON, minutes: int = 60, seed: int = 1) -> None:
    """Write polls with holes for two exchanges, and candles that fill some of them."""
    rng = random.Random(seed)
    for n in range(minutes):
        minute = start + n * MINUTE
        if rng.random() < 0.8:
            store.write_minute(minute, "coinbase", minute_of(minute, [BTC, ETH], lambda _: rng.randint(1, 99) / 4))
        if rng.random() < 0.5:
            store.write_minute(minute, "kraken", minute_of(minute, [KRAKEN], lambda _: rng.randint(1, 99) / 4))
    candles = [
        table({start + n * MINUTE: rng.randint(1, 99) / 4}, BTC, origin=Origin.CANDLE) for n in range(0, minutes, 3)
    ]
    store.write_candles(start, "coinbase", merged(candles))


def everything(store: ParquetStore, start: datetime = NOON):
    return store.read(start - MINUTE, start + HOUR - MINUTE)


def test_a_sealed_hour_holds_what_its_inputs_hold(store: ParquetStore) -> None:
    fill(store)
    before = everything(store)
    sealed = store.seal(NOON)
    assert (sealed.rows, sealed.changed) == (before.num_rows, True)
    assert sealed.bytes == len(store.objects.get(HOUR_OBJECT) or b"")
    assert everything(store).equals(before)
    assert everything(store).schema.equals(SAMPLES)


def test_sealing_again_changes_no_byte_and_so_does_sealing_anew(store: ParquetStore) -> None:
    fill(store)
    store.seal(NOON)
    first = store.objects.get(HOUR_OBJECT)
    assert store.seal(NOON).changed is False
    assert store.objects.get(HOUR_OBJECT) == first
    store.objects.delete([HOUR_OBJECT])
    assert store.seal(NOON).changed is True
    assert store.objects.get(HOUR_OBJECT) == first


def test_the_sealed_object_is_what_is_read(store: ParquetStore) -> None:
    fill(store)
    store.seal(NOON)
    before = everything(store)
    some = store.read(NOON, NOON + 30 * MINUTE, markets=[KRAKEN], columns=["value", "minute"])
    store.objects.delete([one.path for root in ("minute", "candles") for one in store.objects.list(root)])
    assert everything(store).equals(before)
    assert store.read(NOON, NOON + 30 * MINUTE, markets=[KRAKEN], columns=["value", "minute"]).equals(some)
    assert some.schema.names == ["value", "minute"]
    assert some.num_rows


def test_a_late_minute_is_in_the_sealed_hour_when_its_write_returns(store: ParquetStore) -> None:
    fill(store)
    store.seal(NOON)
    store.write_minute(NOON + 5 * MINUTE, "kraken", table({NOON + 5 * MINUTE: 777.0}, KRAKEN))
    found = everything(store)
    store.objects.delete([one.path for root in ("minute", "candles") for one in store.objects.list(root)])
    assert everything(store).equals(found)
    assert 777.0 in found["value"].to_pylist()


def test_late_candles_are_in_the_sealed_hour_when_their_write_returns(store: ParquetStore) -> None:
    fill(store)
    store.seal(NOON)
    row = table({NOON + 7 * MINUTE: 888.0}, Market("new", "A", "B"), origin=Origin.CANDLE)
    assert store.write_candles(NOON, "new", row) is True
    store.objects.delete([one.path for root in ("minute", "candles") for one in store.objects.list(root)])
    assert 888.0 in everything(store)["value"].to_pylist()


def test_a_stale_object_that_a_killed_writer_left_is_not_believed(store: ParquetStore) -> None:
    """Killed after its minute was replaced, before the hour was sealed again."""
    fill(store)
    store.seal(NOON)
    stale = store.objects.get(HOUR_OBJECT)
    store.write_minute(NOON, "coinbase", table({NOON: 555.0}, BTC))
    store.objects.put(HOUR_OBJECT, stale or b"")
    assert 555.0 in everything(store)["value"].to_pylist()
    assert store.seal(NOON).changed is True
    assert 555.0 in everything(store)["value"].to_pylist()


def test_the_same_minute_written_again_to_a_sealed_hour_costs_no_seal(store: ParquetStore) -> None:
    fill(store)
    store.write_minute(NOON, "kraken", table({NOON: 1.5}, KRAKEN))
    store.seal(NOON)
    before = store.objects.get(HOUR_OBJECT)
    store.write_minute(NOON, "kraken", table({NOON: 1.5}, KRAKEN))
    assert store.objects.get(HOUR_OBJECT) == before


def test_an_hour_without_inputs_is_left_alone(store: ParquetStore) -> None:
    assert store.seal(NOON).rows == 0
    assert store.objects.list() == []
    with pytest.raises(PermanentError, match="not a whole hour"):
        store.seal(NOON + MINUTE)


def test_a_stream_gives_the_same_rows_hour_by_hour(store: ParquetStore) -> None:
    for back in range(30):
        fill(store, NOON - back * HOUR, 4, seed=back)
        if back % 3:
            store.seal(NOON - back * HOUR)
    start, end = NOON - 29 * HOUR + MINUTE, NOON + MINUTE
    hours = list(store.stream(start, end))
    stamps = [sorted(one["minute"].to_pylist()) for one in hours if one.num_rows]
    assert len(stamps) == 30
    assert all(one[-1] < two[0] for one, two in pairwise(stamps))
    assert merged(hours).equals(store.read(start, end))
    narrow = next(iter(store.stream(start, end, columns=["value"])))
    assert narrow.schema.names == [*KEY, "value"]


def test_statistics_of_a_stream_are_those_of_the_table(store: ParquetStore) -> None:
    for back in range(25):
        fill(store, NOON - back * HOUR, 60 if back < 2 else 5, seed=back)
        if back % 2:
            store.seal(NOON - back * HOUR)
    whole = summarise(store.read(NOON - DAY, NOON), NOON)
    assert whole.num_rows == 6
    assert summarise(store.stream(NOON - DAY, NOON), NOON).equals(whole)
    assert summarise(store.stream(NOON - DAY, NOON, columns=["value"]), NOON).equals(whole)
    assert summarise(store.stream(NOON - 9 * DAY, NOON - 8 * DAY), NOON).num_rows == 0


def test_a_stream_that_breaks_says_why(store: ParquetStore) -> None:
    fill(store)
    store.objects.put("minute/date=2026-03-01/hour=11/1130-coinbase.parquet", b"damaged")
    with pytest.raises(CorruptObject, match="1130-coinbase"):
        summarise(store.stream(NOON - DAY, NOON), NOON)


def test_statistics_do_not_change_a_digit_by_sealing(store: ParquetStore) -> None:
    for back in range(25):
        fill(store, NOON - back * HOUR, 60 if back < 2 else 5, seed=back)
    before = summarise(store.read(NOON - DAY, NOON), NOON)
    for back in range(0, 25, 2):
        store.seal(NOON - back * HOUR)
    assert summarise(store.read(NOON - DAY, NOON), NOON).equals(before)
    for back in range(25):
        store.seal(NOON - back * HOUR)
    assert summarise(store.read(NOON - DAY, NOON), NOON).equals(before)


# retention ---------------------------------------------------------------------------------------


def test_inputs_go_only_when_their_hour_is_sealed_and_verified(store: ParquetStore) -> None:
    fill(store)
    fill(store, NOON + HOUR)
    before = store.read(NOON - HOUR, NOON + 3 * HOUR)
    store.seal(NOON)
    now = NOON + 3 * DAY
    done = store.expire(now, Retention(inputs=2 * DAY))
    assert done.inputs > 60
    assert [one.where for one in done.problems] == ["hour 2026-03-01T13:00:00Z"]
    assert store.objects.list("minute/date=2026-03-01/hour=12") == []
    assert store.read(NOON - HOUR, NOON + 3 * HOUR).equals(before)
    store.seal(NOON + HOUR)
    assert store.expire(now, Retention(inputs=2 * DAY)).problems == ()
    assert store.objects.list("minute") == store.objects.list("candles") == []
    assert store.read(NOON - HOUR, NOON + 3 * HOUR).equals(before)
    assert store.expire(now, Retention(inputs=2 * DAY)).inputs == 0


def test_inputs_within_their_time_stay(store: ParquetStore) -> None:
    fill(store)
    store.seal(NOON)
    assert store.expire(NOON + HOUR + DAY - MINUTE, Retention(inputs=DAY)).inputs == 0
    assert store.expire(NOON + HOUR + DAY, Retention(inputs=None)).inputs == 0
    assert store.expire(NOON + HOUR + DAY, Retention(inputs=DAY)).inputs > 0


def test_a_stale_or_doctored_hour_keeps_its_inputs(store: ParquetStore) -> None:
    fill(store)
    store.seal(NOON)
    stale = store.objects.get(HOUR_OBJECT) or b""
    store.write_minute(NOON, "kraken", table({NOON: 4.0}, KRAKEN))
    store.objects.put(HOUR_OBJECT, stale)
    done = store.expire(NOON + 9 * DAY, Retention(inputs=DAY))
    assert done.inputs == 0
    assert len(done.problems) == 1


def test_rows_whose_inputs_are_gone_survive_a_late_write(store: ParquetStore) -> None:
    fill(store)
    before = {(row["market"], row["metric"], row["minute"]): row for row in everything(store).to_pylist()}
    store.seal(NOON)
    store.expire(NOON + 9 * DAY, Retention(inputs=DAY))
    late = {NOON + n * MINUTE: 7.0 for n in (1, 2, 59)}
    assert store.write_candles(NOON, "coinbase", table(late, ETH, origin=Origin.CANDLE)) is True
    after = {(row["market"], row["metric"], row["minute"]): row for row in everything(store).to_pylist()}
    for key, row in before.items():
        candle_again = key[0] == str(ETH) and key[1] == "price" and key[2] in late and row["origin"] == "candle"
        assert candle_again or after[key] == row
    assert {(str(ETH), "price", minute) for minute in late} <= after.keys()
    assert after.keys() - before.keys() <= {(str(ETH), "price", minute) for minute in late}
    assert store.seal(NOON).changed is False
    store.expire(NOON + 9 * DAY, Retention(inputs=DAY))
    assert {(row["market"], row["metric"], row["minute"]): row for row in everything(store).to_pylist()} == after


def test_other_objects_go_by_their_own_age(store: ParquetStore) -> None:
    for back in (0, 5, 40):
        at = NOON - back * DAY
        store.write_summary(at, summarise(table({at: 1.0}), at))
        store.write_report(at, "fetch", {})
        store.write_minute(at, "coinbase", table({at: 1.0}))
        store.seal(at)
    store.write_listings("coinbase", [], NOON)
    keep = Retention(inputs=DAY, hours=30 * DAY, summaries=30 * DAY, reports=3 * DAY)
    done = store.expire(NOON + HOUR, keep)
    assert (done.inputs, done.hours, done.summaries, done.reports) == (2, 1, 1, 2)
    assert [one.path for one in store.objects.list("hour")] == [
        "hour/date=2026-02-24/hour=12/hour.parquet",
        HOUR_OBJECT,
    ]
    assert store.read_listings("coinbase") is not None
    nothing = store.expire(NOON + HOUR, Retention(None, None, None, None))
    assert (nothing.inputs, nothing.hours, nothing.summaries, nothing.reports) == (0, 0, 0, 0)


def test_a_write_during_retention_is_not_lost(store: ParquetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention has verified the hour when a late minute arrives, and deletes that minute's new object."""
    fill(store)
    store.write_minute(NOON, "kraken", table({NOON: 4.0}, KRAKEN))
    store.seal(NOON)
    other = ParquetStore(store.objects.url)
    delete = store.objects.delete

    def late(paths: list[str]) -> None:
        monkeypatch.setattr(store.objects, "delete", delete)
        seal = other.seal

        def after_the_deletion(hour: datetime):
            monkeypatch.setattr(other, "seal", seal)
            delete(paths)
            return seal(hour)

        monkeypatch.setattr(other, "seal", after_the_deletion)
        writer = Thread(target=other.write_minute, args=(NOON, "kraken", table({NOON: 999.0}, KRAKEN)))
        writer.start()
        writer.join()
        delete(paths)

    monkeypatch.setattr(store.objects, "delete", late)
    store.expire(NOON + 9 * DAY, Retention(inputs=DAY))
    assert 999.0 in everything(store)["value"].to_pylist()


STEP = st.one_of(
    st.tuples(st.just("minute"), st.integers(0, 3), st.sampled_from(["coinbase", "kraken"]), st.integers(1, 9)),
    st.tuples(st.just("candles"), st.integers(0, 3), st.sampled_from(["coinbase", "kraken"]), st.integers(1, 9)),
    st.just(("seal",)),
    st.just(("expire",)),
    st.just(("kill",)),
)


@given(st.lists(STEP, max_size=14))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_sealed_and_expired_reads_as_a_plain_dict_would(
    tmp_path_factory: pytest.TempPathFactory, steps: list
) -> None:
    """A model: polls by minute and exchange, candles merged, a poll before a candle."""
    store = ParquetStore(str(tmp_path_factory.mktemp("model")))
    polls: dict = {}
    candles: dict = {}
    stale = None
    for step in steps:
        if step[0] == "seal":
            store.seal(NOON)
        elif step[0] == "kill":  # an earlier hour object comes back, as if the last writer had died before its seal
            if stale is not None and store.objects.list("minute"):
                store.objects.put(HOUR_OBJECT, stale)
            stale = None
        elif step[0] == "expire":
            store.expire(NOON + 9 * DAY, Retention(inputs=DAY))
            stale = None
        else:
            kind, n, exchange, value = step
            minute, market = NOON + n * MINUTE, Market(exchange, "A", "B")
            stale = store.objects.get(HOUR_OBJECT) if store.objects.list("hour") else None
            if kind == "minute":
                store.write_minute(minute, exchange, table({minute: float(value)}, market))
                polls[exchange, minute] = float(value)
            else:
                store.write_candles(NOON, exchange, table({minute: float(value)}, market, origin=Origin.CANDLE))
                candles[exchange, minute] = float(value)
    found = everything(store)
    expected = candles | polls
    rows = found.to_pylist()
    assert {(row["market"].split(":")[0], row["minute"]): row["value"] for row in rows} == expected
    assert len(rows) == len(expected)
    assert all(row["metric"] == Metric.PRICE for row in rows)
