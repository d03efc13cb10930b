"""Say which alerts would have fired over stored samples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tracker.alerts import AlertRule, Transition, most_extreme, nearest_miss, standings
from tracker.alerts import history as alert_history
from tracker.backfill import Progress
from tracker.frames import MEASURED
from tracker.model import DAY
from tracker.pipeline.parts import Parts, Report, silent
from tracker.replayed import Replayed, rows


class Replay(Parts):
    __slots__ = ()

    def replay(
        self, start: datetime, end: datetime, *, rules: Sequence[AlertRule] | None = None, progress: Progress = silent
    ) -> list[Report]:
        """Say which alerts the rules (or others) would have raised over the stored samples of (start, end]."""
        return rows(self.replayed(start, end, rules=rules, progress=progress).alerts)

    def replayed(
        self, start: datetime, end: datetime, *, rules: Sequence[AlertRule] | None = None, progress: Progress = silent
    ) -> Replayed:
        """Replay (start, end] a day at a time: of the samples never more than two days are held.

        The day before is lived through as well, so that what was open at `start` is. Silence counts in minutes that
        were analyzed live: candles leave quiet minutes out, and while tracker stood still nobody asked.
        """
        rules = rules or self.rules
        found = Replayed(start, end, rules)
        told: list[Transition] = []
        since, total = start - DAY, -(-(end - start) // DAY) + 1
        while since < end:
            until = start if since < start else min(since + DAY, end)
            window = self.store.read(since - DAY, until, columns=MEASURED)
            at_work = self.store.summary_minutes(since, until)
            changes = alert_history(rules, window, since, until, told=told, at_work=at_work)
            told = standings([*told, *changes])
            if since >= start:
                found.add(changes)
                for rule in rules:
                    miss = nearest_miss(rule, window, since, until)
                    found.saw(rule, most_extreme(rule, window, since, until), miss)
            since = until
            progress("replaying", (since - start) // DAY + 1, total)
        return found
