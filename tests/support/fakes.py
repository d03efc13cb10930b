"""Fakes of the ports, for tests of what is built on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

from tracker.candles import Candles
from tracker.model import MINUTE, Candle, Listing, Market, MarketStatus, Metric, Origin, Poll, Sample, Series


@dataclass
class FakeSource:
    """An exchange that trades each market every minute, or fails as told.

    `price(market, minute)` gives the price or None for no trade; `failures[market]` are raised first, one a call.
    """

    markets: Sequence[Market]
    price: Callable[[Market, datetime], float | None]
    clock: Callable[[], datetime]
    exchange: str = "coinbase"
    page: timedelta = timedelta(hours=5)
    reach: timedelta | None = None
    volume: float = 1.0
    failures: dict[object, list[Exception]] = field(default_factory=dict)
    calls: list[tuple[object, ...]] = field(default_factory=list)

    def _fail(self, key: object) -> None:
        if self.failures.get(key):
            raise self.failures[key].pop(0)

    def listings(self) -> list[Listing]:
        self.calls.append(("listings",))
        self._fail("listings")
        return [Listing(market, market.pair, MarketStatus.TRADABLE) for market in self.markets]

    def latest(self, markets: Sequence[Market], minute: datetime) -> Poll:
        self.calls.append(("latest", minute))
        self._fail("latest")
        samples = []
        for market in markets:
            price = self.price(market, minute)
            if price is None:
                continue
            for metric, value in ((Metric.PRICE, price), (Metric.VOLUME_24H, 1440 * self.volume)):
                samples.append(Sample(Series(market, metric), minute, value, self.clock(), Origin.POLL))
        return Poll(tuple(samples))

    def candles(self, market: Market, start: datetime, end: datetime) -> Candles:
        self.calls.append(("candles", market, start, end))
        self._fail(market)
        found, minute = [], start + MINUTE
        while minute <= min(end, self.clock()):
            price = self.price(market, minute)
            if price is not None:
                found.append(Candle(market, minute - MINUTE, price, price, price, price, self.volume))
            minute += MINUTE
        return Candles.of(market, found)


@dataclass
class FakeNotifier:
    """A mail server that takes every mail, after raising `errors`, one a call."""

    taken: list[EmailMessage] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def send(self, message: EmailMessage) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(message)


class FakePipeline:
    """Note what is asked; raise what a test puts into `errors`, by call or by call and first argument."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.waiting: list[str] = []
        self.errors: dict[str | tuple[Any, ...], list[Exception]] = {}
        self.late = False
        self.queued = 0

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if errors := self.errors.get(call[:2]) or self.errors.get(call[0]):
            raise errors.pop(0)

    def fetch(self, minute: datetime) -> dict[str, Any]:
        self._note("fetch", minute)
        return {"minute": "then", "late": self.late, "rows": 2, "feeds": [{"exchange": "coinbase"}]}

    def analyze(self, minute: datetime, *, live: bool = True, run_url: str | None = None) -> dict[str, Any]:
        self._note("analyze", minute)
        return {"queued": self.queued}

    def publish(self, minute: datetime, *, run_id: str | None = None, run_url: str | None = None) -> dict[str, Any]:
        self._note("publish", minute, run_id, run_url)
        return {"written": 3, "figures": {"minute_age": 2.5, "rows": 40}}

    def pending(self) -> list[str]:
        return list(self.waiting)

    def deliver(self, batch_id: str) -> dict[str, Any]:
        self._note("deliver", batch_id)
        return {"sent": 1, "subject": f"about {batch_id}"}

    def load(self, start: datetime, end: datetime, *, exchange: str | None = None) -> dict[str, Any]:
        self._note("load", start, end, exchange)
        return {"rows": 9, "problems": []}

    def replay(self, start: datetime, end: datetime) -> list[dict[str, Any]]:
        self._note("replay", start, end)
        return [dict.fromkeys(("rule", "market", "metric", "fired", "resolved"), "x")]

    def seal(self, until: datetime) -> dict[str, Any]:
        self._note("seal", until)
        return {"sealed": 24, "changed": 1}

    def repair(self, until: datetime) -> dict[str, Any]:
        self._note("repair", until)
        return {"gaps": 1, "loads": []}
