"""Decide what fires: pure functions of the samples (product definitions: DESIGN.md, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tracker.model import Metric, Series


class Event(StrEnum):
    """What happened to an alert at a minute."""

    FIRING = "firing"
    RESOLVED = "resolved"


class State(StrEnum):
    """What an alert rule says of a series at a minute."""

    NO_DATA = "no_data"
    WARMING = "warming"
    OK = "ok"
    FIRING = "firing"
    RESOLVING = "resolving"


@dataclass(frozen=True, slots=True)
class AlertRule:
    """Fire when the latest sample is strictly above `factor` times the mean of the hour before it."""

    name: str
    metric: Metric
    factor: str = "3"  # a decimal, compared exactly
    min_samples: int = 30
    resolve_after: int = 5  # real samples below, in a row, that end an alert


@dataclass(frozen=True, slots=True)
class Transition:
    """One change in the life of an alert; deterministic, so that deciding twice says the same."""

    rule: str
    series: Series
    event: Event
    minute: datetime  # of this change
    fired: datetime  # first firing minute: with rule and series, the identity of the alert
    latest: float
    mean_1h: float
    n_1h: int
    peak_ratio: float  # largest latest / mean_1h while it was open
    rises: int  # how often it went from below to above while it was open

    @property
    def alert_id(self) -> str:
        """The identity of the alert, the same in every transition of its life."""
        return f"{self.rule}/{self.series.market}/{self.series.metric.value}/{self.fired:%Y%m%dT%H%MZ}"

    @property
    def ratio(self) -> float:
        """latest / mean_1h."""
        return self.latest / self.mean_1h


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the rules say at one minute: what changed, and the state of every series that is not plainly `ok`."""

    transitions: tuple[Transition, ...]
    states: dict[Series, State]
