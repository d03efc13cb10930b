"""The words of alerting as values (DESIGN.md, section 2). Standard library only."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from tracker.model import DAY, MINUTE, Market, Metric, Series

SILENT_MINUTES = 3
"""A series without a sample for this many minutes has no data."""

LOST_MINUTES = 60
"""An open alert expires after this many minutes in which it could not be judged."""

LEEWAY = 5
"""What is called "the value 10 minutes ago" may be so many minutes older where that minute is missing."""

FEED = "*"
"""Base and quote of the series that stands for all markets of an exchange: `kraken:*-*`."""


class Kind(StrEnum):
    """What a rule compares."""

    RATIO_TO_MEAN = "ratio_to_mean"  # the latest value with `limit` times the mean of the `window` before it
    CHANGE_PERCENT = "change_percent"  # the change since `window` minutes ago with `limit` per cent
    THRESHOLD = "threshold"  # the latest value with `limit`
    NO_DATA = "no_data"  # the minutes a series has been silent with `window`
    FEED_DOWN = "feed_down"  # the minutes all watched series of an exchange have been silent with `window`

    @property
    def silence(self) -> bool:
        """Whether it is about samples that do not come."""
        return self in {Kind.NO_DATA, Kind.FEED_DOWN}


class Comparison(StrEnum):
    """How the judged value must lie to the limit for a rule to be true."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def upward(self) -> bool:
        """Whether larger values are nearer to firing."""
        return self in {Comparison.ABOVE, Comparison.AT_LEAST}

    @property
    def words(self) -> str:
        """The comparison in a reader's words."""
        return {">": "above", ">=": "at least", "<": "below", "<=": "at most"}[self.value]


class Event(StrEnum):
    """What happened to an alert at a minute."""

    FIRING = "firing"
    RESOLVED = "resolved"  # closed by real samples below
    EXPIRED = "expired"  # closed because nothing could be judged for LOST_MINUTES: lost sight of, not resolved


class State(StrEnum):
    """What the alert rules say of a series at a minute."""

    NO_DATA = "no_data"
    WARMING = "warming"
    OK = "ok"
    PENDING = "pending"  # the rule is true, and not yet for long enough
    FIRING = "firing"
    RESOLVING = "resolving"


class Severity(StrEnum):
    """How much an alert matters to the people who wrote its rule."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When to fire, for whom, and how loudly. Durations are whole minutes; decimals are kept as they are written.

    `markets` are patterns of `exchange:BASE-QUOTE`, of which one must match. Without `recipients` and `channels` the
    mails go to everybody (TRACKER_MAIL_TO).
    """

    name: str
    metric: Metric
    limit: str = "3"  # a decimal, compared exactly: a factor, per cent, or a value in the unit of the metric
    min_samples: int = 30  # of the window of a mean; with fewer the rule cannot be judged
    resolve_after: int = 5  # judged minutes in a row in which it is not true, that end an alert
    min_mean: str = "0"  # a decimal in the unit of the metric: over a lower mean nothing fires
    markets: tuple[str, ...] = ("*",)
    severity: Severity = Severity.WARNING
    runbook: str | None = None  # a link for the mail: what to do
    kind: Kind = Kind.RATIO_TO_MEAN
    comparison: Comparison = Comparison.ABOVE
    window: int = 60
    lasting: int = 0  # `for` in the file: it fires once the rule has been true for so long
    cooldown: int = 30  # a new rise this soon after the end reopens the same alert, without a mail
    recipients: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    @property
    def remembers(self) -> int:
        """For how many minutes back each has its base within one window of 24 h: so far peak and rises are counted."""
        return DAY // MINUTE - (0 if self.kind is Kind.THRESHOLD else self.window + LEEWAY)

    def watches(self, market: str) -> bool:
        """Say whether the rule judges this market, written `exchange:BASE-QUOTE`."""
        return any(fnmatchcase(market, pattern) for pattern in self.markets)


