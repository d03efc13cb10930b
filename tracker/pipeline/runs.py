"""The last runs, as the reports of publish hand them on, each to the next: the status page asks for one report more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tracker.model import MINUTE, iso

if TYPE_CHECKING:
    from tracker.site import Run

HANDED_ON = 9
"""So many earlier minutes the status page shows beside its own."""


def run_of(minute: datetime, reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Say what the steps of a minute took, and which exchanges did not answer.

    >>> from datetime import UTC
    >>> run_of(datetime(2026, 3, 1, 12, tzinfo=UTC), {"fetch": {"seconds": 0.5, "feeds": []}})
    {'minute': '2026-03-01T12:00:00Z', 'seconds': {'fetch': 0.5}, 'failed': []}
    """
    from tracker.site import STEPS

    feeds = reports.get("fetch", {}).get("feeds", [])
    return {
        "minute": iso(minute),
        "seconds": {name: reports[name]["seconds"] for name in STEPS if name in reports},
        "failed": [feed["exchange"] for feed in feeds if feed["error"]],
    }


def handed_on(before: Sequence[dict[str, Any]], minute: datetime) -> list[dict[str, Any]]:
    """Leave out what is too old by `minute`, and what is not before it."""
    first = iso(minute - HANDED_ON * MINUTE)
    return [one for one in before if first <= one["minute"] < iso(minute)]


def read_runs(said: Sequence[Mapping[str, Any]]) -> tuple[Run, ...]:
    """Read what was handed on."""
    from tracker.site import Run, Step

    return tuple(
        Run(
            datetime.fromisoformat(one["minute"]),
            tuple(Step(name, seconds) for name, seconds in one["seconds"].items()),
            tuple(one["failed"]),
        )
        for one in said
    )
