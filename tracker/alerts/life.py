"""The life of the alerts of one series: ok, pending, firing, resolving, resolved. A function of what was judged and of
how the alert stood before, and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tracker.alerts.values import LOST_MINUTES, AlertRule, Event, State


@dataclass(frozen=True, slots=True)
class Standing:
    """How an alert stood: its last transition. Minutes count from 1970."""

    fired: int
    minute: int
    event: Event


@dataclass(frozen=True, slots=True)
class Change:
    """An event at a minute; `judged` is the position of the judged minute whose numbers it tells."""

    event: Event
    minute: int
    judged: int
    fired: int


class Life:
    """Live through the judged minutes of a series, oldest first, and on to the minute `until`.

    Changes are told for the minutes in (after, until]; those before only say what is pending and how many minutes in
    a row were not above. What could not be judged (no sample, or warming) is not among the minutes: it neither
    confirms nor ends anything. An alert ends `resolve_after` judged minutes below in a row, or LOST_MINUTES after the
    last judged one; a rise within `cooldown` of its end reopens it.
    """

    def __init__(self, rule: AlertRule, standing: Standing | None, after: int, until: int) -> None:
        self.rule, self.after, self.until = rule, after, until
        self.open = standing is not None and standing.event is Event.FIRING
        self.fired = standing.fired if standing else 0
        self.ended = standing.minute if standing and standing.event is Event.RESOLVED else None
        self.begin = standing.minute if standing else None
        self.last = self.begin if self.open else None  # the last judged minute
        self.rising: int | None = None  # since when it is true, while it is not open
        self.below = 0

    def changes(self, minutes: Sequence[int], above: Sequence[bool]) -> Iterator[Change]:
        """Give what changes, oldest first; afterwards `state` tells how it stands at `until`."""
        here = -1
        for here, (minute, is_above) in enumerate(zip(minutes, above, strict=True)):
            if self.begin is not None and minute <= self.begin:
                continue
            yield from self._lost(here - 1, minute if minute > self.after else None)
            change = self._open(minute, is_above) if self.open else self._closed(minute, is_above)
            self.last = minute
            if change is not None:
                yield Change(change, minute, here, self.fired)
        yield from self._lost(here, self.until + 1)

    @property
    def state(self) -> State | None:
        """The state at `until`; None when the rule has nothing to say."""
        if self.open:
            return State.RESOLVING if self.below else State.FIRING
        lasting = self.rising is not None and self.last is not None and self.until - self.last < LOST_MINUTES
        return State.PENDING if lasting else None

    def _open(self, minute: int, is_above: bool) -> Event | None:
        self.below = 0 if is_above else self.below + 1
        if minute <= self.after or self.below < self.rule.resolve_after:
            return None
        self.open, self.ended, self.rising = False, minute, None
        return Event.RESOLVED

    def _closed(self, minute: int, is_above: bool) -> Event | None:
        if not is_above:
            self.rising = None
            return None
        if self.rising is None or (self.last is not None and minute - self.last > LOST_MINUTES):
            self.rising = minute
        if minute <= self.after or minute - self.rising < self.rule.lasting:
            return None
        reopens = self.ended is not None and minute - self.ended <= self.rule.cooldown
        self.open, self.below, self.fired = True, 0, self.fired if reopens else minute
        return Event.FIRING

    def _lost(self, judged: int, before: int | None) -> Iterator[Change]:
        """End an open alert that could not be judged for LOST_MINUTES before the minute `before`."""
        if self.open and self.last is not None and before is not None and before - self.last > LOST_MINUTES:
            self.open, self.ended, self.rising = False, None, None
            yield Change(Event.EXPIRED, max(self.last + LOST_MINUTES, self.after + 1), judged, self.fired)
