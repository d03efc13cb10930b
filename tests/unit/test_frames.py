"""Tables of samples: built, judged and merged."""

from __future__ import annotations

import random
import subprocess
import sys
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.samples import BTC, ETH, NOON, sample, table, until
from tracker.errors import PermanentError
from tracker.frames import (
    LEAST,
    MEASURED,
    MOST,
    SAMPLES,
    between,
    check_samples,
    instants,
    merged,
    minutes_of,
    one,
    samples_of,
    samples_table,
    summary_rows,
)
from tracker.model import HOUR, MINUTE, Market, Metric, Origin, Series
from tracker.stats import summarise
from tracker.store.parquet import encode

SAMPLE = st.builds(
    sample,
    st.sampled_from([BTC, ETH, Market("kraken", "ü", "€"), Market("ccxt:okx", "A-B", "C")]),
    st.integers(0, 5).map(lambda n: NOON + n * MINUTE),
    st.sampled_from([1.0, 2.0, 3.5]),
    st.sampled_from(list(Metric)),
    st.sampled_from(list(Origin)),
)


@given(st.lists(SAMPLE))
def test_a_table_gives_its_samples_back(samples: list) -> None:
    back = samples_of(samples_table(samples))
    assert set(back) <= set(samples)
    keys = [(str(one.series.market), one.series.metric, one.minute) for one in back]
    assert keys == sorted(set(keys))
    assert set(keys) == {(str(one.series.market), one.series.metric, one.minute) for one in samples}


@given(st.lists(SAMPLE, max_size=12), st.randoms())
def test_a_poll_wins_whatever_the_order(samples: list, rng: object) -> None:
    polled = {(one.series, one.minute) for one in samples if one.origin is Origin.POLL}
    rng.shuffle(samples)  # type: ignore[attr-defined]
    for row in samples_of(samples_table(samples)):
        assert (row.origin is Origin.POLL) == ((row.series, row.minute) in polled)


@given(st.lists(SAMPLE, max_size=30), st.integers(1, 5))
def test_how_rows_are_split_into_tables_changes_nothing(samples: list, parts: int) -> None:
    whole = samples_table(samples)
    split = [samples_table(samples[part::parts]) for part in range(parts)]
    keys = {(one.series, one.minute, one.origin): one.value for one in samples}
    if len(keys) == len({(one.series, one.minute, one.origin, one.value) for one in samples}):
        assert merged(split).equals(whole)
        assert merged(split[::-1]).equals(whole)
    assert merged([whole]).equals(whole)
    assert merged([whole, whole]).equals(whole)
    assert merged([pa.concat_tables(split)]).schema.equals(SAMPLES)


def test_of_two_equal_origins_the_later_table_counts() -> None:
    first, second = table({NOON: 1.0}), table({NOON: 2.0})
    assert merged([first, second])["value"].to_pylist() == [2.0]
    assert merged([second, first])["value"].to_pylist() == [1.0]


def test_a_poll_in_the_first_table_wins_over_a_candle_in_the_last() -> None:
    poll, candle = table({NOON: 1.0}), table({NOON: 2.0, NOON + MINUTE: 3.0}, origin=Origin.CANDLE)
    assert merged([poll, candle])["value"].to_pylist() == [1.0, 3.0]
    assert merged([candle, poll])["value"].to_pylist() == [1.0, 3.0]


def test_words_that_no_row_uses_are_dropped() -> None:
    both = merged([table({NOON: 1.0}), table({NOON: 1.0}, ETH)])
    kept = merged([between(both, NOON - MINUTE, NOON, [ETH])])
    assert kept["market"].chunk(0).dictionary.to_pylist() == ["coinbase:ETH-USD"]
    assert kept.equals(table({NOON: 1.0}, ETH))


def test_merging_nothing_gives_an_empty_table() -> None:
    assert merged([]).equals(SAMPLES.empty_table())
    assert merged([SAMPLES.empty_table(), SAMPLES.empty_table()]).num_rows == 0
    assert samples_table([]).schema.equals(SAMPLES)
    assert samples_of(samples_table([])) == []


def test_more_series_than_sixteen_bits_are_sorted_too() -> None:
    words = pa.array([f"x:{n:05}-USD" for n in range(70_000, 0, -1)]).dictionary_encode()
    n = len(words)
    time = pa.array([NOON] * n, pa.timestamp("us", tz="UTC"))
    constant = [pa.array([word] * n).dictionary_encode() for word in ("price", "poll")]
    rows = pa.Table.from_arrays([words, constant[0], time, pa.array([1.0] * n), time, constant[1]], schema=SAMPLES)
    markets = merged([rows])["market"].to_pylist()
    assert markets == sorted(markets)
    assert len(markets) == n


def test_between_leaves_out_the_start_and_keeps_the_end() -> None:
    rows = table(until(NOON, [1.0, 2.0, 3.0]))
    assert between(rows, NOON - 2 * MINUTE, NOON)["value"].to_pylist() == [2.0, 3.0]
    assert between(rows, NOON - 3 * MINUTE, NOON) is rows


