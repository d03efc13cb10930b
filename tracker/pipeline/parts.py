"""What every step works with: the ports, the settings, and the clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tracker.alerts import AlertRule, Silence
from tracker.errors import ConfigError, TrackerError
from tracker.model import HOUR, About, Market, Problem, Retention, iso
from tracker.ports import Bucket, Notifier, Outbox, Source, Store
from tracker.watchlist import Watchlist

log = logging.getLogger(__name__)

LISTINGS_KEPT = HOUR
LIVE_WITHIN = HOUR
"""A minute evaluated later than this after itself is history: it is recorded, and no mail is sent."""

KEEP = Retention()

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the steps share. `clock` gives the present as an aware UTC datetime.

    `channels` are the ways to tell people besides mail, by name. `ping` tells an outside watcher of a good minute; it
    never raises.
    `market_pages`: every so many minutes the pages of a market are made anew; None: as many fit into a minute.
    """

    watchlist: Watchlist
    rules: tuple[AlertRule, ...]
    sources: Mapping[str, Source]
    store: Store
    outbox: Outbox
    bucket: Bucket
    notifier: Notifier | None
    recipients: tuple[str, ...]
    sender: str
    about: About
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    silences: tuple[Silence, ...] = ()
    retention: Retention = KEEP
    channels: Mapping[str, Notifier] = field(default_factory=dict)
    ping: Callable[[], None] | None = None
    market_pages: int | None = None

    def begin(self, minute: datetime) -> datetime:
        """Give the present. ConfigError for a minute that has not begun: its page would keep that of now away."""
        now = self.clock()
        if now < minute:
            raise ConfigError(f"{iso(minute)} has not begun; it is {iso(now.replace(microsecond=0))}")
        return now

    def markets_of(self, exchange: str) -> tuple[list[Market], list[Problem]]:
        """Choose the watched markets from listings at most LISTINGS_KEPT old; older ones serve while asking fails."""
        kept = self.store.read_listings(exchange)
        now = self.clock()
        if kept and now - kept[0] < LISTINGS_KEPT:
            return self.watchlist.choose(exchange, kept[1])
        try:
            listings = self.sources[exchange].listings()
        except TrackerError as error:
            if kept is None:
                raise
            markets, problems = self.watchlist.choose(exchange, kept[1])
            return markets, [Problem(exchange, f"markets as listed at {iso(kept[0])}: {error}"), *problems]
        self.store.write_listings(exchange, listings, now)
        return self.watchlist.choose(exchange, listings)


def silent(_what: str, _done: int, _total: int) -> None:
    """Take progress and show nothing."""


def first(failures: Sequence[TrackerError]) -> TrackerError:
    """Give the error to raise, and log the others."""
    for error in failures[1:]:
        log.warning("%s", error)
    return failures[0]


def seconds(spent: timedelta) -> float:
    return round(spent.total_seconds(), 3)
