"""Coinbase Exchange on the wire, with its quirks: https://docs.cdp.coinbase.com/exchange/reference/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tracker.sim.exchange import Reply, View, present, wider
from tracker.sim.tape import Columns, Listed, State, Ticker, text

GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)
MOST_INTERVALS = 300
NEWEST = 350
"""Rows given when start and end are not both sent, from a cache of up to 5 minutes."""

_NOT_FOUND = Reply({"message": "NotFound"}, 404)


def products(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /products`: all markets, the delisted ones among them."""
    return Reply([_product(one) for one in view.listed()])


def product(view: View, path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /products/{id}`."""
    market = view.market(path["id"])
    return Reply(_product(market)) if market else _NOT_FOUND


def _product(one: Listed) -> dict[str, Any]:
    dead = one.state is State.DELISTED
    return {
        "id": one.pair,
        "base_currency": one.base,
        "quote_currency": one.quote,
        "quote_increment": text(1, one.price_decimals),
        "base_increment": text(1, one.volume_decimals),
        "display_name": one.pair if len(one.base) % 2 else f"{one.base}/{one.quote}",
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": one.state is State.LIMIT_ONLY,
        "cancel_only": one.state is State.CANCEL_ONLY,
        "status": "delisted" if dead else "online",
        "status_message": "",
        "trading_disabled": dead,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.03000000",
        "auction_mode": False,
        "high_bid_limit_percentage": "",
    }


def all_stats(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /products/stats`: 24 h and 30 day figures of all markets that are not delisted, cached for 5 s."""
    cached = view.back_to(5)
    table = {}
    for one in cached.listed():
        found = None if one.state is State.DELISTED else cached.ticker(one)
        if found:
            month = text(found.volume * 29, one.volume_decimals)
            table[one.pair] = {
                "stats_30day": {"volume": month, "rfq_volume": "0"},
                "stats_24hour": _day(cached, one, found) | {"rfq_volume": "0"},
            }
    return Reply(table, headers={"Cache-Control": "public, max-age=5", "Age": str(view.seconds % 5)})


def _day(view: View, one: Listed, found: Ticker) -> dict[str, Any]:
    prices = {name: text(getattr(found, name), one.price_decimals) for name in ("open", "high", "low")}
    last = view.price(one, text(found.last, one.price_decimals))
    return present(**prices, last=last, volume=view.volume(one, text(found.volume, one.volume_decimals)))


def stats(view: View, path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /products/{id}/stats`."""
    return _quoted(view, path["id"], lambda one, found: _stats(view, one, found))


def _stats(view: View, one: Listed, found: Ticker) -> dict[str, Any]:
    month = text(found.volume * 29, one.volume_decimals)
    more = {"volume_30day": month, "rfq_volume_24hour": "0", "rfq_volume_30day": "0"}
    return _day(view, one, found) | more


def ticker(view: View, path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /products/{id}/ticker`."""
    return _quoted(view, path["id"], lambda one, found: _ticker(view, one, found))


def _ticker(view: View, one: Listed, found: Ticker) -> dict[str, Any]:
    price = text(found.last, one.price_decimals)
    return present(
        ask=text(found.last + 1, one.price_decimals),
        bid=text(max(found.last - 1, 1), one.price_decimals),
        volume=view.volume(one, text(found.volume, one.volume_decimals)),
        trade_id=found.moved // 5,
        price=view.price(one, price),
        size=text(1, one.volume_decimals),
        time=datetime.fromtimestamp(found.moved, UTC).strftime("%Y-%m-%dT%H:%M:%S.387321404Z"),
        rfq_volume="0",
    )


def _quoted(view: View, pair: str, body: Callable[[Listed, Ticker], dict[str, Any]]) -> Reply:
    market = _live(view, pair)
    if isinstance(market, Reply):
        return market
    found = view.ticker(market)
    return Reply(body(market, found), headers={"Cache-Control": "public, max-age=1"}) if found else _NOT_FOUND


def _live(view: View, pair: str) -> Listed | Reply:
    market = view.market(pair)
    if market is None:
        return _NOT_FOUND
    return Reply({"message": "Not allowed for delisted products"}, 400) if market.state is State.DELISTED else market


def candles(view: View, path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /products/{id}/candles`: [time, LOW, HIGH, OPEN, CLOSE, volume], newest first, both ends inclusive."""
    market = _live(view, path["id"])
    if isinstance(market, Reply):
        return market
    asked = query.get("granularity", "60")
    if asked not in map(str, GRANULARITIES):
        return Reply({"message": "Unsupported granularity"}, 400)
    step = int(asked)
    if not (query.get("start") and query.get("end")):
        cached = view.back_to(300)
        age = {"Cache-Control": "public, max-age=300", "Age": str(view.seconds % 300)}
        rows = _rows(cached, market, cached.seconds - NEWEST * step, cached.seconds, step)
        return Reply(rows[:NEWEST], headers=age)
    start, end = _instant(query["start"]), _instant(query["end"])
    if start is None or end is None or start > end:
        return Reply({"message": f"Invalid {'start' if start is None else 'end'}"}, 400)
    if (end - start) / step > MOST_INTERVALS:
        what = "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
        return Reply({"message": what}, 400)
    return Reply(_rows(view, market, start, end, step))


def _rows(view: View, market: Listed, start: int, end: int, step: int) -> list[list[Any]]:
    first, last = start // step * step // 60, end // step * step // 60 + step // 60 - 1
    found = wider(view.candles(market, first, last), step // 60)
    prices, volumes = 10**market.price_decimals, 10**market.volume_decimals
    rows = [
        [minute * 60, low / prices, high / prices, open_ / prices, view.price(market, close / prices), volume / volumes]
        for minute, open_, high, low, close, volume in as_rows(found)
    ]
    return rows[::-1]


def as_rows(columns: Columns) -> list[tuple[int, ...]]:
    """Give candles as rows of plain integers: minute, open, high, low, close, volume."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _instant(value: str) -> int | None:
    """Read ISO 8601 (UTC unless it says otherwise) or epoch seconds."""
    try:
        if value.isdigit():
            return int(value)
        at = datetime.fromisoformat(value)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def currencies(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /currencies`."""
    names = sorted({name for one in view.listed() for name in (one.base, one.quote)})
    return Reply(
        [
            {
                "id": name,
                "name": name,
                "min_size": "0.00000001",
                "max_precision": "0.00000001",
                "status": "online",
                "message": "",
                "convertible_to": [],
                "details": {"type": "fiat" if name in {"USD", "EUR", "GBP"} else "crypto"},
                "default_network": "",
                "supported_networks": [],
            }
            for name in names
        ]
    )


def spark_lines(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /products/spark-lines`: hourly [time, low, high, open, close] of the last day, newest first."""
    table = {}
    for one in view.listed():
        if one.state is not State.DELISTED:
            hours = _rows(view, one, view.seconds - 86_400, view.seconds, 3600)
            table[one.pair] = [row[:5] for row in hours]
    return Reply(table)


def time(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /time`."""
    return Reply({"iso": f"{view.at:%Y-%m-%dT%H:%M:%S}.000Z", "epoch": view.at.timestamp()})


ROUTES = {
    "/products": products,
    "/products/stats": all_stats,
    "/products/spark-lines": spark_lines,
    "/products/{id}": product,
    "/products/{id}/stats": stats,
    "/products/{id}/ticker": ticker,
    "/products/{id}/candles": candles,
    "/currencies": currencies,
    "/time": time,
}


def cost(_path: str, _query: Mapping[str, str]) -> float:
    """Count every request alike."""
    return 1.0


def limited(status: int) -> Reply:
    """Say "asked too often"."""
    return Reply({"message": "Public rate limit exceeded"}, status)


def failed(status: int) -> Reply:
    """Say any other failure."""
    words = {404: "NotFound", 451: "Unavailable in your location", 503: "Service Unavailable"}
    return Reply({"message": words.get(status, "Internal server error")}, status)
