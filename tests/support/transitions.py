"""Transitions in few words, for what is built on them."""

from __future__ import annotations

from datetime import datetime

from tests.support.windows import BTC, T0
from tracker.alerts import Event, Transition
from tracker.model import MINUTE, Market, Metric, Series


def series(base: str, quote: str = "USD", metric: Metric = Metric.PRICE) -> Series:
    return Series(Market("coinbase", base, quote), metric)


def fired(one: Series = BTC, minute: datetime = T0, ratio: float = 3.41, mean: float = 100.0) -> Transition:
    return Transition("price-3x", one, Event.FIRING, minute, minute, mean * ratio, mean, 60, ratio, 1)


def resolved(
    one: Series = BTC,
    minute: datetime = T0 + 12 * MINUTE,
    since: datetime = T0,
    event: Event = Event.RESOLVED,
    rises: int = 1,
) -> Transition:
    return Transition("price-3x", one, event, minute, since, 110.0, 120.0, 60, 3.79, rises)
