"""Coinbase Exchange, with Coinbase Advanced Trade as the second way to the same order books.

Wire formats: https://docs.cdp.coinbase.com/exchange/ and https://docs.cdp.coinbase.com/advanced-trade/; the bulk
call `/products/stats` is not documented there, which is why the second way exists. Neither bulk answer carries
a time, so a sample is dated by its receipt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from tracker.candles import Candles
from tracker.errors import BadAnswer, RetriableError, SourceRefused, SourceUnavailable, UnknownMarket
from tracker.model import MINUTE, Listing, Market, MarketStatus, Poll, Problem, iso
from tracker.sources import reading
from tracker.sources.http import Http, Refused, Request
from tracker.sources.machine import Limit, Machine

log = logging.getLogger(__name__)

EXCHANGE = "coinbase"
PAGE = 300 * MINUTE
"""Candles asked for at once; the exchange refuses more than 300 intervals."""

LIMIT = Limit(rate=9.0, burst=9.0)
"""Public: 10 a second, 15 at once, by address; a little is left to others behind the same one."""

_HALTS = ("trading_disabled", "cancel_only", "post_only", "auction_mode")
"""Flags under which no trade can happen, so that the last price stands still. `limit_only` is not one of them."""


class Coinbase:
    """Public market data of Coinbase; a `ports.Source`."""

    exchange = EXCHANGE
    page = PAGE
    reach = None

    def __init__(
        self,
        url: str,
        advanced_url: str,
        clock: Callable[[], datetime],
        machine: Machine | None = None,
    ) -> None:
        """Prepare; nothing is asked yet. `machine` is shared with other processes; by default, the user's."""
        machine = machine or Machine()
        self._clock = clock
        self._http = Http(EXCHANGE, url, clock, pace=machine.pace(EXCHANGE, url, LIMIT))
        self._advanced = Http(
            f"{EXCHANGE} advanced", advanced_url, clock, pace=machine.pace(EXCHANGE, advanced_url, LIMIT)
        )

    def listings(self) -> list[Listing]:
        """List all products, the delisted ones included. See `ports.Source`."""
        return parse_products(self._http.get(request_products()).body)

    def latest(self, markets: Sequence[Market], minute: datetime) -> Poll:
        """Poll all markets by one call, or by two when the first way fails. See `ports.Source`."""
        if early := reading.untimely(EXCHANGE, minute, self._clock()):
            return early
        try:
            return self._poll(self._http, request_stats(), parse_stats, markets, minute)
        except (SourceUnavailable, BadAnswer, Refused) as error:
            if isinstance(error, Refused) and error.status not in {404, 410}:
                raise
            first = error
        try:
            second = self._poll(self._advanced, request_advanced(), parse_advanced, markets, minute)
        except (RetriableError, SourceRefused) as error:
            raise _both(first, error) from error
        return Poll(second.samples, (Problem(EXCHANGE, f"polled through Advanced Trade: {first}"), *second.problems))

    def _poll(
        self,
        http: Http,
        request: Request,
        parse: Callable[[Any, Sequence[Market]], Mapping[Market, tuple[object, object] | None]],
        markets: Sequence[Market],
        minute: datetime,
    ) -> Poll:
        answer = http.get(request)
        reading.refuse_unless_live(EXCHANGE, answer)
        quotes = parse(answer.body, markets)
        return reading.untimely(EXCHANGE, minute, answer.received_at) or reading.poll(
            quotes, minute, answer.received_at
        )

    def candles(self, market: Market, start: datetime, end: datetime) -> Candles:
        """Give finished candles, 300 a call. See `ports.Source`."""
        end = reading.last_finished(end, self._clock)
        found: list[Candles] = []
        for since, until in pages(start, end):
            found.append(self._page(market, since, until) or self._page(market, since, until))
        return reading.finished(found, market, start, end)

    def _page(self, market: Market, since: datetime, until: datetime) -> Candles:
        # The exchange sometimes answers [] though there were trades, so the caller asks an empty page twice.
        try:
            answer = self._http.get(request_candles(market, since, until))
            return parse_candles(answer.body, market).until(answer.as_of)
        except Refused as error:
            if error.status == 404 or "delisted" in error.text.lower():
                raise UnknownMarket(f"{market}: Coinbase does not list it, or has delisted it") from error
            raise


