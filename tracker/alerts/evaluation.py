"""Evaluate the rules over a window: which alerts change, and in what state each series is.

What the rules say is a pure function of the samples and of the transitions told before. What was told stays told: for
each rule and series only minutes after its last transition are decided, from where that one left it. So a minute
evaluated twice, late, or once more after a repair adds nothing that contradicts what people were told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tracker.alerts.columns import Columns, columns, minute_of, number_of
from tracker.alerts.judging import Judged, heard, judge
from tracker.alerts.life import Change, Life, Standing
from tracker.alerts.values import (
    LOST_MINUTES,
    SILENT_MINUTES,
    AlertRule,
    Evaluation,
    Event,
    Kind,
    State,
    Transition,
)
from tracker.frames import instants
from tracker.model import DAY, MINUTE, Market, Metric, Series

if TYPE_CHECKING:
    import pyarrow as pa

TOLD = 7 * DAY
"""How far back told transitions are asked for. An alert that has been open for longer is told anew."""

_WORST = (State.FIRING, State.RESOLVING, State.NO_DATA, State.WARMING, State.PENDING)


def evaluate(
    rules: Sequence[AlertRule],
    window: pa.Table,
    summary: pa.Table,
    minute: datetime,
    *,
    told: Iterable[Transition] = (),
    since: datetime | None = None,
    asked: Collection[str] | None = None,
) -> Evaluation:
    """Say what changes in the minutes (since, minute], by default at `minute` alone, and how each series stands.

    `window` holds the samples of (minute - 24h, minute] (schema `frames.SAMPLES`), `summary` one row for each of its
    series, `told` the live transitions of the last days (TOLD). What was told of these minutes is among what is given.
    `asked` names the exchanges that were asked at these minutes (None: all): the silence of others says nothing.
    """
    after = since or minute - MINUTE
    told = list(told)
    values = [rule for rule in rules if not rule.kind.silence]
    silences = [rule for rule in rules if rule.kind.silence]  # a minute nobody asked in was silent for another reason
    samples = columns(window, after - DAY, minute)
    lives = [
        *_lives(values, samples, told, _Span(after, minute)),
        *_lives(silences, samples, told, _Span(minute - MINUTE, minute, asked=asked)),
    ]
    later = {(one.rule, one.series) for one in told if one.minute > minute}  # what was told stays told
    fresh = [one for life in lives for one in life.transitions if (one.rule, one.series) not in later]
    states = dict(_unjudged(rules, summary, minute))
    alerts: dict[str, State] = {}
    down = set()
    for life in lives:
        if life.state is None:
            continue
        series = life.series
        states[series] = min(states.get(series, life.state), life.state, key=_WORST.index)
        if life.alert_id is not None:
            alerts[life.alert_id] = life.state
            if life.rule.kind is Kind.FEED_DOWN and life.state is State.FIRING:
                down.add(series.market.exchange)
    known = {one.id: one for one in (*fresh, *told) if after < one.minute <= minute}
    return Evaluation(tuple(_in_order(known.values())), states, alerts, frozenset(down))


def history(
    rules: Sequence[AlertRule],
    window: pa.Table,
    start: datetime,
    end: datetime,
    *,
    told: Iterable[Transition] = (),
    at_work: Iterable[datetime] | None = None,
) -> list[Transition]:
    """Give all transitions of the minutes in (start, end], oldest first: what evaluating each of them in turn gives.

    `window` holds the samples of (start - 24h, end], `told` what went before `start`. The silence of a series counts
    in the minutes `at_work` (None: all): candles leave quiet minutes out, and nobody asked in others.
    """
    span = _Span(start, end, at_work=None if at_work is None else set(map(number_of, at_work)))
    samples = columns(window, start - DAY, end)
    lives = _lives(rules, samples, (one for one in told if one.minute <= start), span)
    return _in_order(one for life in lives for one in life.transitions)


def standings(told: Iterable[Transition]) -> list[Transition]:
    """Keep what matters of the past: the last transition of each rule and series."""
    return list({(one.rule, one.series): one for one in sorted(told, key=lambda one: (one.minute, one.fired))}.values())


def _in_order(transitions: Iterable[Transition]) -> list[Transition]:
    return sorted(transitions, key=lambda one: (one.minute, one.rule, one.series, one.event.value))


def _unjudged(rules: Sequence[AlertRule], summary: pa.Table, minute: datetime) -> Iterator[tuple[Series, State]]:
    """Name the series without data, and those whose hour is too thin for a rule of their metric."""
    means = [rule for rule in rules if rule.kind is Kind.RATIO_TO_MEAN]
    names = (summary.column(name).to_pylist() for name in ("market", "metric", "n_1h"))
    for market, metric, count, latest in zip(*names, instants(summary.column("latest_minute")), strict=True):
        silent = latest is None or minute - latest >= SILENT_MINUTES * MINUTE
        if silent or any(count < rule.min_samples for rule in means if rule.metric == metric and rule.watches(market)):
            yield Series(Market.parse(market), Metric(metric)), State.NO_DATA if silent else State.WARMING


@dataclass(frozen=True, slots=True)
class _Span:
    """The minutes (start, end] to decide.

    Silence counts in the minutes `at_work` (None: all) of the exchanges that were `asked` (None: all).
    """

    start: datetime
    end: datetime
    at_work: Collection[int] | None = None
    asked: Collection[str] | None = None

    def hears(self, series: Series) -> Collection[int] | None:
        """Give the minutes in which the silence of a series counts; None means all."""
        return self.at_work if self.asked is None or series.market.exchange in self.asked else ()

    @property
    def after(self) -> int:
        return number_of(self.start)

    @property
    def until(self) -> int:
        return number_of(self.end)


class _Lived:
    """What one rule says of one series: the transitions, and how it stands."""

    def __init__(
        self, rule: AlertRule, series: Series, judged: Judged | None, before: Transition | None, span: _Span
    ) -> None:
        self.rule, self.series, self._judged, self._before = rule, series, judged, before
        standing = Standing(number_of(before.fired), number_of(before.minute), before.event) if before else None
        life = Life(rule, standing, max(span.after, standing.minute) if standing else span.after, span.until)
        minutes, above = (judged.minutes.tolist(), judged.above.tolist()) if judged else ([], [])
        self.transitions = [self._told(change) for change in life.changes(minutes, above)]
        self.state = life.state
        last = self.transitions[-1] if self.transitions else before
        self.alert_id = last.alert_id if last and life.open else None

    def _told(self, change: Change) -> Transition:
        """Tell a change with the numbers of the judged minute, from what was known by then."""
        judged, here = self._judged, change.judged
        if judged is None or here < 0:  # nothing of its life lies in the window
            assert self._before is not None
            latest, base, n = self._before.latest, self._before.base, self._before.n
            peak, rises = self._before.peak_ratio, self._before.rises
        else:
            latest, base, n = float(judged.latest[here]), judged.base(here), int(judged.counts[here])
            peak, rises = self._extent(judged, change)
        rule = self.rule
        return Transition(
            rule=rule.name,
            series=self.series,
            event=change.event,
            minute=minute_of(change.minute),
            fired=minute_of(change.fired),
            latest=latest,
            base=base,
            n=n,
            peak_ratio=peak,
            rises=rises,
            limit=str(rule.window) if rule.kind.silence else rule.limit,
            kind=rule.kind,
            comparison=rule.comparison,
            window=rule.window,
        )

    def _extent(self, judged: Judged, change: Change) -> tuple[float, int]:
        """Give the most extreme ratio of an alert up to a change, and how often the rule became true."""
        here = change.judged
        first = int(np.searchsorted(judged.minutes, max(change.fired, change.minute - self.rule.remembers + 1)))
        above = judged.above[first : here + 1]
        ratios = [judged.ratio(first + int(one)) for one in np.flatnonzero(above)] or [judged.ratio(here)]
        rises = int(above[:1].sum() + (above[1:] & ~above[:-1]).sum())
        return (max if self.rule.comparison.upward else min)(ratios), max(rises, 1)


def _lives(rules: Sequence[AlertRule], samples: Columns, told: Iterable[Transition], span: _Span) -> Iterator[_Lived]:
    """Give what each rule says of each series that has something to tell."""
    last = standings(one for one in told if one.minute <= span.end)
    for rule in rules:
        stood = {one.series: one for one in last if one.rule == rule.name and matters(rule, one, span.start)}
        since = {series: max(number_of(one.fired), span.after - rule.remembers) - 1 for series, one in stood.items()}
        begin = span.after - (rule.lasting + LOST_MINUTES if rule.lasting else 0)
        for series, judged in judge(rule, samples, begin, span.until, since):
            counts = heard(judged, span.after, span.hears(series)) if judged and rule.kind.silence else judged
            yield _Lived(rule, series, counts, stood.get(series), span)


def matters(rule: AlertRule, one: Transition, after: datetime) -> bool:
    """Say whether a past transition has a bearing on the minutes after `after`."""
    cooling = one.event is Event.RESOLVED and after - one.minute <= timedelta(minutes=rule.cooldown)
    return one.event is Event.FIRING or cooling or one.minute > after - timedelta(minutes=rule.lasting + LOST_MINUTES)
