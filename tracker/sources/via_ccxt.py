"""Any exchange that ccxt knows, as `ccxt:<exchange>`: an optional extra, imported when such a source is first used.

ccxt (https://github.com/ccxt/ccxt/wiki/Manual) gives floats and one shape for all; what it does not give is refused
here by name, because a price without a volume or a time is no market data.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from tracker.candles import Candles
from tracker.errors import (
    BadAnswer,
    ConfigError,
    RateLimited,
    SourceRefused,
    SourceUnavailable,
    TrackerError,
    UnknownMarket,
)
from tracker.model import MINUTE, Listing, Market, MarketStatus, Poll
from tracker.sources import reading
from tracker.sources.http import CLOCKS_APART, Answer

PREFIX = "ccxt:"
PAGE = 500  # candles a call: what nearly all exchanges serve

_TIMEOUT = 10_000  # milliseconds
_NOTHING = object()


def client_of(name: str) -> Any:
    """Make ccxt's client of an exchange. Raises ConfigError when ccxt is not there, or does not know the name."""
    try:
        import ccxt  # type: ignore[import-not-found,import-untyped,unused-ignore]  # the extra may not be installed
    except ImportError as error:
        raise ConfigError(f"{PREFIX}{name} needs the extra: pip install '.[ccxt]'") from error
    if name not in ccxt.exchanges:
        near = difflib.get_close_matches(name, ccxt.exchanges, n=3)
        raise ConfigError(f"ccxt knows no exchange {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    options = {"fetchMarkets": {"types": ["spot"]}}  # no futures hosts, which fail in more places
    settings = {"enableRateLimit": True, "timeout": _TIMEOUT, "enableLastJsonResponse": True, "options": options}
    return getattr(ccxt, name)(settings)


class ViaCcxt:
    """Public market data of one exchange through ccxt; a `ports.Source`.

    ccxt keeps its rate limit within one process: run such exchanges from one place.
    """

    page = PAGE * MINUTE
    reach = None

    def __init__(self, exchange: str, clock: Callable[[], datetime], client: Any = None) -> None:
        """Prepare; nothing is imported or asked yet. `exchange` is `ccxt:<name>`; `client` replaces ccxt's own."""
        self.exchange = exchange
        self._clock = clock
        self._made = client

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = client_of(self.exchange.removeprefix(PREFIX))
        return self._made

    def listings(self) -> list[Listing]:
        """List all spot markets. See `ports.Source`."""
        found = []
        for row in self._ask("load_markets", True).values():
            base, quote, symbol = row.get("base"), row.get("quote"), row.get("symbol")
            if row.get("spot") and base and quote and symbol == f"{base}/{quote}":
                status = MarketStatus.HALTED if row.get("active") is False else MarketStatus.TRADABLE
                found.append(Listing(Market(self.exchange, base, quote), symbol, status))
        if not found:
            raise SourceRefused(f"{self.exchange}: ccxt lists no spot market of it")
        return found

    def latest(self, markets: Sequence[Market], minute: datetime) -> Poll:
        """Poll all markets by one call of ccxt's. See `ports.Source`.

        Raises SourceRefused for an exchange whose tickers have no price, no base volume or no time at all.
        """
        if early := reading.untimely(self.exchange, minute, self._clock()):
            return early
        if not self._client.has.get("fetchTickers"):
            raise SourceRefused(f"{self.exchange}: it has no call for all tickers; it cannot be watched every minute")
        tickers = self._ask("fetch_tickers")
        received = self._clock()
        if not tickers:
            raise BadAnswer(f"{self.exchange}: ccxt gives no ticker at all")
        reading.refuse_unless_live(self.exchange, self._answered())
        self._refuse_unless_complete([one for one in tickers.values() if isinstance(one, dict)], received)
        quotes = {market: _quote(tickers.get(f"{market.base}/{market.quote}")) for market in markets}
        return reading.untimely(self.exchange, minute, received) or reading.poll(quotes, minute, received)

    def _refuse_unless_complete(self, tickers: Sequence[dict[str, Any]], received: datetime) -> None:
        for field, read in (("last", reading.price), ("baseVolume", reading.volume), ("timestamp", reading.price)):
            if not any(read(one.get(field)) is not None for one in tickers):
                what = {"last": "price", "baseVolume": "24 h base volume", "timestamp": "time"}[field]
                raise SourceRefused(
                    f"{self.exchange}: ccxt gives no {what} in its {len(tickers)} tickers; it cannot be watched"
                )
        newest = max(at for one in tickers if (at := reading.price(one.get("timestamp"))) is not None) / 1000
        behind = received.timestamp() - newest
        if behind > CLOCKS_APART.total_seconds():
            raise BadAnswer(f"{self.exchange}: the newest of its tickers is {behind:.0f} s old; it is not live")

    def candles(self, market: Market, start: datetime, end: datetime) -> Candles:
        """Give finished candles, 500 a call. See `ports.Source`."""
        if not self._client.has.get("fetchOHLCV"):
            raise SourceRefused(f"{self.exchange}: it has no candles")
        end = reading.last_finished(end, self._clock)
        opened, last = (_milliseconds(at - MINUTE) for at in (reading.first_stamp(start), end))
        found: list[Candles] = []
        while opened <= last:
            rows = self._ask("fetch_ohlcv", f"{market.base}/{market.quote}", "1m", opened, PAGE)
            page = parse_candles(rows, market)
            found.append(page.until(self._answered().as_of))
            newest = int(page.opened.max(initial=0)) * 1000
            # An empty page may be a quiet stretch: go on behind it, never back.
            opened = newest + 60_000 if newest >= opened else opened + PAGE * 60_000
        return reading.finished(found, market, start, end)

    def _answered(self) -> Answer:
        """Give the headers of the last answer, which date it."""
        return Answer(None, getattr(self._client, "last_response_headers", None) or {}, self._clock())

    def _ask(self, method: str, *arguments: object) -> Any:
        """Call ccxt. Its errors become ours; what was no JSON, which ccxt takes for nothing at all, is one too."""
        client = self._client
        client.last_json_response = _NOTHING
        try:
            found = getattr(client, method)(*arguments)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise BadAnswer(f"{self.exchange}: ccxt could not read the answer to {method}: {error!r:.150}") from error
        except Exception as error:
            mapped = translated(self.exchange, error, getattr(client, "last_response_headers", None))
            if mapped is None:
                raise
            raise mapped from error
        if client.last_json_response is None:
            raise BadAnswer(f"{self.exchange}: not JSON but {str(client.last_http_response)[:100]!r}")
        return found


def parse_candles(rows: Any, market: Market) -> Candles:
    """Read ccxt's candles: [open time in ms, open, high, low, close, base volume]; unusable rows are left out."""
    usable = [row for row in reading.array(f"candles of {market}", rows) if isinstance(row, list) and len(row) >= 6]
    return reading.candles(market, usable, (0, 1, 2, 3, 4, 5), per_second=1000)


def translated(exchange: str, error: Exception, headers: Any) -> TrackerError | None:
    """Give our error for one of ccxt's (by the names of its classes), None for any other exception.

    ccxt calls Binance's and Kraken's rate limits DDoSProtection, and a refusal such as HTTP 451 ExchangeNotAvailable.
    """
    names = {one.__name__ for one in type(error).__mro__}
    if "BaseError" not in names:
        return None
    what = f"{exchange}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if names & {"RateLimitExceeded", "DDoSProtection"}:
        wait = next((v for k, v in dict(headers or {}).items() if str(k).lower() == "retry-after"), None)
        return RateLimited(what, retry_after=reading.volume(wait))
    if "BadSymbol" in names:
        return UnknownMarket(what)
    if names & {"BadResponse", "NullResponse"}:
        return BadAnswer(what)
    if "ExchangeNotAvailable" in names and re.search(r"\b(400|401|403|404|409|410|451)\b", str(error)):
        return SourceRefused(what)
    return SourceUnavailable(what) if names & {"NetworkError", "OperationFailed"} else SourceRefused(what)


def _quote(ticker: object) -> tuple[object, object] | None:
    return (ticker.get("last"), ticker.get("baseVolume")) if isinstance(ticker, dict) else None


def _milliseconds(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp()) * 1000
