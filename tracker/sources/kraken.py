"""Kraken spot. Wire format: https://docs.kraken.com/api/docs/rest-api/get-ticker-information (and its siblings).

Every answer is HTTP 200 with `{"error": […], "result": …}`. The ticker carries no time, so a sample is dated by its
receipt. One-minute candles reach back 720 minutes and no further, whatever is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tracker.candles import Candles
from tracker.errors import BadAnswer, RateLimited, SourceRefused, SourceUnavailable, UnknownMarket
from tracker.model import HOUR, MINUTE, Listing, Market, MarketStatus, Poll
from tracker.sources import reading
from tracker.sources.http import Answer, Http, Request
from tracker.sources.machine import Limit, Machine

log = logging.getLogger(__name__)

EXCHANGE = "kraken"

LIMIT = Limit(rate=1.0, burst=10.0)
"""Public: one a second is safe, bursts up to about 30."""

REACH = 720 * MINUTE

_LETTERS = {"XBT": "BTC", "XDG": "DOGE"}
"""Kraken's own names of two assets."""

_QUIET_WORDS = ("Too many requests", "Rate limit exceeded", "Temporary lockout")


class Kraken:
    """Public market data of Kraken; a `ports.Source`."""

    exchange = EXCHANGE
    page = REACH
    reach = REACH

    def __init__(self, url: str, clock: Callable[[], datetime], machine: Machine | None = None) -> None:
        """Prepare; nothing is asked yet. `machine` is shared with other processes; by default, the user's."""
        machine = machine or Machine()
        self._clock = clock
        self._http = Http(EXCHANGE, url, clock, pace=machine.pace(EXCHANGE, url, LIMIT))
        self._kept = machine.kept(url, "pairs.json")
        self._symbols: dict[Market, str] = {}

    def listings(self) -> list[Listing]:
        """List all pairs but the dark pools. See `ports.Source`."""
        listings = parse_pairs(self._ask(request_pairs())[0])
        self._symbols = {one.market: one.symbol for one in listings}
        self._kept.write(self._clock(), {market.pair: symbol for market, symbol in self._symbols.items()})
        return listings

    def latest(self, markets: Sequence[Market], minute: datetime) -> Poll:
        """Poll all pairs by one call. See `ports.Source`."""
        if early := reading.untimely(EXCHANGE, minute, self._clock()):
            return early
        symbols = self._names(markets)
        result, answer = self._ask(request_ticker())
        reading.refuse_unless_live(EXCHANGE, answer)
        quotes = parse_ticker(result, symbols, markets)
        return reading.untimely(EXCHANGE, minute, answer.received_at) or reading.poll(
            quotes, minute, answer.received_at
        )

    def candles(self, market: Market, start: datetime, end: datetime) -> Candles:
        """Give finished candles by one call: those of the last 720 minutes. See `ports.Source`."""
        end = reading.last_finished(end, self._clock)
        if reading.first_stamp(start) > end or end < self._clock() - REACH - HOUR:
            return Candles.of(market)
        symbol = self._names([market]).get(market)
        if symbol is None:
            raise UnknownMarket(f"{market}: Kraken does not list it")
        result, answer = self._ask(request_candles(symbol, start), market)
        return reading.finished([parse_candles(result, market).until(answer.as_of)], market, start, end)

    def _names(self, markets: Iterable[Market]) -> Mapping[Market, str]:
        """Give Kraken's names of its markets: from memory, from another process, or from Kraken.

        They are never put together from BASE and QUOTE: AIOZUSD could be AIO/USD or AIOZ/USD.
        """
        wanted = set(markets)
        if not wanted <= self._symbols.keys():
            kept = self._kept.read(self._clock(), HOUR)
            if isinstance(kept, dict):
                self._symbols = {Market.parse(f"{EXCHANGE}:{pair}"): str(name) for pair, name in kept.items()}
        if not wanted <= self._symbols.keys():
            self.listings()
        return self._symbols

    def _ask(self, request: Request, market: Market | None = None) -> tuple[Any, Answer]:
        answer = self._http.get(request)
        try:
            return parse_envelope(answer.body, f"kraken, {request.path}", market), answer
        except RateLimited:
            self._http.quiet(None)
            raise


