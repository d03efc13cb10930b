"""What all pages are made of, gathered once per render: rows by series, samples, states, alerts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tracker.alerts import AlertRule, Evaluation, Event, Kind, State, Transition
from tracker.frames import summary_dicts
from tracker.model import DAY, MINUTE, About, Evidence, Market, Metric, Series
from tracker.site import wording
from tracker.site.history import NO_HISTORY, History
from tracker.site.pages import NO_PROOF, STALE_AFTER, Alert, Frame, Link, Proof, Status
from tracker.site.samples import EMPTY, Samples, by_series

if TYPE_CHECKING:
    import pyarrow as pa

METRICS = tuple(Metric)

Summary = Mapping[str, Any]
"""One row of the summary (frames.SUMMARY) as a dict."""


@dataclass(frozen=True, slots=True)
class Content:
    """The inputs of a render, looked up by series. `rows` are in rank order, per metric; alerts are newest first."""

    minute: datetime
    window: pa.Table
    rows: Mapping[Metric, Sequence[Summary]]
    by_series: Mapping[Series, Summary]
    samples: Mapping[tuple[str, str], Samples]
    markets: Mapping[str, Market]
    evaluation: Evaluation
    alerts: tuple[Alert, ...]
    alerts_of: Mapping[Market, Sequence[Alert]]
    open_alerts: int
    transitions: tuple[Transition, ...]
    rules: tuple[AlertRule, ...]
    status: Status
    about: About
    ranks_before: Mapping[tuple[str, str], int]
    evidence: tuple[Evidence, ...]
    history: History

    @classmethod
    def gather(
        cls,
        summary: pa.Table,
        window: pa.Table,
        evaluation: Evaluation,
        minute: datetime,
        *,
        rules: Sequence[AlertRule],
        transitions: Sequence[Transition] = (),
        status: Status,
        about: About,
        hour_ago: pa.Table | None = None,
        evidence: Sequence[Evidence] = (),
        history: History = NO_HISTORY,
    ) -> Content:
        """Look the inputs up by series, and fold transitions into alerts."""
        every = summary_dicts(summary)
        markets = {name: Market.parse(name) for name in sorted({row["market"] for row in every})}
        known = {one.id: one for one in (*transitions, *evaluation.transitions) if one.minute <= minute}
        changes = tuple(sorted(known.values(), key=lambda one: (one.minute, one.id)))
        alerts = fold(changes, evaluation.alerts)
        alerts_of: dict[Market, list[Alert]] = {}
        for alert in alerts:
            alerts_of.setdefault(alert.market, []).append(alert)
        before = summary_dicts(hour_ago.select(["market", "metric", "rank"])) if hour_ago is not None else []
        return cls(
            minute=minute,
            window=window,
            rows={metric: [row for row in every if row["metric"] == metric.value] for metric in METRICS},
            by_series={Series(markets[row["market"]], Metric(row["metric"])): row for row in every},
            samples=by_series(window, minute),
            markets=markets,
            evaluation=evaluation,
            alerts=alerts,
            alerts_of=alerts_of,
            open_alerts=sum(one.open for one in alerts),
            transitions=changes,
            rules=tuple(rules),
            status=status,
            about=about,
            ranks_before={(row["market"], row["metric"]): row["rank"] for row in before if row["rank"] is not None},
            evidence=tuple(evidence),
            history=history,
        )

    def state(self, series: Series) -> State:
        """Give the alert state of a series: ok unless the evaluation says otherwise."""
        return self.evaluation.states.get(series, State.OK)

    def of(self, row: Summary) -> Samples:
        """Give the samples of a summary row."""
        return self.samples.get((row["market"], row["metric"]), EMPTY)

    def rule(self, metric: Metric) -> AlertRule | None:
        """Give the rule of a metric whose mean is exceeded first, for the line in its chart."""
        means = (
            one
            for one in self.rules
            if (one.metric, one.kind, one.window) == (metric, Kind.RATIO_TO_MEAN, 60) and one.comparison.upward
        )
        return min(means, key=lambda one: float(one.limit), default=None)

    def frame(
        self,
        path: str,
        title: str,
        description: str,
        *,
        proof: Proof = NO_PROOF,
        downloads: tuple[Link, ...] = (),
        period: int | None = None,
        kept: bool = False,
    ) -> Frame:
        """Give what surrounds the page at `path`, which is made anew every `period` seconds, or `kept` as it is."""
        seconds = None if kept else period or self.about.repaint_seconds
        return Frame(
            title=title,
            path=path,
            description=description,
            minute=self.minute,
            period=seconds,
            stale_at=self.minute + timedelta(seconds=seconds) + STALE_AFTER if seconds else None,
            about=self.about,
            open_alerts=self.open_alerts,
            proof=proof,
            downloads=downloads,
        )

    @property
    def exchanges(self) -> frozenset[str]:
        """The exchanges that have a market here."""
        return frozenset(one.exchange for one in self.markets.values())

    def objects(self, exchanges: Collection[str] | None = None) -> tuple[tuple[str, str], ...]:
        """Give the objects of the minute with their SHA-256: all, or those of `exchanges`; "" is the summary."""
        return tuple((one.path, one.sha256) for one in self.evidence if exchanges is None or one.exchange in exchanges)

    def minutes_behind(self, row: Summary) -> int:
        """Give the whole minutes between the last sample of a row and the minute of the page."""
        latest = row["latest_minute"]
        return (self.minute - latest) // MINUTE if latest is not None else DAY // MINUTE


def state_words(state: State, row: Summary | None = None, rule: AlertRule | None = None, behind: int = 0) -> str:
    """Say a state, with the count that explains it.

    >>> state_words(State.NO_DATA, behind=7), state_words(State.WARMING, {"n_1h": 12}, AlertRule("r", Metric.PRICE))
    ('no data for 7 min', 'warming up, 12 of 30')
    """
    if state is State.NO_DATA and behind:
        return f"no data for {behind} min"
    if state is State.WARMING and row is not None and rule is not None:
        return f"warming up, {row['n_1h']} of {rule.min_samples}"
    return wording.state(state)


def fold(transitions: Sequence[Transition], states: Mapping[str, State]) -> tuple[Alert, ...]:
    """Fold transitions (oldest first) into alerts, newest first; `states` gives those of the open ones by their id."""
    lives: dict[str, list[Transition]] = {}
    for one in transitions:
        lives.setdefault(one.alert_id, []).append(one)
    alerts = [_alert(key, life, states.get(key)) for key, life in lives.items()]
    return tuple(
        sorted(
            alerts, key=lambda one: (-(one.fired.timestamp() if one.fired else 0), str(one.market), one.metric, one.id)
        )
    )


def _alert(key: str, life: Sequence[Transition], state: State | None) -> Alert:
    last = life[-1]
    ended = None if last.event is Event.FIRING else last.minute
    why = None if state else "end not recorded" if last.event is Event.FIRING else last.event.value
    extreme = (max if last.comparison.upward else min)(life, key=lambda one: one.peak_ratio)
    return Alert(
        id=key,
        rule=last.rule,
        market=last.series.market,
        metric=last.series.metric,
        state=state,
        fired=last.fired,
        ended=ended,
        why_ended=why,
        peak_ratio=extreme.peak_ratio,
        peak=wording.peak(extreme),
        rises=max(one.rises for one in life),
        would_have_fired=all(one.would_have_fired for one in life),
        muted=life[0].muted,
    )
