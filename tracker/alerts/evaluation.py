"""Evaluate the rules over a window: which alerts change, and in what state each series is.

Nothing is remembered between minutes. Each evaluation lives through the day before it again, so that a minute
evaluated twice, late, or out of order after a repair gives the same transitions; the hour it takes a mean to warm
up keeps the cut edge of the window from firing. A cheap filter makes that affordable: a series that never stood
above `factor` times its own minimum cannot have fired, and that is nearly all of them nearly always.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tracker.alerts.columns import Columns, Floats, Ints, columns, minute_of, number_of
from tracker.alerts.life import Life, lives
from tracker.alerts.values import SILENT_MINUTES, AlertRule, Evaluation, Event, State, Transition
from tracker.frames import instants
from tracker.model import DAY, MINUTE, Market, Metric, Series

if TYPE_CHECKING:
    import pyarrow as pa

_WINDOW = 60  # minutes of the mean
_BLOCK = 2_000_000  # rows judged at a time: bounds the memory of a minute in which every series is a candidate
_OLD = DAY - timedelta(hours=2)  # an alert this long open may have begun before the window of its end


def evaluate(rules: Sequence[AlertRule], window: pa.Table, summary: pa.Table, minute: datetime) -> Evaluation:
    """Say what changes at `minute` and how each series stands.

    `window` holds the samples of (minute - 24h, minute] (schema `frames.SAMPLES`), `summary` one row for each of its
    series. Only transitions of `minute` itself are given; `states` leaves out the series that are plainly ok.
    """
    samples = columns(window, minute - DAY, minute)
    transitions: list[Transition] = []
    states = dict(_unjudged(rules, summary, minute))
    for rule in rules:
        for alert in _alerts(rule, samples, number_of(minute)):
            transitions += alert.transitions(minute - MINUTE, minute)
            if alert.life.open:
                state = State.FIRING if alert.life.above[-1] == alert.life.last else State.RESOLVING
                if states.get(alert.series) is not State.FIRING:
                    states[alert.series] = state
    return Evaluation(tuple(_in_order(transitions)), states)


def history(rules: Sequence[AlertRule], window: pa.Table, start: datetime, end: datetime) -> list[Transition]:
    """Give all transitions of the minutes in (start, end], oldest first: what evaluating each of them gives.

    `window` holds the samples of (start - 24h, end].
    """
    samples = columns(window, start - DAY, end)
    found: list[Transition] = []
    for rule in rules:
        for alert in _alerts(rule, samples, number_of(end)):
            for one in alert.transitions(start, end):
                found += [one] if one.minute - one.fired < _OLD else _as_seen_then(rule, samples, one)
    return _in_order(found)


def _as_seen_then(rule: AlertRule, samples: Columns, transition: Transition) -> list[Transition]:
    """Give the transition as the 24 hours before it tell it: a longer look back may know an earlier beginning."""
    end = number_of(transition.minute)
    first, last = np.searchsorted(
        samples.minutes[(rows := _rows_of(samples, transition.series))], [end - 1439, end + 1]
    )
    rows = rows[first:last]
    name = (str(transition.series.market), transition.series.metric.value)
    bounds = np.array([0, len(rows)], dtype=np.int64)
    seen = Columns([name], bounds, samples.minutes[rows], samples.values[rows])
    minute = transition.minute
    return [change for alert in _alerts(rule, seen, end) for change in alert.transitions(minute - MINUTE, minute)]


def _rows_of(samples: Columns, series: Series) -> Ints:
    index = samples.names.index((str(series.market), series.metric.value))
    return np.arange(samples.bounds[index], samples.bounds[index + 1])


def _in_order(transitions: list[Transition]) -> list[Transition]:
    return sorted(transitions, key=lambda one: (one.minute, one.rule, one.series, one.event.value))


def _unjudged(rules: Sequence[AlertRule], summary: pa.Table, minute: datetime) -> Iterator[tuple[Series, State]]:
    """Name the series without data, and those whose hour is too thin for a rule of their metric."""
    names = (summary.column(name).to_pylist() for name in ("market", "metric", "n_1h"))
    for market, metric, count, latest in zip(*names, instants(summary.column("latest_minute")), strict=True):
        silent = latest is None or minute - latest >= SILENT_MINUTES * MINUTE
        if silent or any(count < rule.min_samples for rule in rules if rule.metric == metric and rule.watches(market)):
            yield Series(Market.parse(market), Metric(metric)), State.NO_DATA if silent else State.WARMING


@dataclass(frozen=True, slots=True)
class _Alert:
    """A life with the numbers behind it."""

    rule: AlertRule
    series: Series
    life: Life
    hour: _Hours

    def transitions(self, start: datetime, end: datetime) -> list[Transition]:
        """Give the changes of this life in (start, end], oldest first."""
        life, minutes = self.life, self.hour.minutes
        changes = [(Event.FIRING, int(minutes[life.fired]), life.fired)]
        if life.resolved is not None:
            changes.append((Event.RESOLVED, int(minutes[life.resolved]), life.resolved))
        if life.lost is not None:
            changes.append((Event.EXPIRED, life.lost, life.last))
        return [self._at(*one) for one in changes if number_of(start) < one[1] <= number_of(end)]

    def _at(self, event: Event, minute: int, judged: int) -> Transition:
        """Tell a change at `minute`, with the numbers of the position `judged`, from what was known by then."""
        life = self.life
        return Transition(
            rule=self.rule.name,
            series=self.series,
            event=event,
            minute=minute_of(minute),
            fired=minute_of(int(self.hour.minutes[life.fired])),
            latest=self.hour.latest(judged),
            mean_1h=self.hour.mean(judged),
            n_1h=len(self.hour.before(judged)),
            peak_ratio=max(self.hour.ratio(one) for one in life.above if one <= judged),
            rises=sum(one <= judged for one in life.risen),
            factor=self.rule.factor,
        )


@dataclass(frozen=True, slots=True)
class _Hours:
    """The judged minutes of one series, and the hour before each."""

    values: Floats  # of the block
    rows: Ints  # the row of each judged minute in the block
    firsts: Ints  # the row at which its hour begins
    minutes: Ints

    def latest(self, judged: int) -> float:
        return float(self.values[self.rows[judged]])

    def before(self, judged: int) -> list[float]:
        found: list[float] = self.values[self.firsts[judged] : self.rows[judged]].tolist()
        return found

    def mean(self, judged: int) -> float:
        """The correctly rounded mean of the hour before."""
        hour = self.before(judged)
        return math.fsum(hour) / len(hour)

    def ratio(self, judged: int) -> float:
        mean = self.mean(judged)
        return self.latest(judged) / mean if mean else math.inf


def _alerts(rule: AlertRule, samples: Columns, until: int) -> Iterator[_Alert]:
    """Give the lives of all alerts of a rule that began within the samples, up to the minute `until`."""
    chosen = samples.chosen(rule)
    if not len(chosen):
        return
    lowest = np.minimum.reduceat(samples.values, samples.bounds[:-1])
    highest = np.maximum.reduceat(samples.values, samples.bounds[:-1])
    candidates = chosen[_may_be_above(rule, highest[chosen], lowest[chosen])]
    for block in samples.blocks(candidates, _BLOCK) if len(candidates) else ():
        yield from _judge_block(rule, samples, block, lowest, until)


def _judge_block(rule: AlertRule, samples: Columns, block: Ints, lowest: Floats, until: int) -> Iterator[_Alert]:
    rows, owners = samples.rows(block)
    values, minutes = samples.values[rows], samples.minutes[rows]
    keys = (owners << 32) + minutes
    firsts = np.searchsorted(keys, keys - _WINDOW)
    counts = np.arange(len(rows)) - firsts
    judged = counts >= rule.min_samples
    hot = np.flatnonzero(judged & _may_be_above(rule, values, lowest[owners]))
    above = np.zeros(len(rows), dtype=bool)
    above[hot] = _above(rule, values, hot, firsts[hot])
    edges = np.searchsorted(owners, block), np.searchsorted(owners, block, side="right")
    for series, first, last in zip(block.tolist(), *edges, strict=True):
        if above[first:last].any():
            here = np.flatnonzero(judged[first:last]) + first
            hours = _Hours(values, here, firsts[here], minutes[here])
            for life in lives(minutes[here].tolist(), above[here].tolist(), until, rule.resolve_after):
                yield _Alert(rule, samples.series(series), life, hours)


def _may_be_above(rule: AlertRule, values: Floats, lowest: Floats) -> NDArray[np.bool_]:
    """Sort out what cannot be above, the mean being no lower than the lowest; in doubt floats leave it in."""
    found: NDArray[np.bool_] = (values > 0) & (values / (float(rule.factor) * (1 - 1e-9)) >= lowest)
    return found


def _above(rule: AlertRule, values: Floats, rows: Ints, firsts: Ints) -> NDArray[np.bool_]:
    """Say for each row whether latest * n > factor * sum over the hour before, exactly, and the mean is high enough.

    Floats decide where they are sure: 60 numbers of one sign add up with a relative error below 60 * 2^-53, about
    7e-15. Nearer to equality than 1e-12, and at the ends of the range of floats, fractions of the shortest decimal
    forms decide.
    """
    if not len(rows):
        return np.zeros(0, dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        pairs = np.stack([firsts, rows], axis=1).reshape(-1)
        totals = np.add.reduceat(values, pairs)[::2]
        sums = totals * float(rule.factor)
        products = values[rows] * (rows - firsts)
        above = products > sums
        larger = np.maximum(products, sums)
        sure = (
            (np.abs(products - sums) > 1e-12 * larger) & (larger > 1e-290) & np.isfinite(products) & np.isfinite(sums)
        )
    factor = Fraction(rule.factor)
    for one in np.flatnonzero(~sure).tolist():
        hour = values[firsts[one] : rows[one]].tolist()
        above[one] = _exact(float(values[rows[one]])) * len(hour) > factor * sum(map(_exact, hour), Fraction(0))
    floored: NDArray[np.bool_] = above & (totals >= float(rule.min_mean) * (rows - firsts))
    return floored


def _exact(value: float) -> Fraction:
    """The number a person reads: the shortest decimal that is this float."""
    return Fraction(repr(value))
