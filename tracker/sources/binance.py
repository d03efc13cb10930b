"""Binance spot, market data only. Wire format: https://github.com/binance/binance-spot-api-docs (rest-api.md)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tracker.candles import Candles
from tracker.errors import BadAnswer, UnknownMarket
from tracker.model import MINUTE, Listing, Market, MarketStatus, Poll
from tracker.sources import reading
from tracker.sources.http import Answer, Http, Refused, Request
from tracker.sources.machine import Limit, Machine

log = logging.getLogger(__name__)

EXCHANGE = "binance"
PAGE = 1000 * MINUTE

LIMIT = Limit(rate=66.0, burst=1000.0)
"""In request weight: two thirds of the 6,000 a minute, because others may share our address."""

WEIGHT = "X-MBX-USED-WEIGHT-1M"
"""The header that says how much of the 6,000 a minute this address has used, whoever behind it did."""

NEARLY_ALL = 5_000.0
"""Used weight from which nobody here asks any more before the next minute: beyond 6,000 comes 429, then a ban."""

_STATUS = {"TRADING": MarketStatus.TRADABLE, "BREAK": MarketStatus.DELISTED}


class Binance:
    """Public market data of Binance; a `ports.Source`."""

    exchange = EXCHANGE
    page = PAGE
    reach = None

    def __init__(self, url: str, clock: Callable[[], datetime], machine: Machine | None = None) -> None:
        """Prepare; nothing is asked yet. `machine` is shared with other processes; by default, the user's."""
        self._clock = clock
        self._http = Http(EXCHANGE, url, clock, pace=(machine or Machine()).pace(EXCHANGE, url, LIMIT))

    def listings(self) -> list[Listing]:
        """List all spot symbols, those in BREAK as delisted. See `ports.Source`."""
        return parse_symbols(self._get(request_symbols()).body)

    def latest(self, markets: Sequence[Market], minute: datetime) -> Poll:
        """Poll all symbols by one call. See `ports.Source`."""
        if early := reading.untimely(EXCHANGE, minute, self._clock()):
            return early
        answer = self._get(request_tickers())
        reading.refuse_unless_live(EXCHANGE, answer)
        quotes = parse_tickers(answer.body, markets)
        return reading.untimely(EXCHANGE, minute, answer.received_at) or reading.poll(
            quotes, minute, answer.received_at
        )

    def candles(self, market: Market, start: datetime, end: datetime) -> Candles:
        """Give finished candles, 1,000 a call. See `ports.Source`."""
        end = reading.last_finished(end, self._clock)
        found: list[Candles] = []
        for since, until in pages(start, end):
            try:
                answer = self._get(request_candles(market, since, until))
            except Refused as error:
                if '"code":-1121' in error.text.replace(" ", ""):
                    raise UnknownMarket(f"{market}: Binance does not list it") from error
                raise
            found.append(parse_candles(answer.body, market).until(answer.as_of))
        return reading.finished(found, market, start, end)

    def _get(self, request: Request) -> Answer:
        """Ask, and be quiet for the rest of the minute when the address has used up nearly all it may."""
        answer = self._http.get(request)
        used = reading.volume(answer.headers.get(WEIGHT))
        if used is not None and used >= NEARLY_ALL:
            rest = 60.0 - (answer.received_at + answer.skew).timestamp() % 60.0
            log.warning("binance: %.0f of 6,000 request weight are used; quiet for %.0f s", used, rest)
            self._http.quiet(rest)
        return answer


def request_symbols() -> Request:
    """Ask for all symbols."""
    return Request("/api/v3/exchangeInfo", cost=20.0)


def parse_symbols(body: Any) -> list[Listing]:
    """Read `exchangeInfo`. Base and quote are read from their fields; what cannot be traded on spot is left out."""
    listings = []
    for row in reading.array(
        "binance: symbols of exchangeInfo", reading.table("binance: exchangeInfo", body).get("symbols")
    ):
        market = _market(row) if isinstance(row, dict) else None
        if market is None:
            log.warning("binance: a symbol without usable names was left out: %.100r", row)
        elif row.get("isSpotTradingAllowed") is True:
            status = _STATUS.get(str(row.get("status")), MarketStatus.HALTED)
            listings.append(Listing(market, str(row["symbol"]), status))
    if not listings:
        raise BadAnswer("binance: exchangeInfo lists no spot market at all")
    return listings


def _market(row: Mapping[str, Any]) -> Market | None:
    """Give the market of a symbol, which is its base and quote put together: `latest` and `candles` rely on it."""
    base, quote = row.get("baseAsset"), row.get("quoteAsset")
    if not (isinstance(base, str) and isinstance(quote, str) and base and quote and (base + quote).isprintable()):
        return None
    return Market(EXCHANGE, base, quote) if row.get("symbol") == base + quote else None


def request_tickers() -> Request:
    """Ask for the last 24 h of all symbols that trade; one in BREAK would answer with the price of its last day."""
    return Request("/api/v3/ticker/24hr", {"type": "MINI", "symbolStatus": "TRADING"}, cost=80.0)


def parse_tickers(body: Any, markets: Sequence[Market]) -> dict[Market, tuple[object, object] | None]:
    """Read `ticker/24hr`: (`lastPrice`, `volume`) of each market as written, or None; the volume is in base units.

    `closeTime` dates the last change of a symbol, not the answer, and is not read. Raises BadAnswer when no row
    has a price.
    """
    quotes = {}
    for row in reading.array("binance: ticker/24hr", body):
        if isinstance(row, dict):
            quotes[str(row.get("symbol"))] = (row.get("lastPrice"), row.get("volume"))
    if not any(reading.price(last) for last, _ in quotes.values()):
        raise BadAnswer(f"binance: ticker/24hr has no price in any of its {len(quotes)} rows")
    return {market: quotes.get(market.base + market.quote) for market in markets}


def pages(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Cut the stamps (start, end] into calls: first and last open time of each, both inclusive."""
    opened = reading.first_stamp(start) - MINUTE
    while opened < end:
        until = min(opened + PAGE, end) - MINUTE
        yield opened, until
        opened = until + MINUTE


def request_candles(market: Market, since: datetime, until: datetime) -> Request:
    """Ask for the klines that opened in [since, until]."""
    params = {
        "symbol": market.base + market.quote,
        "interval": "1m",
        "startTime": str(int(since.timestamp()) * 1000),
        "endTime": str(int(until.timestamp()) * 1000),
        "limit": "1000",
    }
    return Request("/api/v3/klines", params, cost=2.0)


def parse_candles(body: Any, market: Market) -> Candles:
    """Read klines: rows [open time in ms, open, high, low, close, base volume, …], oldest first.

    Minutes without a trade are there, flat, with volume 0; minutes of an outage are not. The minute that is not
    over yet is among them.
    """
    return reading.candles(market, body, (0, 1, 2, 3, 4, 5), per_second=1000)
