"""Fakes of the ports, for tests of what is built on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage

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
