"""Other exchanges through ccxt, over a client that answers as ccxt's own do; ccxt itself is not needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contracts.test_sources import Places
from tracker.errors import (
    BadAnswer,
    ConfigError,
    RateLimited,
    SourceRefused,
    SourceUnavailable,
    TrackerError,
    UnknownMarket,
)
from tracker.model import MINUTE, Market, MarketStatus, Metric
from tracker.sources import source_of
from tracker.sources.via_ccxt import ViaCcxt

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW = NOON + timedelta(seconds=3)
BTC = Market("ccxt:bitstamp", "BTC", "USD")
ETH = Market("ccxt:bitstamp", "ETH", "USD")


class BaseError(Exception):
    """The names of ccxt's errors, of which there are more than forty."""


class ExchangeError(BaseError): ...


class BadSymbol(ExchangeError): ...


class AuthenticationError(ExchangeError): ...


class OperationFailed(BaseError): ...


class NetworkError(OperationFailed): ...


class DDoSProtection(NetworkError): ...


class RateLimitExceeded(NetworkError): ...


class ExchangeNotAvailable(NetworkError): ...


class RequestTimeout(NetworkError): ...


class BadResponse(OperationFailed): ...


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def ticker(last: object = 10.0, volume: object = 3.0, at: datetime | None = NOW) -> dict[str, Any]:
    return {"last": last, "baseVolume": volume, "timestamp": milliseconds(at) if at else None}


@dataclass
class Client:
    """What is used of a ccxt exchange."""

    tickers: dict[str, Any] = field(default_factory=lambda: {"BTC/USD": ticker(), "ETH/USD": ticker(2.0, 0.0)})
    failure: Exception | None = None
    most: int = 500
    missing: Callable[[int], bool] = lambda minute: False
    has: dict[str, bool] = field(default_factory=lambda: {"fetchTickers": True, "fetchOHLCV": True})
    last_response_headers: dict[str, str] = field(default_factory=dict)
    last_http_response: str = ""
    last_json_response: object = ""
    calls: int = 0

    def _fail(self) -> None:
        self.calls += 1
        if self.failure:
            raise self.failure

    def load_markets(self, reload: bool) -> dict[str, Any]:
        self._fail()
        row = {"base": "BTC", "quote": "USD", "symbol": "BTC/USD", "spot": True, "active": True}
        return {
            "BTC/USD": row,
            "ETH/USD": row | {"base": "ETH", "symbol": "ETH/USD", "active": False},
            "BTC/USD:USD": row | {"symbol": "BTC/USD:USD", "spot": False},
        }

    def fetch_tickers(self) -> dict[str, Any]:
        self._fail()
        return self.tickers

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        self._fail()
        rows, minute = [], since // 60_000
        while len(rows) < min(limit, self.most) and minute * 60_000 <= milliseconds(NOW):
            if not self.missing(minute):
                rows.append([minute * 60_000, 1.0, 2.0, 0.5, 1.5, 7.0])
            minute += 1
        return rows


def via(client: Client) -> ViaCcxt:
    return ViaCcxt("ccxt:bitstamp", lambda: NOW, client)


def test_a_name_with_ccxt_before_it_is_a_source_and_loads_nothing() -> None:
    source = source_of("ccxt:bitstamp", Places("", "", "", ""), lambda: NOW)
    assert source.exchange == "ccxt:bitstamp"
    code = "import sys, tracker.bootstrap, tracker.sources.via_ccxt; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[ccxt\]'"):
        source_of("ccxt:bitstamp", Places("", "", "", ""), lambda: NOW).listings()


def test_an_exchange_that_ccxt_does_not_know_is_named_with_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        exchanges = ("bitstamp", "bybit")

    monkeypatch.setitem(sys.modules, "ccxt", Library)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"'bitstmap'; did you mean bitstamp\?"):
        ViaCcxt("ccxt:bitstmap", lambda: NOW).listings()


def test_only_spot_markets_are_listed() -> None:
    found = via(Client()).listings()
    assert [(str(one.market), one.symbol, one.status) for one in found] == [
        ("ccxt:bitstamp:BTC-USD", "BTC/USD", MarketStatus.TRADABLE),
        ("ccxt:bitstamp:ETH-USD", "ETH/USD", MarketStatus.HALTED),
    ]
    assert Market.parse(str(found[0].market)) == found[0].market


