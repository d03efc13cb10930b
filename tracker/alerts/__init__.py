"""Decide what fires: pure functions of the samples (product definitions: DESIGN.md, section 2)."""

from tracker.alerts.evaluation import evaluate, history
from tracker.alerts.explanation import Miss, explain, minutes_above, nearest_miss
from tracker.alerts.rules import load_rules
from tracker.alerts.silences import Silence, audible, load_silences
from tracker.alerts.values import (
    AlertRule,
    Backlog,
    Batch,
    Delivery,
    Evaluation,
    Event,
    Severity,
    State,
    Transition,
    key_of,
)

__all__ = [
    "AlertRule",
    "Backlog",
    "Batch",
    "Delivery",
    "Evaluation",
    "Event",
    "Miss",
    "Severity",
    "Silence",
    "State",
    "Transition",
    "audible",
    "evaluate",
    "explain",
    "history",
    "key_of",
    "load_rules",
    "load_silences",
    "minutes_above",
    "nearest_miss",
]
