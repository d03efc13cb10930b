"""The words of alerting as values (DESIGN.md, section 2). Standard library only."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from tracker.model import Metric, Series

SILENT_MINUTES = 3
"""A series without a sample for this many minutes has no data."""

LOST_MINUTES = 60
"""An open alert expires after this many minutes in which it could not be judged."""


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
    FIRING = "firing"
    RESOLVING = "resolving"


class Severity(StrEnum):
    """How much an alert matters to the people who wrote its rule."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Fire when the latest sample is strictly above `factor` times the mean of the hour before it.

    The mean is over the samples in [t-60min, t), at least `min_samples` of them; else the rule cannot be judged.
    `markets` are patterns of `exchange:BASE-QUOTE`, of which one must match.
    """

    name: str
    metric: Metric
    factor: str = "3"  # a decimal, compared exactly
    min_samples: int = 30
    resolve_after: int = 5  # real samples below, in a row, that end an alert
    min_mean: str = "0"  # a decimal in the unit of the metric: over a lower mean nothing is above
    markets: tuple[str, ...] = ("*",)
    severity: Severity = Severity.WARNING
    runbook: str | None = None  # a link for the mail: what to do

    def watches(self, market: str) -> bool:
        """Say whether the rule judges this market, written `exchange:BASE-QUOTE`."""
        return any(fnmatchcase(market, pattern) for pattern in self.markets)


@dataclass(frozen=True, slots=True)
class Transition:
    """One change in the life of an alert; deterministic, so that deciding twice says the same.

    `latest` and `mean_1h` are those of the last judged minute: for FIRING and RESOLVED the minute of the change itself.
    """

    rule: str
    series: Series
    event: Event
    minute: datetime  # of this change
    fired: datetime  # first firing minute: with rule and series, the identity of the alert
    latest: float
    mean_1h: float
    n_1h: int
    peak_ratio: float  # largest latest / mean_1h while it was open; infinite over a mean of 0
    rises: int  # how often it went from below to above while it was open
    factor: str = "3"  # of the rule when it was judged
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
        """How many times its 1 h mean it is; infinite over a mean of 0."""
        return self.latest / self.mean_1h if self.mean_1h else math.inf


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the rules say at one minute: what changed, and the state of every series that is not plainly `ok`."""

    transitions: tuple[Transition, ...]
    states: dict[Series, State]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one mail tells one recipient: the transitions of one minute.

    `answers` is the batch that announced all the alerts this one closes, if it was one batch: its mail's thread.
    """

    id: str
    recipient: str
    minute: datetime
    transitions: tuple[Transition, ...]
    run_url: str | None = None
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


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the outbox owes: mails that wait, the minute of the oldest of them, and mails that never went."""

    waiting: int
    oldest: datetime | None
    undelivered: int


def key_of(transition: Transition, recipient: str) -> str:
    """Give the key of one thing to tell one person."""
    return hashlib.sha256(f"{transition.id}\n{recipient}".encode()).hexdigest()