@dataclass(frozen=True, slots=True)
class Transition:
    """One change in the life of an alert; deterministic, so that deciding twice says the same.

    `latest` and `base` are those of the last judged minute: for FIRING and RESOLVED the minute of the change itself.
    By kind: the value and the mean; the value and the one `window` ago; the value and the limit; minutes of silence
    and the minutes allowed. `kind`, `comparison`, `limit` and `window` are those of the rule when it was judged.
    """

    rule: str
    series: Series  # for a feed, `exchange:*-*`
    event: Event
    minute: datetime  # of this change
    fired: datetime  # first firing minute: with rule and series, the identity of the alert
    latest: float
    base: float
    n: int  # samples behind `base`
    peak_ratio: float  # the most extreme latest / base in the last day of its life; infinite over a base of 0
    rises: int  # how often the rule became true in the last day of its life
    limit: str = "3"
    kind: Kind = Kind.RATIO_TO_MEAN
    comparison: Comparison = Comparison.ABOVE
    window: int = 60
    muted: str | None = field(default=None, compare=False)  # why nobody gets a mail about it
    would_have_fired: bool = field(default=False, compare=False)  # of a backfilled minute: recorded, never mailed

    @property
    def alert_id(self) -> str:
        """The identity of the alert, the same in every transition of its life."""
        return f"{self.rule}/{self.series.market}/{self.series.metric.value}/{self.fired:%Y%m%dT%H%MZ}"

    @property
    def id(self) -> str:
        """The identity of this change: an alert, what happened to it, and when."""
        return f"{self.alert_id}/{self.event.value}/{self.minute:%Y%m%dT%H%MZ}"

    @property
    def ratio(self) -> float:
        """How many times its base it is; infinite over a base of 0."""
        return self.latest / self.base if self.base else math.inf

    @property
    def reopened(self) -> bool:
        """Whether it fires again within the cooldown of its rule."""
        return self.event is Event.FIRING and self.minute != self.fired


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the rules say at one minute.

    `states`: of every series that is not plainly `ok`. `alerts`: the state of every open alert, by its id. `down`: the
    exchanges whose feed is down.
    """

    transitions: tuple[Transition, ...]
    states: dict[Series, State]
    alerts: dict[str, State] = field(default_factory=dict)
    down: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MassRise:
    """So many of the series of one exchange fired at one minute that the source itself may be wrong."""

    rule: str
    exchange: str
    count: int
    of: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one mail tells one recipient (an address, or `channel:` and a name): the transitions of one minute.

    `charts` holds, by id of a transition, the values of the hour up to it, one a minute, None where there is none.
    `answers` is the batch that announced all the alerts this one closes, if it was one batch: its mail's thread.
    """

    id: str
    recipient: str
    minute: datetime
    transitions: tuple[Transition, ...]
    run_url: str | None = None
    charts: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    mass: tuple[MassRise, ...] = ()
    answers: Batch | None = None

    @property
    def keys(self) -> list[str]:
        """One sha256 per alert, event, minute and recipient, sorted: what must be told once."""
        return sorted(key_of(one, self.recipient) for one in self.transitions)

    @property
    def digest(self) -> str:
        """The sha256 of the keys: the same for every attempt to send this batch, so a twin is recognisable."""
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One mail of the outbox and how it fared. `state`: waiting, sent, failed, or gave_up when no longer tried."""

    id: str
    minute: datetime
    state: str
    reason: str | None = None  # why it failed

    @property
    def recipient(self) -> str:
        """Who gets it, told by a short hash: ids are seen in logs and on pages."""
        return self.id.split("-")[3]


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the outbox owes: mails that wait, the minute of the oldest of them, and mails that never went.

    `mails` are those to show: what waits or was refused first, then the newest.
    """

    waiting: int
    oldest: datetime | None
    undelivered: int
    mails: tuple[Delivery, ...] = ()


def feed_of(exchange: str, metric: Metric) -> Series:
    """Give the series that stands for all markets of an exchange."""
    return Series(Market(exchange, FEED, FEED), metric)


def by_urgency(transitions: Iterable[Transition]) -> list[Transition]:
    """Order as a mail lists them: what fires before what ended, feeds before markets, the most extreme first."""
    return sorted(
        transitions,
        key=lambda one: (
            one.event is not Event.FIRING,
            one.kind is not Kind.FEED_DOWN,
            -_distance(one),
            one.series,
            one.rule,
        ),
    )


def _distance(one: Transition) -> float:
    """How far the value lies from its base, in whichever direction the rule looks."""
    return one.ratio if one.comparison.upward or not one.ratio else 1 / one.ratio


def key_of(transition: Transition, recipient: str) -> str:
    """Give the key of one thing to tell one person."""
    return hashlib.sha256(f"{transition.id}\n{recipient}".encode()).hexdigest()
