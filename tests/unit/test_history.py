"""Candles become the samples that polls would have seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker import history
from tracker.candles import Candles
from tracker.frames import SAMPLES, samples_of
from tracker.history import LOOKBACK, decimal_sums, gaps, hours
from tracker.model import DAY, MINUTE, Candle, Market, Metric, Origin, Sample

BTC = Market("coinbase", "BTC", "USD")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOTH = (Metric.PRICE, Metric.VOLUME_24H)


def samples(rows: list[Candle], start: datetime, end: datetime, metrics: tuple[Metric, ...]) -> list[Sample]:
    """Give the samples as values, minute by minute."""
    candles = Candles.of(BTC, rows)
    tables = history.samples(candles, candles.traded, start, end, metrics)
    assert all(table.schema.equals(SAMPLES) for table in tables)
    return sorted((one for table in tables for one in samples_of(table)), key=lambda one: one.minute)


def candle(minute: datetime, volume: float = 1.0, close: float = 10.0) -> Candle:
    return Candle(BTC, minute - MINUTE, close, close, close, close, volume)


def test_a_candle_is_stamped_with_the_instant_at_which_it_ended():
    [sample] = samples([candle(NOON + MINUTE, close=42.5)], NOON, NOON + MINUTE, (Metric.PRICE,))
    assert (sample.minute, sample.value, sample.observed_at) == (NOON + MINUTE, 42.5, NOON + MINUTE)
    assert sample.origin is Origin.CANDLE


def test_the_start_is_outside_and_the_end_inside():
    candles = [candle(NOON + n * MINUTE) for n in range(4)]
    assert [one.minute for one in samples(candles, NOON, NOON + 2 * MINUTE, (Metric.PRICE,))] == [
        NOON + MINUTE,
        NOON + 2 * MINUTE,
    ]


def test_a_minute_without_a_candle_has_no_sample():
    candles = [candle(NOON + MINUTE), candle(NOON + 3 * MINUTE)]
    found = samples(candles, NOON, NOON + 3 * MINUTE, (Metric.PRICE,))
    assert [one.minute.minute for one in found] == [1, 3]


def test_the_volume_of_a_day_is_the_sum_of_its_minutes_and_nothing_older():
    candles = [candle(NOON - DAY + n * MINUTE, volume=n + 1.0) for n in range(1441)]
    *_, last = samples(candles, NOON - MINUTE, NOON, BOTH)
    assert last.series.metric is Metric.VOLUME_24H
    assert last.value == sum(range(2, 1442))  # the candle that ended exactly 24 h before is outside


def test_less_than_a_day_of_candles_gives_no_volume_because_its_growth_would_look_like_a_jump():
    candles = [candle(NOON - DAY + n * MINUTE) for n in range(1, 1441)]
    assert {one.series.metric for one in samples(candles, NOON - MINUTE, NOON, BOTH)} == {Metric.PRICE}


def test_an_old_candle_beyond_the_look_back_is_no_proof_so_that_the_range_loaded_does_not_matter():
    recent = [candle(NOON - n * MINUTE) for n in reversed(range(60))]
    old = candle(NOON - LOOKBACK)
    assert samples([old, *recent], NOON - MINUTE, NOON, BOTH) == samples(recent, NOON - MINUTE, NOON, BOTH)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 600))
def test_a_longer_range_gives_the_same_digits(seed, cut):
    random = Random(seed)
    volumes = [round(random.expovariate(0.01), 8) for _ in range(1500)]
    candles = [candle(NOON + n * MINUTE, volume=volume) for n, volume in enumerate(volumes, start=-1499)]
    whole = samples(candles, NOON - 600 * MINUTE, NOON, BOTH)
    part = samples([one for one in candles if one.minute > NOON - LOOKBACK], NOON - cut * MINUTE, NOON, BOTH)
    assert part == whole[-len(part) :]
    assert part[-1].value == float(sum((Decimal(repr(one)) for one in volumes[-1440:]), Decimal(0)))


FEW_DIGITS = st.builds(lambda digits, places: float(f"{digits}e-{places}"), st.integers(0, 10**12), st.integers(0, 10))


@settings(max_examples=300)
@given(st.lists(FEW_DIGITS | st.floats(1e-12, 1e15), min_size=1, max_size=60) | st.lists(FEW_DIGITS, min_size=1))
def test_sums_have_the_digits_of_exact_decimals(values):
    ends = np.arange(1, len(values) + 1)
    first = ends // 2
    exact = Context(prec=400)
    for column in (values, values[::-1]):
        expected = []
        for a, b in zip(first, ends, strict=True):
            total = Decimal(0)
            for value in column[a:b]:
                total = exact.add(total, Decimal(repr(value)))
            expected.append(float(total))
        assert decimal_sums(np.array(column), first, ends).tolist() == expected


def test_no_rows_have_no_sums():
    none = np.array([], np.int64)
    assert decimal_sums(np.array([]), none, none).tolist() == []


def test_an_hour_belongs_to_a_range_when_one_of_its_stamps_does():
    assert list(hours(NOON, NOON + timedelta(hours=1))) == [NOON, NOON + timedelta(hours=1)]
    assert list(hours(NOON - MINUTE, NOON)) == [NOON]


@given(st.sets(st.integers(1, 50)))
def test_gaps_and_presence_together_are_the_whole_range(present):
    found = gaps([NOON + n * MINUTE for n in present], NOON, NOON + 50 * MINUTE)
    missing = {n for a, b in found for n in range((a - NOON) // MINUTE + 1, (b - NOON) // MINUTE + 1)}
    assert missing == set(range(1, 51)) - present
