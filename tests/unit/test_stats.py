"""The statistics against exact arithmetic, against pandas, and against themselves in other orders."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.duck import published
from tests.support.samples import BTC, ETH, NOON, sample, table, until, walk
from tracker.frames import SUMMARY, between, merged, samples_table, summary_rows
from tracker.model import DAY, HOUR, MINUTE, Market, Metric, Series
from tracker.stats import summarise
from tracker.store import ParquetStore


def row_of(values: dict[datetime, float], minute: datetime = NOON):
    (row,) = summary_rows(summarise(table(values), minute))
    return row


def exact_stdev(values: list[float]) -> float:
    """Two passes, each correctly rounded."""
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))


rng = random.Random(7)
HOSTILE = {
    "about 1e5, a cent up and down": [1e5 + rng.choice([-0.01, 0.01]) for _ in range(1440)],
    "one value a cent off": [65000.0] * 1439 + [65000.01],
    "a thousandfold spike": [1.0] * 700 + [1000.0] + [1.0] * 739,
    "a spike that has just left": [1e6, *walk(3, 1439, 1.0)],
    "a spike that is about to leave": [1e6, *walk(3, 1438, 1.0)],
    "tiny": [value * 1e-90 for value in walk(4, 1440)],
    "huge": [value * 1e90 for value in walk(5, 1440)],
    "two": [1.0, 3.0],
    "a long climb": [1.01**n for n in range(1440)],
    "a quiet volume of 1e8": [1e8 + n % 7 for n in range(1440)],
    "satoshis": [1e-8 * (1 + n % 3) for n in range(1440)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_deviation_is_exact_to_nine_digits_on_hostile_series(name: str) -> None:
    values = HOSTILE[name]
    row = row_of(until(NOON, values))
    assert row.stdev_24h == pytest.approx(exact_stdev(values), rel=1e-12, abs=0)
    assert row.cv_24h == pytest.approx(exact_stdev(values) * len(values) / math.fsum(values), rel=1e-9, abs=0)
    assert (row.min_24h, row.max_24h, row.latest, row.n_24h) == (min(values), max(values), values[-1], len(values))
    hour = values[:-1][-60:]
    assert row.mean_1h == pytest.approx(math.fsum(hour) / len(hour), rel=1e-15, abs=0)


@given(st.floats(1e-90, 1e90), st.integers(2, 1440))
@settings(max_examples=50, deadline=None)
def test_a_constant_series_deviates_by_exactly_nothing(value: float, count: int) -> None:
    row = row_of(until(NOON, [value] * count))
    assert row.stdev_24h == 0.0
    assert row.rank == 1
    assert row.change_24h in {None, 0.0}


def test_the_mean_of_an_hour_of_satoshis_is_a_satoshi() -> None:
    """So that three times it prints as 3.000, and not as 2.999 (product: 3.3)."""
    assert row_of(until(NOON, [1e-8] * 60 + [3e-8])).mean_1h == 1e-8
    assert row_of(until(NOON, [0.1] * 60 + [0.3])).mean_1h == 0.1


def test_the_hour_is_before_the_minute_and_never_holds_it() -> None:
    row = row_of(until(NOON, [7.0] + [1.0] * 60 + [100.0]))
    assert (row.mean_1h, row.n_1h, row.ratio_1h) == (1.0, 60, 100.0)
    late = row_of({NOON - HOUR: 5.0, NOON - HOUR - MINUTE: 9.0, NOON: 10.0})
    assert (late.mean_1h, late.n_1h, late.ratio_1h) == (5.0, 1, 2.0)


def test_the_day_leaves_out_its_start_and_holds_its_end() -> None:
    row = row_of({NOON - DAY: 1000.0, NOON - DAY + MINUTE: 1.0, NOON: 3.0, NOON + MINUTE: 1000.0})
    assert (row.n_24h, row.min_24h, row.max_24h, row.latest, row.stdev_24h) == (2, 1.0, 3.0, 3.0, 1.0)


@pytest.mark.parametrize(
    ("first", "change"),
    [(NOON - DAY, None), (NOON - DAY + MINUTE, 0.5), (NOON - 23 * HOUR, 0.5), (NOON - 23 * HOUR + MINUTE, None)],
)
def test_the_change_of_a_day_needs_a_sample_of_its_first_hour(first: datetime, change: float | None) -> None:
    assert row_of({first: 2.0, NOON: 3.0}).change_24h == change


def test_the_change_is_from_the_oldest_sample() -> None:
    values = {NOON - DAY + MINUTE: 2.0, NOON - DAY + 2 * MINUTE: 100.0, NOON: 3.0}
    assert row_of(values).change_24h == 0.5


def test_a_series_silent_now_has_no_ratio_but_keeps_its_latest() -> None:
    row = row_of({NOON - 2 * MINUTE: 1.0, NOON - MINUTE: 4.0})
    assert (row.latest, row.latest_minute, row.ratio_1h, row.mean_1h) == (4.0, NOON - MINUTE, None, 2.5)


def test_a_mean_of_zero_gives_no_ratio_and_no_relative_deviation() -> None:
    rows = samples_table([sample(BTC, NOON - n * MINUTE, 0.0, Metric.VOLUME_24H) for n in range(3)])
    (row,) = summary_rows(summarise(rows, NOON))
    assert (row.mean_1h, row.ratio_1h, row.cv_24h, row.stdev_24h, row.rank) == (0.0, None, None, 0.0, 1)


def test_one_sample_is_unranked_and_listed_last() -> None:
    rows = merged([table({NOON: 1.0}, Market("a", "A", "A")), table({NOON - MINUTE: 1.0, NOON: 1.0}, ETH)])
    found = [(str(row.market), row.rank, row.stdev_24h) for row in summary_rows(summarise(rows, NOON))]
    assert found == [("coinbase:ETH-USD", 1, 0.0), ("a:A-A", None, None)]


def test_equal_deviations_share_a_rank_and_the_next_is_skipped() -> None:
    swings = {"A": 5.0, "B": 2.0, "C": 2.0, "D": 1.0, "E": 0.0, "F": 0.0}
    rows = merged([
        table({NOON - MINUTE: 10.0 - swing, NOON: 10.0 + swing}, Market("x", base, "Q"), metric=metric)
        for base, swing in swings.items()
        for metric in Metric
    ])  # fmt: skip
    found = summary_rows(summarise(rows, NOON))
    for metric in Metric:
        ranks = [(row.market.base, row.rank) for row in found if row.metric is metric]
        assert ranks == [("A", 1), ("B", 2), ("C", 2), ("D", 4), ("E", 5), ("F", 5)]


def test_two_hundred_equal_series_share_one_rank() -> None:
    values = until(NOON, walk(1, 1440))
    rows = merged([table(values, Market("x", f"B{n}", "Q")) for n in range(200)])
    assert {row.rank for row in summary_rows(summarise(rows, NOON))} == {1}


def test_no_samples_give_an_empty_summary() -> None:
    assert summarise(samples_table([]), NOON).equals(SUMMARY.empty_table())
    assert summarise(table({NOON - DAY: 1.0}), NOON).num_rows == 0


def test_a_time_that_is_no_whole_minute_is_refused() -> None:
    with pytest.raises(ValueError, match="whole minute"):
        summarise(table({NOON: 1.0}), NOON + timedelta(seconds=1))


CELL = st.tuples(st.integers(0, 3), st.integers(-200, 3000))


@given(st.dictionaries(CELL, st.floats(1e-9, 1e9), min_size=1, max_size=60), st.randoms())
@settings(max_examples=25, deadline=None)
def test_order_and_split_of_the_input_never_change_a_digit(cells: dict, rng: random.Random) -> None:
    samples = [
        sample(Market("x", f"B{base}", "Q"), NOON - minute * MINUTE, value) for (base, minute), value in cells.items()
    ]
    expected = summarise(samples_table(samples), NOON)
    pieces = [samples_table(samples[part::3]) for part in range(3)]
    rng.shuffle(pieces)
    assert summarise(pa.concat_tables(pieces), NOON).equals(expected)
    order = list(range(len(samples)))
    rng.shuffle(order)
    assert summarise(samples_table(samples).take(pa.array(order)), NOON).equals(expected)


@pytest.mark.parametrize("seed", range(5))
def test_rows_outside_the_day_and_small_chunks_do_not_change_a_digit(seed: int) -> None:
    """A WHERE did: DuckDB lets chunks of fewer than 64 rows wait behind larger ones."""
    rng = random.Random(seed)
    markets = [Market("x", f"B{n}", "Q") for n in range(5)]
    hours = []
    for back in range(40, -1, -1):
        minutes = [NOON - back * HOUR + n * MINUTE for n in range(60) if rng.random() < rng.choice([0.02, 1])]
        rows = [sample(market, minute, rng.uniform(1, 2)) for market in markets for minute in minutes]
        hours.append(samples_table(rows))
    expected = summarise(merged([between(merged(hours), NOON - DAY, NOON)]), NOON)
    assert summarise(merged(hours), NOON).equals(expected)
    assert summarise(pa.concat_tables(hours), NOON).equals(expected)
    assert summarise(iter(hours), NOON).equals(expected)


def test_pandas_computes_the_same() -> None:
    rng = random.Random(11)
    samples = [
        sample(Market("x", f"B{base}", "Q"), minute, value)
        for base in range(20)
        for minute, value in until(NOON, walk(base, 1440, 10.0 ** rng.randint(-6, 5))).items()
        if rng.random() < 0.9
    ]
    rows = samples_table(samples)
    ours = summarise(rows, NOON).to_pandas().set_index("market").sort_index()
    frame = rows.to_pandas().astype({"market": str})
    day = frame[frame["minute"] > NOON - DAY]
    hour = frame[(frame["minute"] >= NOON - HOUR) & (frame["minute"] < NOON)]
    theirs = day.groupby("market")["value"]
    deviation = theirs.std(ddof=0)
    pd.testing.assert_series_equal(ours["stdev_24h"], deviation, check_names=False, rtol=1e-9)
    mean = hour.groupby("market")["value"].mean()
    pd.testing.assert_series_equal(ours["mean_1h"], mean, check_names=False, rtol=1e-12)
    ranks = deviation.rank(method="min", ascending=False)
    assert (ours["rank"] == ranks).all()
    assert (ours["latest"] == theirs.last()).all()
    assert (ours["n_24h"] == theirs.count()).all()


@given(
    st.dictionaries(CELL, st.floats(1e-9, 1e9), min_size=1, max_size=60),
    st.lists(st.floats(1, 1e5), min_size=1, max_size=1500),
    st.randoms(),
)
@settings(max_examples=40, deadline=None)
def test_the_published_sql_gives_the_same_bits(cells: dict, long: list[float], rng: random.Random) -> None:
    """DuckDB as the judge: gaps, series that come and go, long ones, volumes of 0."""
    samples = [
        sample(Market("x", f"B{base}", "Q"), NOON - minute * MINUTE, value, rng.choice(list(Metric)))
        for (base, minute), value in cells.items()
    ]
    samples += [sample(BTC, NOON - n * MINUTE, value) for n, value in enumerate(long)]
    samples += [sample(BTC, NOON - n * MINUTE, 0.0, Metric.VOLUME_24H) for n in range(rng.randrange(40))]
    rows = samples_table(samples)
    assert published(rows, NOON).equals(summarise(rows, NOON))


def test_the_published_sql_gives_the_same_bits_from_the_files_of_a_store(tmp_path) -> None:
    store = ParquetStore(str(tmp_path))
    for hour in range(25):
        rows = [
            sample(Market("x", f"B{base}", "Q"), NOON - hour * HOUR + n * MINUTE, value)
            for base in range(5)
            for n, value in enumerate(walk(100 * base + hour, 60))
            if (n * base) % 7 != 1
        ]
        store.write_candles(NOON - hour * HOUR, "x", samples_table(rows))
        store.seal(NOON - hour * HOUR)
    at = NOON + 31 * MINUTE
    found = summarise(store.stream(at - DAY, at, columns=("value",)), at)
    assert found.num_rows == 5
    assert published(f"read_parquet('{tmp_path}/hour/*/*/*.parquet', hive_partitioning = false)", at).equals(found)


def test_the_series_of_a_row_is_its_market_and_metric() -> None:
    assert row_of({NOON: 1.0}).series == Series(BTC, Metric.PRICE)