def parse_envelope(body: Any, where: str, market: Market | None = None) -> Any:
    """Give `result`, or raise what Kraken's error words mean. Warnings beside a result are let pass."""
    body = reading.table(where, body)
    said = reading.array(f"{where}: error", body.get("error"))
    errors = [one for one in said if isinstance(one, str) and not one.startswith("W")]
    if not errors:
        if body.get("result") is None:
            raise BadAnswer(f"{where}: neither an error nor a result")
        return body["result"]
    words = "; ".join(errors)[:200]
    if any(quiet in words for quiet in _QUIET_WORDS):
        raise RateLimited(f"{where}: asked too often ({words})")
    if any(one.startswith("EService:") for one in errors):
        raise SourceUnavailable(f"{where}: {words}")
    if "Unknown asset pair" in words:
        raise UnknownMarket(f"{market or where}: Kraken does not list it ({words})")
    raise SourceRefused(f"{where}: refused with {words}")


def request_pairs() -> Request:
    """Ask for all pairs."""
    return Request("/0/public/AssetPairs")


def parse_pairs(result: Any) -> list[Listing]:
    """Read AssetPairs: an object keyed by Kraken's name. Dark pools, which alone have no `wsname`, are left out."""
    listings = []
    for symbol, row in reading.table("kraken: AssetPairs", result).items():
        name = row.get("wsname") if isinstance(row, dict) else None
        if not isinstance(name, str):
            continue
        base, slash, quote = name.partition("/")
        if not (base and slash and quote and name.isprintable()):
            log.warning("kraken: a pair without a usable name was left out: %.100r", name)
            continue
        market = Market(EXCHANGE, _LETTERS.get(base, base), _LETTERS.get(quote, quote))
        listings.append(Listing(market, symbol, _status(row.get("status", "online"))))
    if not listings:
        raise BadAnswer("kraken: AssetPairs lists no market at all")
    return listings


def _status(said: object) -> MarketStatus:
    return MarketStatus.TRADABLE if said in ("online", "limit_only") else MarketStatus.HALTED


def request_ticker() -> Request:
    """Ask for the tickers of all pairs."""
    return Request("/0/public/Ticker")


def parse_ticker(
    result: Any, symbols: Mapping[Market, str], markets: Sequence[Market]
) -> dict[Market, tuple[object, object] | None]:
    """Read Ticker, keyed by Kraken's names: (`c[0]`, `v[1]`) of each market as written, or None.

    `v[0]` counts from midnight UTC; `v[1]` is the last 24 h, in base units. Raises BadAnswer when no row has a price.
    """
    table = reading.table("kraken: Ticker", result)
    quotes = {symbol: (_nth(row, "c", 0), _nth(row, "v", 1)) for symbol, row in table.items()}
    if not any(reading.price(last) for last, _ in quotes.values()):
        raise BadAnswer(f"kraken: Ticker has no price in any of its {len(quotes)} rows")
    return {market: quotes.get(symbols.get(market, "")) for market in markets}


def _nth(row: object, field: str, index: int) -> object:
    found = row.get(field) if isinstance(row, dict) else None
    return found[index] if isinstance(found, list) and len(found) > index else None


def request_candles(symbol: str, start: datetime) -> Request:
    """Ask for the one-minute candles that opened at `start` or later; `since` itself is not among them."""
    since = int(reading.first_stamp(start).timestamp()) - 120
    return Request("/0/public/OHLC", {"pair": symbol, "interval": "1", "since": str(since)})


def parse_candles(result: Any, market: Market) -> Candles:
    """Read OHLC: rows [time in s, open, high, low, close, vwap, base volume, count], oldest first.

    Minutes without a trade are there, flat, with count 0; so is the minute that is not over yet.
    """
    rows = [value for name, value in reading.table(f"candles of {market}", result).items() if name != "last"]
    if len(rows) != 1:
        raise BadAnswer(f"{market}: candles of one pair were asked for, {len(rows)} came")
    return reading.candles(market, rows[0], (0, 1, 2, 3, 4, 6))
