"""Transitions in few words, for what is built on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tests.support.windows import BTC, T0
from tracker.alerts import Batch, Event, Transition
from tracker.model import MINUTE, Market, Metric, Series
from tracker.ports import Outbox


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


def queue(outbox: Outbox, transitions: Sequence[Transition], recipients: Iterable[str], **more: object) -> int:
    """Queue the same for each of some recipients; say how many keys were new."""
    return sum(outbox.queue(Batch("", who, T0, tuple(transitions), **more)) for who in recipients)
