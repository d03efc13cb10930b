"""Real clients accept the simulator: ccxt's own classes list its markets, poll them and page through candles."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import ccxt
import pytest

from tests.support.exchange import Exchange
from tracker.model import MINUTE, Market, Metric
from tracker.sources.via_ccxt import ViaCcxt

CLIENTS = {"coinbaseexchange": "BTC/USD", "kraken": "BTC/USD", "binance": "BTC/USDT"}


def rooted(urls: Any, root: str) -> Any:
    """Lead every URL of a client to the simulator, keeping its path."""
    if isinstance(urls, dict):
        return {key: rooted(value, root) for key, value in urls.items()}
    return root + urlsplit(urls).path if isinstance(urls, str) else urls


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, exchange: Exchange) -> Any:
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
    made = getattr(ccxt, request.param)({"enableRateLimit": False, "options": options})
    made.urls["api"] = rooted(made.urls["api"], exchange.url)
    made.milliseconds = lambda: int(exchange.now.timestamp() * 1000)
    yield made
    made.session.close()


def test_a_real_client_lists_polls_and_pages(client: Any, exchange: Exchange) -> None:
    symbol = CLIENTS[client.id]
    assert len(client.load_markets()) > 60
    tickers = client.fetch_tickers()
    ticker = client.fetch_ticker(symbol)
    assert ticker["last"] == tickers[symbol]["last"] > 10_000
    assert ticker["baseVolume"] > 100
    minute = int(exchange.now.replace(second=0).timestamp()) * 1000
    since, rows = minute - 600 * 60_000, []
    while since < minute:
        page = client.fetch_ohlcv(symbol, "1m", since, 300)
        assert page
        rows += [row for row in page if not rows or row[0] > rows[-1][0]]
        since = page[-1][0] + 60_000
    assert [row[0] for row in rows][:600] == [minute - n * 60_000 for n in range(600, 0, -1)]
    assert rows[599][4] == ticker["last"]


def test_a_real_client_is_told_of_an_unknown_market_and_of_a_limit(client: Any, exchange: Exchange) -> None:
    with pytest.raises(ccxt.BadSymbol):
        client.fetch_ticker("NOPE/USD")
    exchange.misbehave("429")
    with pytest.raises((ccxt.RateLimitExceeded, ccxt.DDoSProtection)):
        client.fetch_tickers()


def test_our_source_over_a_real_client_polls_what_is_complete(exchange: Exchange) -> None:
    made = ccxt.binance({"enableRateLimit": False, "options": {"fetchMarkets": {"types": ["spot"]}}})
    made.urls["api"] = rooted(made.urls["api"], exchange.url)
    source = ViaCcxt("ccxt:binance", exchange.clock, made)
    minute = exchange.now.replace(second=0)
    bitcoin = Market("ccxt:binance", "BTC", "USDT")
    assert bitcoin in [one.market for one in source.listings()]
    assert {one.series.metric for one in source.latest([bitcoin], minute).samples} == set(Metric)
    found = source.candles(bitcoin, minute - 700 * MINUTE, minute)
    assert [one.minute for one in found] == [minute - n * MINUTE for n in range(699, -1, -1)]
    made.session.close()
