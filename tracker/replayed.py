"""What a replay found: the alerts, and what they come to. Gathered a day at a time, so that no samples are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from math import isfinite
from typing import Any

from tracker.alerts import AlertRule, Event, Miss, Transition, batches, muted, nearer
from tracker.model import DAY, MINUTE, Series, iso


@dataclass(slots=True)
class ReplayedAlert:
    """One alert as it would have been: `ended` None while it is open; `reopened` counts rises within the cooldown."""

    id: str
    rule: str
    series: Series
    fired: datetime
    ended: datetime | None = None
    why: str | None = None
    last: Transition | None = None  # with the peak and the rises of its life
    reopened: int = 0

    @property
    def rises(self) -> int:
        """How often the rule became true."""
        return self.last.rises if self.last else 0

    def row(self) -> dict[str, Any]:
        """Give it as the JSON of `tracker replay --json` (DESIGN.md, section 5)."""
        return {
            "rule": self.rule,
            "market": str(self.series.market),
            "metric": self.series.metric.value,
            "fired": iso(self.fired),
            "resolved": iso(self.ended) if self.ended else None,
            "peak_ratio": self.last.peak_ratio if self.last and isfinite(self.last.peak_ratio) else None,
            "rises": self.rises,
        }


@dataclass(slots=True)
class Replayed:
    """The outcome of a replay over (start, end]."""

    start: datetime
    end: datetime
    rules: Sequence[AlertRule]
    transitions: int = 0
    mails: int = 0  # to each reader of all rules
    extremes: dict[str, dict[Series, float]] = field(default_factory=dict)
    misses: dict[str, Miss | None] = field(default_factory=dict)
    _alerts: dict[str, ReplayedAlert] = field(default_factory=dict)

    def add(self, transitions: Sequence[Transition]) -> None:
        """Take what changed in the next stretch, oldest first."""
        self.transitions += len(transitions)
        self.mails += len(batches(muted(transitions, ()), (), ["you"]))
        for one in transitions:
            alert = self._alerts.setdefault(one.alert_id, ReplayedAlert(one.alert_id, one.rule, one.series, one.fired))
            alert.last = one
            alert.reopened += one.reopened
            ended = one.event is not Event.FIRING
            alert.ended, alert.why = (one.minute, one.event.value) if ended else (None, None)

    def saw(self, rule: AlertRule, extremes: Mapping[Series, float], miss: Miss | None) -> None:
        """Take how far the series of a rule went in the next stretch."""
        known = self.extremes.setdefault(rule.name, {})
        further = max if rule.comparison.upward else min
        for series, ratio in extremes.items():
            known[series] = further(ratio, known.get(series, ratio))
        misses = [one for one in (self.misses.get(rule.name), miss) if one is not None]
        self.misses[rule.name] = nearer(rule, misses)

    @property
    def alerts(self) -> list[ReplayedAlert]:
        """The alerts in the order of firing."""
        return sorted(self._alerts.values(), key=lambda one: (one.fired, str(one.series.market), one.series.metric))

    @property
    def per_day(self) -> dict[date, int]:
        """How many alerts fired on each day of the range, days without any included."""
        first, last = (self.start + MINUTE).date(), (self.end - MINUTE).date()
        counts = Counter(min(max(one.fired.date(), first), last) for one in self._alerts.values())
        days = (last - first) // DAY + 1
        return {day: counts[day] for day in (first + n * DAY for n in range(days))}

    @property
    def saved_by_cooldown(self) -> int:
        """How many mails were not sent because an alert rose again soon after its end."""
        return sum(one.reopened for one in self._alerts.values())

    @property
    def longest(self) -> ReplayedAlert | None:
        """The alert that was open for longest."""
        return max(self.alerts, key=lambda one: (one.ended or self.end) - one.fired, default=None)

    @property
    def noisiest(self) -> list[tuple[Series, int]]:
        """The series with most alerts, most first; at most five."""
        return Counter(one.series for one in self.alerts).most_common(5)

    def quietest(self, rule: AlertRule) -> list[tuple[Series, float]]:
        """The series of a rule that stayed farthest from firing, with how near they came; at most five."""
        sign = 1 if rule.comparison.upward else -1
        known = ((series, ratio) for series, ratio in self.extremes.get(rule.name, {}).items() if isfinite(ratio))
        return sorted(known, key=lambda one: (sign * one[1], one[0]))[:5]


def rows(alerts: Iterable[ReplayedAlert]) -> list[dict[str, Any]]:
    """Give alerts as JSON-able rows."""
    return [one.row() for one in alerts]
