"""Coinbase Advanced Trade on the wire: the books of Coinbase Exchange, all numbers in strings, names twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tracker.sim.coinbase import as_rows
from tracker.sim.exchange import Reply, View, present, wider
from tracker.sim.tape import Listed, State, text

_MINUTES = {
    "ONE_MINUTE": 1,
    "FIVE_MINUTE": 5,
    "FIFTEEN_MINUTE": 15,
    "THIRTY_MINUTE": 30,
    "ONE_HOUR": 60,
    "TWO_HOUR": 120,
    "FOUR_HOUR": 240,
    "SIX_HOUR": 360,
    "ONE_DAY": 1440,
}
_MOST = 350
_CACHED = {"Cache-Control": "public, max-age=14400"}


def products(view: View, _path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /market/products`: one page of all products; each USD product again as USDC, with `alias`."""
    rows: list[dict[str, Any]] = []
    if query.get("product_type") != "FUTURE":
        for one in view.listed():
            rows += _products(view, one)
    return Reply({"products": rows, "num_products": len(rows)}, headers=_CACHED)


def _products(view: View, one: Listed) -> list[dict[str, Any]]:
    found = view.ticker(one)
    if found is None:
        return []
    dead = one.state is State.DELISTED
    twin = one.quote == "USD" and not dead and one.base not in {"USDT", "USDC"}
    row = present(
        product_id=one.pair,
        price="" if dead else view.price(one, text(found.last, one.price_decimals)),
        price_percentage_change_24h=f"{(found.last / found.open - 1) * 100:.12g}",
        volume_24h=view.volume(one, text(found.volume, one.volume_decimals)),
        volume_percentage_change_24h="0",
        base_increment=text(1, one.volume_decimals),
        quote_increment=text(1, one.price_decimals),
        base_name=one.base,
        quote_name=one.quote,
        is_disabled=dead,
        status="delisted" if dead else "online",
        cancel_only=one.state is State.CANCEL_ONLY,
        limit_only=one.state is State.LIMIT_ONLY,
        post_only=False,
        auction_mode=False,
        trading_disabled=dead,
        view_only=False,
        product_type="SPOT",
        base_currency_id=one.base,
        quote_currency_id=one.quote,
        mid_market_price="",
        alias="",
        alias_to=[f"{one.base}-USDC"] if twin else [],
        product_venue="CBE",
        approximate_quote_24h_volume=str(
            round(found.volume * found.last / 10 ** (one.volume_decimals + one.price_decimals), 2)
        ),
    )
    if not twin:
        return [row]
    again = {"product_id": f"{one.base}-USDC", "quote_name": "USDC", "quote_currency_id": "USDC"}
    return [row, row | again | {"alias": one.pair, "alias_to": []}]


def product(view: View, path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /market/products/{id}`."""
    market = _market(view, path["id"])
    rows = _products(view, market) if market else []
    found = next((row for row in rows if row["product_id"] == path["id"]), None)
    return Reply(found, headers=_CACHED) if found else _not_found(path["id"])


def ticker(view: View, path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /market/products/{id}/ticker`: the last trade; bid and ask of a trade are empty strings."""
    market = _market(view, path["id"])
    found = view.ticker(market) if market else None
    if market is None or found is None:
        return _not_found(path["id"])
    trade = {
        "trade_id": str(found.moved // 5),
        "product_id": path["id"],
        "price": view.price(market, text(found.last, market.price_decimals)),
        "size": text(1, market.volume_decimals),
        "time": f"{view.at:%Y-%m-%dT%H:%M:%S}.063595Z",
        "side": "BUY",
        "bid": "",
        "ask": "",
    }
    edges = {
        "best_bid": text(max(found.last - 1, 1), market.price_decimals),
        "best_ask": text(found.last + 1, market.price_decimals),
    }
    return Reply({"trades": [trade]} | edges)


def candles(view: View, path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /market/products/{id}/candles`: objects of strings, newest first; start and end are epoch seconds."""
    market = _market(view, path["id"])
    if market is None or market.state is State.DELISTED:
        return _not_found(path["id"])
    start, end, minutes = query.get("start", ""), query.get("end", ""), _MINUTES.get(query.get("granularity", ""))
    if not (start.isdigit() and end.isdigit() and minutes):
        return _invalid("start and end argument is invalid")
    first, last = int(start) // 60, int(end) // 60
    if (last - first) // minutes + 1 > _MOST:
        return _invalid("start and end argument is invalid - number of candles requested should be less than 350")
    first = first // minutes * minutes
    found = wider(view.candles(market, first, last // minutes * minutes + minutes - 1), minutes)
    rows = [
        {
            "start": str(minute * 60),
            "low": text(low, market.price_decimals),
            "high": text(high, market.price_decimals),
            "open": text(open_, market.price_decimals),
            "close": view.price(market, text(close, market.price_decimals)),
            "volume": text(volume, market.volume_decimals),
        }
        for minute, open_, high, low, close, volume in as_rows(found)
    ]
    return Reply({"candles": rows[::-1]})


def _market(view: View, pair: str) -> Listed | None:
    base, _, quote = pair.rpartition("-")
    found = view.market(pair)
    if quote == "USDC" and (found is None or found.state is State.DELISTED):
        usd = view.market(f"{base}-USD")
        return replace(usd) if usd else found
    return found


def _not_found(pair: str) -> Reply:
    return Reply({"error": "NOT_FOUND", "message": f"Product {pair} not supported"}, 404)


def _invalid(message: str) -> Reply:
    return Reply({"error": "INVALID_ARGUMENT", "error_details": message, "message": message}, 400)


_ROOT = "/api/v3/brokerage/market/products"

ROUTES = {
    _ROOT: products,
    f"{_ROOT}/{{id}}": product,
    f"{_ROOT}/{{id}}/ticker": ticker,
    f"{_ROOT}/{{id}}/candles": candles,
}


def cost(_path: str, _query: Mapping[str, str]) -> float:
    """Count every request alike."""
    return 1.0


def limited(status: int) -> Reply:
    """Say "asked too often"."""
    return Reply({"error": "RESOURCE_EXHAUSTED", "code": 8, "message": "rate limit exceeded", "details": []}, status)


def failed(status: int) -> Reply:
    """Say any other failure."""
    return Reply(
        {"error": "NOT_FOUND" if status == 404 else "INTERNAL", "code": 13, "message": f"HTTP {status}", "details": []},
        status,
    )