def _both(first: Exception, second: Exception) -> Exception:
    """Give one error for two: temporary if either is."""
    what = f"{first}; and by the second way, {second}"
    if isinstance(first, BadAnswer) and isinstance(second, BadAnswer):
        return BadAnswer(what)
    if isinstance(second, RetriableError):
        return SourceUnavailable(what, retry_after=second.retry_after)
    return SourceUnavailable(what) if isinstance(first, RetriableError) else SourceRefused(what)


def request_products() -> Request:
    """Ask for all products."""
    return Request("/products")


def parse_products(body: Any) -> list[Listing]:
    """Read `/products`: an array of objects. `display_name` is not read, it is written in two ways."""
    listings = []
    for row in reading.array("coinbase: /products", body):
        market = _market(row.get("id")) if isinstance(row, dict) else None
        if market is None:
            log.warning("coinbase: a product without a usable id was left out: %.100r", row)
            continue
        listings.append(Listing(market, market.pair, _status(row)))
    if not listings:
        raise BadAnswer("coinbase: /products lists no market at all")
    return listings


def _market(product_id: object) -> Market | None:
    if not isinstance(product_id, str):
        return None
    base, _, paid_in = product_id.rpartition("-")
    return Market(EXCHANGE, base, paid_in) if base and paid_in and product_id.isprintable() else None


def _status(row: Mapping[str, Any]) -> MarketStatus:
    if row.get("status") == "delisted":
        return MarketStatus.DELISTED
    if row.get("status") != "online" or any(row.get(flag) is True for flag in _HALTS):
        return MarketStatus.HALTED
    return MarketStatus.TRADABLE


def request_stats() -> Request:
    """Ask for the 24 h statistics of all markets; cached by the exchange for 5 s."""
    return Request("/products/stats")


def parse_stats(body: Any, markets: Sequence[Market]) -> dict[Market, tuple[object, object] | None]:
    """Read `/products/stats`, an object keyed by product: (`last`, `volume`) of each market as written, or None.

    Raises BadAnswer when no row at all has a price: then the format has changed, not the markets.
    """
    quotes = {product: _stats(row) for product, row in reading.table("coinbase: /products/stats", body).items()}
    return _chosen(quotes, markets, "/products/stats")


def _stats(row: object) -> tuple[object, object]:
    day = row.get("stats_24hour") if isinstance(row, dict) else None
    return (day.get("last"), day.get("volume")) if isinstance(day, dict) else (None, None)


def request_advanced() -> Request:
    """Ask Advanced Trade for all spot products."""
    return Request("/api/v3/brokerage/market/products", {"product_type": "SPOT"})


def parse_advanced(body: Any, markets: Sequence[Market]) -> dict[Market, tuple[object, object] | None]:
    """Read Advanced Trade's products: (`price`, `volume_24h`) of each market as written, or None.

    Rows with an alias are the same book under a second name (BTC-USDC is BTC-USD) and are left out.
    """
    body = reading.table("coinbase: /market/products", body)
    products = reading.array("coinbase: products of /market/products", body.get("products"))
    quotes = {}
    for row in products:
        if isinstance(row, dict) and not row.get("alias") and row.get("product_type", "SPOT") == "SPOT":
            quotes[str(row.get("product_id"))] = (row.get("price"), row.get("volume_24h"))
    return _chosen(quotes, markets, "/market/products")


def _chosen(
    quotes: Mapping[str, tuple[object, object]], markets: Sequence[Market], path: str
) -> dict[Market, tuple[object, object] | None]:
    if not any(reading.price(last) for last, _ in quotes.values()):
        raise BadAnswer(f"coinbase: {path} has no price in any of its {len(quotes)} rows")
    return {market: quotes.get(market.pair) for market in markets}


def pages(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Cut the stamps (start, end] into calls: first and last open time of each, both inclusive."""
    opened = reading.first_stamp(start) - MINUTE
    while opened < end:
        until = min(opened + PAGE, end) - MINUTE
        yield opened, until
        opened = until + MINUTE


def request_candles(market: Market, since: datetime, until: datetime) -> Request:
    """Ask for the candles that opened in [since, until]. Without both ends a cache answers, up to 5 minutes old."""
    assert until - since <= timedelta(minutes=300)
    params = {"granularity": "60", "start": iso(since), "end": iso(until)}
    return Request(f"/products/{quote(market.pair, safe='')}/candles", params)


def parse_candles(body: Any, market: Market) -> Candles:
    """Read candles: rows [time in s, LOW, HIGH, OPEN, CLOSE, base volume], newest first; unusable rows are left out.

    The row of the minute that is not over yet is among them.
    """
    return reading.candles(market, body, (0, 3, 2, 1, 4, 5))
