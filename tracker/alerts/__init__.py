"""Decide what fires: pure functions of the samples (product definitions: DESIGN.md, section 2)."""

from tracker.alerts.columns import minute_of
from tracker.alerts.evaluation import TOLD, evaluate, history, standings
from tracker.alerts.explanation import minutes_above, most_extreme, nearest_miss
from tracker.alerts.judging import Miss, nearer
from tracker.alerts.lookback import Lookback
from tracker.alerts.routing import CHANNEL, batches, recipients
from tracker.alerts.rules import Channel, load_channels, load_rules
from tracker.alerts.silences import Silence, load_silences, muted
from tracker.alerts.values import (
    AlertRule,
    Backlog,
    Batch,
    Comparison,
    Delivery,
    Evaluation,
    Event,
    Kind,
    Severity,
    State,
    Transition,
    by_urgency,
    key_of,
)

__all__ = [
    "CHANNEL",
    "TOLD",
    "AlertRule",
    "Backlog",
    "Batch",
    "Channel",
    "Comparison",
    "Delivery",
    "Evaluation",
    "Event",
    "Kind",
    "Lookback",
    "Miss",
    "Severity",
    "Silence",
    "State",
    "Transition",
    "batches",
    "by_urgency",
    "evaluate",
    "history",
    "key_of",
    "load_channels",
    "load_rules",
    "load_silences",
    "minute_of",
    "minutes_above",
    "most_extreme",
    "muted",
    "nearer",
    "nearest_miss",
    "recipients",
    "standings",
]
