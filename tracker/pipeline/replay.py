"""Say which alerts would have fired over stored samples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import isfinite

from tracker.alerts import AlertRule, Event, Transition
from tracker.alerts import history as alert_history
from tracker.backfill import Progress
from tracker.model import DAY, iso
from tracker.pipeline.parts import Parts, Report, silent


class Replay(Parts):
    __slots__ = ()

    def replay(
        self, start: datetime, end: datetime, *, rules: Sequence[AlertRule] | None = None, progress: Progress = silent
    ) -> list[Report]:
        """Say which alerts the rules (or others) would have raised over the stored samples of (start, end]."""
        transitions: list[Transition] = []
        since, total = start, -(-(end - start) // DAY)
        while since < end:
            until = min(since + DAY, end)
            window = self.store.read(since - DAY, until)
            transitions += alert_history(rules or self.rules, window, since, until)
            progress("replaying", (until - start) // DAY, total)
            since = until
        return _alerts(transitions)


def _alerts(transitions: Sequence[Transition]) -> list[Report]:
    """Fold the transitions of each alert into one row, in the order of firing."""
    rows: dict[str, Report] = {}
    for one in transitions:
        row = rows.setdefault(
            one.alert_id,
            {
                "rule": one.rule,
                "market": str(one.series.market),
                "metric": one.series.metric.value,
                "fired": iso(one.fired),
                "resolved": None,
            },
        )
        if one.event is not Event.FIRING:
            row["resolved"] = iso(one.minute)
        row["peak_ratio"] = one.peak_ratio if isfinite(one.peak_ratio) else None  # over a mean of 0
        row["rises"] = one.rises
    return sorted(rows.values(), key=lambda row: (row["fired"], row["market"], row["metric"]))
