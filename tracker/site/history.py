"""The rankings as they were: a copy of every full hour, links from now to then and from then to now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from tracker.model import DAY, HOUR, iso, whole_hour
from tracker.site.formats import clock
from tracker.site.pages import Link

FOLDER = "at"


@dataclass(frozen=True, slots=True)
class History:
    """The hours of which a copy is kept: those of the last day, and, when one is made now, all of them.

    `copy`: whether the ranking of this minute is kept as that of its hour; `every` then lists all kept before.
    """

    lately: tuple[datetime, ...] = ()
    copy: bool = False
    every: tuple[datetime, ...] = ()


NO_HISTORY = History()


def folder_of(hour: datetime) -> str:
    """Give the folder of an hour's copy.

    >>> from datetime import UTC
    >>> folder_of(datetime(2026, 11, 23, 22, 10, tzinfo=UTC))
    'at/2026-11-23T22/'
    """
    return f"{FOLDER}/{whole_hour(hour):%Y-%m-%dT%H}/"


def then_links(history: History, minute: datetime, page: str) -> tuple[Link, ...]:
    """Link to `page` as it was an hour and a day before, where that is kept, and to all hours."""
    kept = {*history.lately, *([whole_hour(minute)] if history.copy else [])}
    found = []
    for words, ago in (("an hour ago", HOUR), ("a day ago", DAY)):
        hour = whole_hour(minute - ago)
        if hour in kept:
            found.append(Link(words, f"{folder_of(hour)}{page}"))
    return (*found, Link("every hour", f"{FOLDER}/index.html")) if kept else ()


def by_day(hours: Sequence[datetime]) -> Iterator[tuple[str, tuple[Link, ...]]]:
    """Group the kept hours by day, newest first."""
    for day, some in groupby(sorted(hours, reverse=True), key=lambda hour: iso(hour)[:10]):
        yield day, tuple(Link(clock(hour), f"{folder_of(hour)}index.html") for hour in sorted(some))