def test_one_series_is_found_and_an_unknown_one_is_empty() -> None:
    rows = merged([table({NOON: 1.0}), table({NOON: 2.0}, ETH), table({NOON: 9.0}, metric=Metric.VOLUME_24H)])
    assert one(rows, Series(BTC, Metric.VOLUME_24H))["value"].to_pylist() == [9.0]
    assert one(rows, Series(Market("a", "b", "c"), Metric.PRICE)).num_rows == 0


def test_minutes_are_told_once_and_in_order() -> None:
    rows = pa.concat_tables([table({NOON + MINUTE: 1.0, NOON: 1.0}), table({NOON: 1.0}, ETH)])
    assert minutes_of(rows) == [NOON, NOON + MINUTE]
    assert minutes_of(SAMPLES.empty_table()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 5e-324, LEAST / 2, MOST * 2])
def test_a_price_that_no_exchange_can_mean_is_refused_by_name(value: float) -> None:
    rows = pa.concat_tables([table({NOON: 1.0}, ETH), table({NOON: value})])
    with pytest.raises(PermanentError, match=r"coinbase:BTC-USD price at 2026-03-01 12:00:00\+00:00"):
        check_samples(rows)


@pytest.mark.parametrize(("value", "good"), [(0.0, True), (-0.5, False), (float("nan"), False), (1e-100, True)])
def test_a_volume_may_be_zero_but_not_negative(value: float, good: bool) -> None:
    rows = table({NOON: value}, metric=Metric.VOLUME_24H)
    if good:
        check_samples(rows)
    else:
        with pytest.raises(PermanentError, match="volume_24h"):
            check_samples(rows)


def test_a_stamp_that_is_no_whole_minute_is_refused() -> None:
    with pytest.raises(PermanentError, match="whole minute"):
        check_samples(table({NOON + timedelta(seconds=1): 1.0}))


def test_a_table_with_other_columns_is_refused() -> None:
    with pytest.raises(PermanentError, match="not a table of samples"):
        check_samples(table({NOON: 1.0}).drop_columns(["origin"]))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        samples_table([sample(BTC, NOON.replace(tzinfo=None), 1.0)])


def test_summary_rows_speak_python() -> None:
    rows = summary_rows(summarise(table({NOON: 2.0}), NOON))
    assert [(row.series, row.latest, row.latest_minute, row.stdev_24h, row.rank, row.n_24h) for row in rows] == [
        (Series(BTC, Metric.PRICE), 2.0, NOON, None, None, 1)
    ]
    assert rows[0].minute == NOON


def test_instants_keep_null_as_none() -> None:
    times = pa.chunked_array([pa.array([NOON, None], pa.timestamp("us", tz="UTC"))])
    assert instants(times) == [NOON, None]


@given(st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 300)), st.floats(1, 9), min_size=1), st.randoms())
def test_hours_in_their_order_are_spliced_to_what_sorting_all_rows_gives(cells: dict, rng: random.Random) -> None:
    rows = []
    for (base, minute), value in cells.items():
        metric, origin = rng.choice(list(Metric)), rng.choice(list(Origin))
        rows.append(sample(Market("x", f"B{base}", "Q"), NOON + minute * MINUTE, value, metric, origin))
    hours = [samples_table(one for one in rows if (one.minute - NOON) // HOUR == hour) for hour in range(6)]
    found = merged(hours)
    assert encode(found) == encode(merged([samples_table(rng.sample(rows, len(rows)))]))
    narrow = [hour.select(MEASURED) for hour in hours]
    assert merged(narrow).equals(found.select(MEASURED))
    assert encode(merged([hours[0], hours[0], *hours[1:]])) == encode(found)  # not one later than the other: sorted


def test_the_way_of_a_minute_never_imports_pandas() -> None:
    """It costs 0.3 to 0.6 s in every task process (reference: storage, 4.1)."""
    code = """
import sys
from datetime import datetime, UTC
from tracker.frames import instants, merged, minutes_of, one, samples_of, samples_table, summary_rows
from tracker.model import DAY, HOUR, Market, Metric, Origin, Sample, Series
from tracker.stats import summarise
from tracker.store.parquet import encode
from tracker.store import ParquetStore
noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
store = ParquetStore("memory://minute")
for origin in Origin:
    rows = samples_table([Sample(Series(Market("x", "B", "Q"), m), noon, 1.0, noon, origin) for m in Metric])
    store.write_minute(noon, "x", rows) if origin is Origin.POLL else store.write_candles(noon, "x", rows)
window = store.read(noon - DAY, noon, markets=[Market("x", "B", "Q")])
summary = summarise(window, noon)
store.write_summary(noon, summary)
summary_rows(store.read_summary(noon)), samples_of(window), minutes_of(window)
one(window, Series(Market("x", "B", "Q"), Metric.PRICE))
assert window.num_rows == 2 and summary.num_rows == 2
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
