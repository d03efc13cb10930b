"""What keeps a store from growing for ever: old objects go, never before what replaces them is there and proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tracker.model import HOUR, Problem, Retention, iso, whole_hour
from tracker.objects import Objects
from tracker.store import layout
from tracker.store.hours import Hours

DRAFTS_LIVE = HOUR
"""A draft older than this belongs to a writer that was killed."""


@dataclass(frozen=True, slots=True)
class Expired:
    """How many objects of each kind went, how many drafts, and the hours whose inputs had to stay."""

    inputs: int
    hours: int
    summaries: int
    reports: int
    drafts: int
    problems: tuple[Problem, ...]


def expire(objects: Objects, now: datetime, keep: Retention) -> Expired:
    """Delete what `keep` no longer covers at `now`, and drafts that killed writers left.

    The inputs of an hour go only when its sealed object, built again from all of them, is what is stored; else they
    stay, and a problem says so: seal that hour. A write that comes at the same moment is not lost, as it puts its
    object again when it finds it gone before it is sealed.
    """
    hours = Hours(objects)
    inputs, problems = 0, []
    for hour, paths in _old_inputs(objects, keep.inputs, now):
        if hours.is_verified(hour):
            objects.delete(paths)
            inputs += len(paths)
        else:
            problems.append(Problem(f"hour {iso(hour)}", "is not sealed as its minutes say: kept; run `tracker seal`"))
    gone = _drop(objects, "hour", keep.hours, now, unless=("minute", "candles"))
    _drop(objects, "sealing", keep.hours, now, unless=("minute", "candles", "hour"))
    return Expired(
        inputs=inputs,
        hours=gone,
        summaries=_drop(objects, "summary", keep.summaries, now),
        reports=_drop(objects, "runs", keep.reports, now),
        drafts=objects.sweep((now - DRAFTS_LIVE).timestamp()),
        problems=tuple(problems),
    )


def _old_inputs(objects: Objects, keep: timedelta | None, now: datetime) -> Iterator[tuple[datetime, list[str]]]:
    """Give the hours that ended before the limit, with their minute and candle objects."""
    if keep is None:
        return
    found: dict[datetime, list[str]] = {}
    for root in ("minute", "candles"):
        for day in _days(objects, root, now - keep):
            for info in objects.list(day):
                at = layout.stamp(info.path)
                if at is not None and whole_hour(at) + HOUR <= now - keep:
                    found.setdefault(whole_hour(at), []).append(info.path)
    yield from sorted(found.items())


def _drop(objects: Objects, root: str, keep: timedelta | None, now: datetime, unless: tuple[str, ...] = ()) -> int:
    """Delete whole hours older than the limit, but none that still has objects under a root of `unless`."""
    if keep is None:
        return 0
    dropped = 0
    for day in _days(objects, root, now - keep):
        stamped = [(info.path, layout.stamp(info.path)) for info in objects.list(day)]
        old = [path for path, at in stamped if at is not None and whole_hour(at) + HOUR <= now - keep]
        if old and any(objects.list(day.replace(root, other, 1)) for other in unless):
            continue
        objects.delete(old)
        dropped += len(old)
    return dropped


def _days(objects: Objects, root: str, until: datetime) -> list[str]:
    """Give the folders of the days that began before `until`."""
    return [day for day in objects.folders(root) if day <= layout.day(root, until)]
