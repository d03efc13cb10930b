"""Real clients accept the simulator: ccxt's own classes list its markets, poll them and page through candles."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.support.ccxt_client import ccxt_client
from tests.support.exchange import Exchange
from tracker.errors import SourceRefused
from tracker.model import Market
from tracker.sources.via_ccxt import ViaCcxt

CLIENTS = {"coinbaseexchange": "BTC/USD", "kraken": "BTC/USD", "binance": "BTC/USDT"}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, exchange: Exchange) -> Any:
    made = ccxt_client(request.param, exchange.url, exchange.clock)
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


@pytest.mark.parametrize("name", ["coinbaseexchange", "kraken"])
def test_our_source_over_a_real_client_refuses_what_it_does_not_give(exchange: Exchange, name: str) -> None:
    made = ccxt_client(name, exchange.url, exchange.clock)
    source = ViaCcxt(f"ccxt:{name}", exchange.clock, made)
    with pytest.raises(SourceRefused, match="it cannot be watched"):
        source.latest([Market(source.exchange, "BTC", "USD")], exchange.now.replace(second=0))
    made.session.close()
