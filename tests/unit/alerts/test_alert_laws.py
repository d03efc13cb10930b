"""Laws of alerts: for any series at all, compared with a naive judge in exact fractions."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import zip_longest

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.judge import told
from tests.support.windows import BTC, at, samples, window
from tracker.alerts import AlertRule, Event, evaluate, history
from tracker.frames import SUMMARY, samples_table
from tracker.model import Market, Metric, Series

RULE = AlertRule("price-3x", Metric.PRICE)
EAGER = AlertRule("eager", Metric.PRICE, limit="1.5", min_samples=3, resolve_after=2, cooldown=5)
LASTING = replace(EAGER, lasting=3, cooldown=0)
LENGTH = 150

decimals = st.sampled_from([0.1, 0.7, 1.0, 2.1, 3.0, 1e-8, 3e-8, 0.30000000000000004, 7.0, 1e9, 123.456])
runs = st.lists(
    st.tuples(st.one_of(st.none(), decimals, st.floats(1e-12, 1e12)), st.integers(1, 45)), min_size=1, max_size=20
)
series = runs.map(lambda parts: [value for value, times in parts for _ in range(times)][:LENGTH])


def shape(transitions):
    return [(one.event, one.minute, one.fired, one.rises) for one in transitions]


def as_judged(values, end, rule):
    """The same, from the naive judge; rises are those until the event."""
    given_values = {at(i): v for i, v in enumerate(values) if v is not None}
    alerts = told(
        given_values,
        end,
        rule.limit,
        rule.min_samples,
        rule.resolve_after,
        cooldown=rule.cooldown,
        lasting=rule.lasting,
    )
    events = [(Event(event), minute, alert.fired, rises) for alert in alerts for event, minute, rises in alert.events]
    return sorted(events, key=lambda one: (one[1], one[0].value))


@settings(deadline=None, max_examples=60)
@given(series, st.sampled_from([RULE, EAGER, LASTING]))
def test_history_tells_what_the_definitions_tell(values, rule):
    assert shape(history([rule], window(values), at(-1), at(LENGTH + 61))) == as_judged(values, at(LENGTH + 61), rule)


def log_of(minutes, values, rule, log=()):
    """Evaluate minutes one by one, each knowing what was told before, as the analyze step does."""
    log = {one.id: one for one in log}
    for index in minutes:
        seen = window(values[: index + 1])
        for one in evaluate([rule], seen, SUMMARY.empty_table(), at(index), told=log.values()).transitions:
            log.setdefault(one.id, one)
    return sorted(log.values(), key=lambda one: (one.minute, one.event.value))


@settings(deadline=None, max_examples=15)
@given(series, st.sampled_from([EAGER, LASTING]))
def test_each_minute_in_turn_tells_what_history_tells(values, rule):
    assert log_of(range(LENGTH + 61), values, rule) == history([rule], window(values), at(-1), at(LENGTH + 60))


@settings(deadline=None, max_examples=15)
@given(series, st.lists(st.integers(0, LENGTH + 60), max_size=20))
def test_minutes_evaluated_again_late_and_out_of_order_add_nothing(values, again):
    log = log_of(range(LENGTH + 61), values, EAGER)
    assert log_of(again, values, EAGER, log) == log


@settings(deadline=None, max_examples=15)
@given(series, series, st.lists(st.integers(0, LENGTH + 60), max_size=20))
def test_what_was_told_stays_told_when_a_repair_gives_other_samples(values, repaired, again):
    """Per alert the log stays a life: firing, an end, firing again; no end without its beginning, none twice."""
    log = log_of(range(LENGTH + 61), values, EAGER)
    mended = [old if old is not None else new for old, new in zip_longest(values, repaired)][:LENGTH]
    after = log_of(again, mended, EAGER, log)
    assert set(log) <= set(after)
    last = {}
    for one in after:
        before = last.get(one.series)
        assert (before is None or before.event is not Event.FIRING) == (one.event is Event.FIRING)
        assert one.event is Event.FIRING or before.fired == one.fired
        last[one.series] = one


@settings(deadline=None, max_examples=15)
@given(series, st.sets(st.integers(0, LENGTH + 60)))
def test_minutes_that_nobody_evaluated_are_decided_by_the_next_one(values, missed):
    """As after a killed analyze: the samples are there, and the next minute decides all since the last."""
    log, since = {}, at(-1)
    for index in range(LENGTH + 61):
        if index in missed and index < LENGTH + 60:
            continue
        seen = window(values[: index + 1])
        found = evaluate([EAGER], seen, SUMMARY.empty_table(), at(index), told=log.values(), since=since)
        log |= {one.id: one for one in found.transitions}
        since = at(index)
    assert sorted(log.values(), key=lambda one: (one.minute, one.event.value)) == history(
        [EAGER], window(values), at(-1), at(LENGTH + 60)
    )


@settings(deadline=None, max_examples=15)
@given(series, st.randoms())
def test_the_order_of_rows_and_the_cut_into_chunks_change_nothing(values, chance: random.Random):
    other = Series(Market("kraken", "ETH", "EUR"), Metric.PRICE)
    rows = samples(values) + samples(values[::-1], other)
    ordered = history([EAGER], samples_table(rows), at(-1), at(LENGTH + 61))
    table = samples_table(rows)
    order = list(range(len(rows)))
    chance.shuffle(order)
    pieces = [table.slice(one, 1) for one in order]
    shuffled = pa.concat_tables(pieces) if pieces else table
    assert history([EAGER], shuffled, at(-1), at(LENGTH + 61)) == ordered


@settings(deadline=None, max_examples=30)
@given(series, st.integers(0, LENGTH), st.integers(1, 50))
def test_losing_samples_of_a_quiet_series_never_fires(values, start, length):
    quiet = [None if value is None else 1.0 + (index % 7) / 10 for index, value in enumerate(values)]
    holed = [None if start <= index < start + length else value for index, value in enumerate(quiet)]
    assert history([RULE], window(holed), at(-1), at(LENGTH + 61)) == []


@settings(deadline=None, max_examples=60)
@given(st.decimals("0.00000001", "1000000", places=8), st.integers(30, 60))
def test_exactly_three_times_never_fires(base, count):
    values = [float(base)] * count + [float(base * 3)]
    fires = Fraction(repr(values[-1])) > 3 * Fraction(repr(values[0]))
    assert bool(history([RULE], window(values), at(-1), at(count))) == fires
    assert not fires


@settings(deadline=None, max_examples=30)
@given(series)
def test_a_life_is_told_in_order_and_its_numbers_are_sound(values):
    found = history([EAGER], window(values), at(-1), at(LENGTH + 61))
    lives: dict[str, list] = {}
    for one in found:
        lives.setdefault(one.alert_id, []).append(one)
        assert one.minute >= one.fired
        assert one.rises >= 1
        assert one.peak_ratio >= one.ratio * (1 - 1e-12) or math.isinf(one.peak_ratio)
    for events in lives.values():
        assert [one.event is Event.FIRING for one in events] == [index % 2 == 0 for index in range(len(events))]
        assert [one.reopened for one in events if one.event is Event.FIRING] == [False] + [True] * (
            (len(events) - 1) // 2
        )
        assert all(one.event is not Event.EXPIRED for one in events[:-1])
        if events[-1].event is Event.EXPIRED:
            assert events[-1].minute - events[0].fired >= timedelta(minutes=60)
    assert len({one.id for one in found}) == len(found)
    assert {one.series for one in found} <= {BTC}