def test_a_poll_is_one_call_and_gives_price_and_base_volume() -> None:
    client = Client()
    poll = via(client).latest([BTC, ETH, Market("ccxt:bitstamp", "XRP", "USD")], NOON)
    assert [(one.series.market.base, one.series.metric, one.value) for one in poll.samples] == [
        ("BTC", Metric.PRICE, 10.0),
        ("BTC", Metric.VOLUME_24H, 3.0),
        ("ETH", Metric.PRICE, 2.0),
        ("ETH", Metric.VOLUME_24H, 0.0),
    ]
    assert [one.where for one in poll.problems] == ["ccxt:bitstamp:XRP-USD"]
    assert client.calls == 1


@pytest.mark.parametrize(
    ("tickers", "words"),
    [
        ({"BTC/USD": ticker(volume=None)}, "no 24 h base volume"),
        ({"BTC/USD": ticker(last=None)}, "no price"),
        ({"BTC/USD": ticker(at=None)}, "no time"),
    ],
)
def test_an_exchange_that_lacks_what_a_sample_needs_is_refused(tickers: dict[str, Any], words: str) -> None:
    with pytest.raises(SourceRefused, match=words):
        via(Client(tickers=tickers)).latest([BTC], NOON)


def test_an_answer_without_a_ticker_or_that_is_no_json_is_a_bad_one_and_may_be_asked_for_again() -> None:
    with pytest.raises(BadAnswer, match="no ticker at all"):
        via(Client(tickers={})).latest([BTC], NOON)
    page = Client(last_http_response="<html>maintenance</html>")
    page.fetch_tickers = lambda: setattr(page, "last_json_response", None)  # type: ignore[method-assign]
    with pytest.raises(BadAnswer, match="not JSON but '<html>"):
        via(page).latest([BTC], NOON)


def test_tickers_of_long_ago_are_not_live() -> None:
    with pytest.raises(BadAnswer, match="600 s old"):
        via(Client(tickers={"BTC/USD": ticker(at=NOW - timedelta(minutes=10))})).latest([BTC], NOON)


def test_an_exchange_without_a_bulk_call_is_refused() -> None:
    with pytest.raises(SourceRefused, match="no call for all tickers"):
        via(Client(has={"fetchTickers": False})).latest([BTC], NOON)
    with pytest.raises(SourceRefused, match="no candles"):
        via(Client(has={})).candles(BTC, NOON - MINUTE, NOON)


def test_a_poll_for_another_minute_is_not_made() -> None:
    client = Client()
    assert not via(client).latest([BTC], NOON - 5 * MINUTE).samples
    assert client.calls == 0


@pytest.mark.parametrize("most", [500, 100, 1])
def test_candles_are_paged_whatever_the_page_of_the_exchange(most: int) -> None:
    found = via(Client(most=most)).candles(BTC, NOON - 750 * MINUTE, NOON + MINUTE)
    assert [one.minute for one in found] == [NOON - n * MINUTE for n in range(749, -1, -1)]


def test_an_empty_page_is_passed_by() -> None:
    client = Client(missing=lambda minute: minute < milliseconds(NOON) // 60_000 - 10)
    found = via(client).candles(BTC, NOON - 3000 * MINUTE, NOON)
    assert [one.minute for one in found] == [NOON - n * MINUTE for n in range(9, -1, -1)]
    assert client.calls <= 7


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (RateLimitExceeded("slow down"), RateLimited),
        (DDoSProtection("binance 429 Too Many Requests"), RateLimited),
        (BadSymbol("bitstamp does not have market symbol"), UnknownMarket),
        (ExchangeNotAvailable("binance GET https://x 451  restricted location"), SourceRefused),
        (ExchangeNotAvailable("bitstamp GET https://x 503 Service Unavailable"), SourceUnavailable),
        (RequestTimeout("bitstamp GET https://x"), SourceUnavailable),
        (NetworkError("reset"), SourceUnavailable),
        (BadResponse("not JSON"), BadAnswer),
        (AuthenticationError("key needed"), SourceRefused),
        (ExchangeError("no"), SourceRefused),
        (KeyError("last"), BadAnswer),
        (TypeError("NoneType"), BadAnswer),
    ],
)
def test_errors_of_ccxt_become_ours(raised: Exception, error: type[TrackerError]) -> None:
    source = via(Client(failure=raised, last_response_headers={"Retry-After": "7"}))
    for ask in (source.listings, lambda: source.latest([BTC], NOON), lambda: source.candles(BTC, NOON - MINUTE, NOON)):
        with pytest.raises(error, match="ccxt:bitstamp") as caught:
            ask()
        if isinstance(caught.value, RateLimited):
            assert caught.value.retry_after == 7


def test_what_is_not_an_error_of_ccxt_is_not_hidden() -> None:
    with pytest.raises(MemoryError):
        via(Client(failure=MemoryError())).listings()
