"""What the steps ask of the outside world. The docstrings are promises; tests/contracts hold every adapter to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from tracker.candles import Candles, Traded
from tracker.model import NOTHING_ASKED, Evidence, Listing, Market, Metric, Poll, Retention, Usage

if TYPE_CHECKING:
    from email.message import EmailMessage

    import pyarrow as pa

    from tracker.alerts.values import Backlog, Batch, Delivery, Transition


class Source(Protocol):
    """One exchange's public market data."""

    exchange: str
    page: timedelta
    """The longest stretch of candles that one call gives."""

    @property
    def reach(self) -> timedelta | None:
        """How far back from now its 1-minute candles go; None: as far as the market does, or not known."""
        ...

    def listings(self) -> list[Listing]:
        """List every spot market the exchange knows, delisted ones included where it still names them."""
        ...

    def latest(self, markets: Sequence[Market], minute: datetime) -> Poll:
        """Give price and 24 h base volume of `markets`, stamped `minute`, from as few calls as the exchange allows.

        A market with no usable price is left out and named in `problems`; it never fails the others.
        Raises RateLimited, SourceUnavailable, BadAnswer or SourceRefused when the exchange as a whole fails.
        """
        ...

    def candles(self, market: Market, start: datetime, end: datetime) -> Candles:
        """Give the finished 1-minute candles stamped in (start, end], oldest first, each minute at most once.

        Minutes the exchange leaves out stay out; an unfinished candle is never returned.
        Raises UnknownMarket for a market the exchange does not list.
        """
        ...


class Ledger(Protocol):
    """Which hours of history were loaded, so that none is asked for twice."""

    def mark(self, hour: datetime, exchange: str, metrics: Iterable[Metric], markets: Iterable[Market]) -> None:
        """Add markets to what is loaded of an hour."""
        ...

    def begin(self, start: datetime, end: datetime) -> None:
        """Write down that (start, end] is about to change and what is derived from it is not made again yet."""
        ...

    def begun(self) -> list[tuple[datetime, datetime]]:
        """Give the ranges of loads that have begun and not ended: of those at work, and of those that were killed."""
        ...

    def end(self, start: datetime, end: datetime) -> None:
        """Write down that what is derived from (start, end] is made again."""
        ...

    def keep_tail(self, exchange: str, until: datetime, traded: Mapping[Market, Traded]) -> None:
        """Keep the base volumes that sums over the 24 h before a minute after `until` are made of."""
        ...

    def tail(self, exchange: str, until: datetime) -> Mapping[Market, Traded]:
        """Give the base volumes that were kept for exactly this `until`, by market; nothing if none were."""
        ...

    def drop_tails(self, exchange: str, but: datetime) -> None:
        """Forget the base volumes that were kept for any other point than `but`."""
        ...

    def loaded(
        self, exchange: str, start: datetime, end: datetime
    ) -> Mapping[datetime, Mapping[Metric, frozenset[Market]]]:
        """Give, by hour of [start, end], the markets whose metrics were loaded."""
        ...


