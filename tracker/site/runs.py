"""The last runs on the status page: a line a minute, also for minutes in which nothing ran."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tracker.model import MINUTE
from tracker.site.pages import Run, Status

STEPS = ("fetch", "analyze", "publish")
RUNS = 10
"""Minutes shown."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One minute: `seconds` of each of STEPS (None: not reported, or still running), their sum, and its part of the
    longest in percent; `failed` are the exchanges that did not answer. `ran`: whether anything reported.
    """

    minute: datetime
    seconds: tuple[float | None, ...]
    failed: tuple[str, ...]
    total: float
    part: int

    @property
    def ran(self) -> bool:
        return any(one is not None for one in self.seconds)


def run_rows(status: Status, minute: datetime) -> tuple[RunRow, ...]:
    """Give the minutes up to `minute`, newest first, from the earliest that is known on."""
    failed = tuple(feed.exchange for feed in status.feeds if feed.error)
    runs = {one.minute: one for one in status.runs} | {minute: Run(minute, status.steps, failed)}
    longest = max(one.total for one in runs.values())
    return tuple(_rows(runs, minute, longest))


def _rows(runs: dict[datetime, Run], minute: datetime, longest: float) -> Iterator[RunRow]:
    first = max(min(runs), minute - (RUNS - 1) * MINUTE)
    for ago in range((minute - first) // MINUTE + 1):
        at = minute - ago * MINUTE
        run = runs.get(at, Run(at))
        seconds = {one.name: one.seconds for one in run.steps}
        part = round(run.total * 100 / longest) if longest else 0
        yield RunRow(at, tuple(seconds.get(name) for name in STEPS), run.failed, run.total, part)
