"""Binance spot on the wire, with its quirks: https://github.com/binance/binance-spot-api-docs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tracker.sim.coinbase import as_rows
from tracker.sim.exchange import ABSENT, Reply, View, present, wider
from tracker.sim.tape import Listed, State, Ticker, text

_MINUTES = {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240, "6h": 360, "1d": 1440}
_STATUS = {State.ONLINE: "TRADING", State.LIMIT_ONLY: "TRADING", State.CANCEL_ONLY: "HALT", State.DELISTED: "BREAK"}
_DIGITS = 8
_MOST_ROWS = 1000

_INVALID = Reply({"code": -1121, "msg": "Invalid symbol."}, 400)


def symbol(one: Listed) -> str:
    """Give Binance's name of a market: base and quote put together."""
    return one.base + one.quote


def info(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /api/v3/exchangeInfo`: all symbols, the delisted ones as BREAK, a leveraged token that is not spot."""
    symbols = [_symbol(one) for one in view.listed()]
    token = Listed("BTCUP", "USDT", 3, 2)
    symbols.append(_symbol(token) | {"isSpotTradingAllowed": False, "permissions": ["LEVERAGED"]})
    limits = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    body = {"timezone": "UTC", "serverTime": view.seconds * 1000, "rateLimits": [limits], "exchangeFilters": []}
    return Reply(body | {"symbols": symbols})


def _symbol(one: Listed) -> dict[str, Any]:
    tick, step = (text(1, units, places=_DIGITS) for units in (one.price_decimals, one.volume_decimals))
    return {
        "symbol": symbol(one),
        "status": _STATUS[one.state],
        "baseAsset": one.base,
        "baseAssetPrecision": _DIGITS,
        "quoteAsset": one.quote,
        "quotePrecision": _DIGITS,
        "quoteAssetPrecision": _DIGITS,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "922327.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "100000000.00000000", "stepSize": step},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "maxNotional": "9000000.00000000"},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
    }


def tickers(view: View, _path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /api/v3/ticker/24hr`: all symbols, or `symbol`, or `symbols`; a wrong one fails all."""
    chosen = _chosen(view, query)
    if isinstance(chosen, Reply):
        return chosen
    rows = [_ticker(view, one, day, query.get("type", "FULL")) for one in chosen if (day := view.ticker(one))]
    return Reply(rows[0] if "symbol" in query else rows)


def _ticker(view: View, one: Listed, day: Ticker, kind: str) -> dict[str, Any]:
    dead = one.state is State.DELISTED

    def price(units: int) -> Any:
        return view.price(one, text(0 if dead else units, one.price_decimals, places=_DIGITS))

    volume = text(0 if dead else day.volume, one.volume_decimals, places=_DIGITS)
    moved = min(day.moved, view.seconds)
    row = present(
        symbol=symbol(one),
        openPrice=price(day.open),
        highPrice=price(day.high),
        lowPrice=price(day.low),
        lastPrice=price(day.last),
        volume=view.volume(one, volume),
        quoteVolume=f"{day.volume * day.last / 10 ** (one.volume_decimals + one.price_decimals):.8f}",
        openTime=moved * 1000 - 86_400_000 + 452,
        closeTime=moved * 1000 + 452,
        firstId=moved - 86_400,
        lastId=moved,
        count=0 if dead else 86_401,
    )
    if kind == "MINI":
        return row
    return row | present(
        priceChange=price(abs(day.last - day.open)),
        priceChangePercent=f"{(day.last / day.open - 1) * 100:.3f}",
        weightedAvgPrice=price((day.high + day.low) // 2),
        prevClosePrice=price(day.open),
        lastQty="1.00000000",
        bidPrice=price(max(day.last - 1, 1)),
        bidQty="1.00000000",
        askPrice=price(day.last + 1),
        askQty="1.00000000",
    )


def prices(view: View, _path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /api/v3/ticker/price`."""
    found = tickers(view, {}, dict(query) | {"type": "MINI"})
    if found.status != 200:
        return found
    rows = found.body if isinstance(found.body, list) else [found.body]
    short = [{"symbol": row["symbol"], "price": row.get("lastPrice")} for row in rows]
    return Reply(short if isinstance(found.body, list) else short[0])


def candles(view: View, _path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /api/v3/klines`: arrays of 12, oldest first; `endTime` includes the row that opens at it."""
    chosen = _chosen(view, {"symbol": query.get("symbol", "")})
    if isinstance(chosen, Reply):
        return chosen
    one, minutes = chosen[0], _MINUTES.get(query.get("interval", ""))
    if minutes is None:
        return Reply({"code": -1120, "msg": "Invalid interval."}, 400)
    try:
        limit = min(int(query.get("limit", "500")), _MOST_ROWS)
        start, end = (int(query[name]) if name in query else None for name in ("startTime", "endTime"))
    except ValueError:
        return Reply({"code": -1100, "msg": "Illegal characters found in a parameter."}, 400)
    newest = view.seconds // 60 // minutes * minutes
    last = newest if end is None else min(newest, end // 60_000 // minutes * minutes)
    first = last - (limit - 1) * minutes if start is None else -(-start // 60_000 // minutes) * minutes
    if start is not None:
        last = min(last, first + (limit - 1) * minutes)
    if limit < 1 or last < first or one.state is State.DELISTED:
        return Reply([])
    found = view.candles(one, first, last + minutes - 1, filled=True)
    if minutes > 1:  # `wider` wants rows in time order
        found = wider(type(found)(*(column[np.argsort(found.minute, kind="stable")] for column in found)), minutes)
    return Reply([_kline(view, one, row, minutes) for row in as_rows(found)])


def _kline(view: View, one: Listed, row: tuple[int, ...], minutes: int) -> list[Any]:
    minute, open_, high, low, close, volume = row
    quoted = [text(units, one.price_decimals, places=_DIGITS) for units in (open_, high, low, close)]
    last = view.price(one, quoted[3])
    worth = f"{volume * close / 10 ** (one.volume_decimals + one.price_decimals):.8f}"
    base = text(volume, one.volume_decimals, places=_DIGITS)
    count = 1 + minute % 17 if volume else 0
    opened, closed = minute * 60_000, (minute + minutes) * 60_000 - 1
    return [opened, *quoted[:3], None if last is ABSENT else last, base, closed, worth, count, base, worth, "0"]


def _chosen(view: View, query: Mapping[str, str]) -> list[Listed] | Reply:
    """Give the asked markets. `symbolStatus` only drops rows, unless it is one symbol's."""
    listed = {symbol(one): one for one in view.listed()}
    wanted = query.get("symbolStatus")
    if "symbol" in query:
        found = listed.get(query["symbol"])
        if found is None:
            return _INVALID
        if wanted and _STATUS[found.state] != wanted:
            return Reply({"code": -1220, "msg": "The symbol's status does not match the requested symbolStatus."}, 400)
        return [found]
    names = list(listed)
    if "symbols" in query:
        try:
            names = sorted(json.loads(query["symbols"]))
        except (ValueError, TypeError):
            return Reply({"code": -1100, "msg": "Illegal characters found in parameter 'symbols'."}, 400)
    if not all(name in listed for name in names):
        return _INVALID
    return [listed[name] for name in names if not wanted or _STATUS[listed[name].state] == wanted]


def time(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /api/v3/time`."""
    return Reply({"serverTime": view.seconds * 1000})


ROUTES = {
    "/api/v3/exchangeInfo": info,
    "/api/v3/ticker/24hr": tickers,
    "/api/v3/ticker/price": prices,
    "/api/v3/klines": candles,
    "/api/v3/time": time,
}


def cost(path: str, query: Mapping[str, str]) -> float:
    """Give the request weight."""
    if path.endswith("exchangeInfo"):
        return 20.0
    if "ticker" not in path:
        return 2.0 if path.endswith("klines") else 1.0
    many = query.get("symbols", "").count(",") + 1 if "symbols" in query else 1 if "symbol" in query else 101
    if path.endswith("price"):
        return 2.0 if "symbol" in query else 4.0
    return 2.0 if many <= 20 else 40.0 if many <= 100 else 80.0


def limited(status: int) -> Reply:
    """Say "asked too often", or "banned"."""
    what = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."
    if status == 418:
        what = "Way too much request weight used; IP banned until 1633998631098."
    return Reply({"code": -1003, "msg": f"{what} Please use WebSocket Streams for live updates to avoid bans."}, status)


def failed(status: int) -> Reply:
    """Say any other failure."""
    if status == 451:
        what = "Service unavailable from a restricted location according to 'b. Eligibility' in https://www.binance.com/en/terms."
        return Reply({"code": 0, "msg": what}, 451)
    if status == 404:
        return Reply({}, 404)
    return Reply({"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}, status)