class Store(Protocol):
    """Samples and what was derived from them, as Parquet objects under one root (DESIGN.md, section 4)."""

    @property
    def ledger(self) -> Ledger:
        """The hours of history that were loaded."""
        ...

    def write_minute(self, minute: datetime, exchange: str, samples: pa.Table) -> None:
        """Replace the object of this minute and exchange: killed at any instant, the old or the new one is there."""
        ...

    def write_candles(self, hour: datetime, exchange: str, samples: pa.Table) -> bool:
        """Merge history rows stamped in [hour, hour+1h) into that hour's object; say whether its bytes changed.

        A row given again replaces the old one; a row not given again is kept.
        """
        ...

    def read(
        self,
        start: datetime,
        end: datetime,
        *,
        markets: Iterable[Market] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Give the samples stamped in (start, end]: one row per (series, minute), a poll before a candle,
        sorted by market, metric, minute, wherever the rows lie. Schema `frames.SAMPLES`, or the `columns` of it.
        """
        ...

    def stream(
        self,
        start: datetime,
        end: datetime,
        *,
        markets: Iterable[Market] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pa.Table]:
        """Give the same rows hour by hour, oldest first, each hour sorted so: any range, in bounded memory.

        `columns` always include market, metric and minute.
        """
        ...

    def seal(self, hour: datetime) -> Any:
        """Build the hour's object from its minute and candle objects; a pure function of them, done again at will."""
        ...

    def expire(self, now: datetime, keep: Retention) -> Any:
        """Delete what `keep` no longer covers at `now`; the inputs of an hour only once it is sealed and verified."""
        ...

    def write_summary(self, minute: datetime, summary: pa.Table) -> None:
        """Replace the summary of this minute."""
        ...

    def read_summary(self, minute: datetime) -> pa.Table | None:
        """Give the summary of this minute, or None if it was never written."""
        ...

    def evidence(self, minute: datetime, exchanges: Iterable[str]) -> list[Evidence]:
        """Give the objects of this minute with their SHA-256: its summary, and the samples of each exchange."""
        ...

    def summary_minutes(self, start: datetime, end: datetime) -> list[datetime]:
        """Give the minutes of [start, end] that have a summary, oldest first."""
        ...

    def write_report(self, minute: datetime, step: str, report: Mapping[str, Any]) -> None:
        """Keep what a step says of its run (JSON; times, counts, problems): for the status page, not derived data."""
        ...

    def read_reports(self, minute: datetime) -> dict[str, dict[str, Any]]:
        """Give the reports of this minute by step; empty if there are none."""
        ...

    def write_listings(self, exchange: str, listings: Sequence[Listing], at: datetime) -> None:
        """Remember which markets the exchange listed at `at`."""
        ...

    def read_listings(self, exchange: str) -> tuple[datetime, list[Listing]] | None:
        """Give the remembered listings and their time, or None."""
        ...


class Outbox(Protocol):
    """Alerts as rows first, mails second: objects with deterministic names (DESIGN.md, section 4)."""

    def record(self, transitions: Sequence[Transition], *, live: bool = True) -> int:
        """Append transitions that are not there yet; say how many were new. Not `live`: they would have fired."""
        ...

    def transitions(self, start: datetime, end: datetime) -> list[Transition]:
        """Give the recorded transitions of (start, end], oldest first."""
        ...

    def queue(self, batch: Batch) -> int:
        """Queue what one recipient was not told before, a mail for each minute; say how many keys were new."""
        ...

    def pending(self, now: datetime) -> list[Delivery]:
        """Give the mails that are neither sent nor refused for good, oldest first."""
        ...

    def claim(self, name: str, now: datetime) -> bool:
        """Claim a mail for sending, before asking for its batch; False while another sender has it."""
        ...

    def release(self, name: str) -> None:
        """Give a claimed mail back, sent or not."""
        ...

    def batch(self, name: str) -> Batch | None:
        """Give a pending mail by its id; None if it is not there, or sent or failed meanwhile."""
        ...

    def mark_sent(self, batch: Batch, at: datetime) -> bool:
        """Write down that the mail was taken; False if that was written before."""
        ...

    def mark_failed(self, batch: Batch, reason: str, at: datetime) -> bool:
        """Write down that the mail will never be taken, and why."""
        ...

    def backlog(self, now: datetime) -> Backlog:
        """Count what is owed."""
        ...


class Publication(Protocol):
    """What a publish did."""

    @property
    def older(self) -> bool:
        """Whether a later minute is out, so that this one changed nothing."""
        ...

    def report(self) -> dict[str, Any]:
        """Give it as JSON-able counts."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What is out: the minute of the site, when each object whose bytes are known was made, the hours kept lately."""

    minute: datetime | None = None
    made: Mapping[str, datetime] = field(default_factory=dict)
    copies: tuple[datetime, ...] = ()
    usage: Usage = NOTHING_ASKED


@dataclass(frozen=True, slots=True)
class Copy:
    """The ranking as it was in an hour, to be kept: `files` by their whole paths."""

    hour: datetime
    files: Mapping[str, bytes]


class Parts(Protocol):
    """Pages that are made while they are published, by several processes: `make` gives those of one of the `parts`.

    `make` and the parts can be pickled. `paths` are those of all pages that will be made.
    """

    @property
    def paths(self) -> Collection[str]: ...

    @property
    def parts(self) -> Sequence[Any]: ...

    @property
    def make(self) -> Callable[[Any], Mapping[str, bytes]]: ...


class Bucket(Protocol):
    """The published site."""

    def standing(self) -> Standing:
        """Say what is out. A page that is not in `made` must be made anew."""
        ...

    def copies(self) -> list[datetime]:
        """List the hours whose ranking is kept, oldest first."""
        ...

    def publish(
        self,
        pages: Mapping[str, bytes],
        minute: datetime,
        keep: Collection[str] = (),
        copy: Copy | None = None,
        parts: Parts | None = None,
    ) -> Publication:
        """Upload the changed pages, the index last; delete what is no page any more and not to `keep`.

        `parts` are made and uploaded before `pages`, which are read meanwhile. A minute older than the published one,
        or than one on its way, changes nothing. What is kept must be in `made`. `copy` is written once, and no later
        publish changes or deletes it.
        """
        ...

    def sweep(self, now: datetime) -> int:
        """Remove what killed publishers left behind, and copies kept long enough; give how many objects."""
        ...


class Notifier(Protocol):
    """A way to tell a person."""

    def send(self, message: EmailMessage) -> None:
        """Hand the message over, or raise MailUnavailable (try later) or MailRefused (never)."""
        ...
