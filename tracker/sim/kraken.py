"""Kraken on the wire, with its quirks: https://docs.kraken.com/api/docs/rest-api/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tracker.sim.coinbase import as_rows
from tracker.sim.exchange import ABSENT, Reply, View, present, wider
from tracker.sim.tape import Listed, State, Ticker, text

INTERVALS = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
MOST_ROWS = 720

_LETTERS = {"BTC": "XBT", "DOGE": "XDG"}
_OLD = {
    "BTC": "XXBT",
    "ETH": "XETH",
    "LTC": "XLTC",
    "XRP": "XXRP",
    "ZEC": "XZEC",
    "MLN": "XMLN",
    "DOGE": "XXDG",
    "USD": "ZUSD",
    "EUR": "ZEUR",
    "GBP": "ZGBP",
}
"""Assets from before 2014 have four letters."""

_LOT = 8


def altname(one: Listed) -> str:
    """Give Kraken's short name of a pair: XBTUSD."""
    return _LETTERS.get(one.base, one.base) + _LETTERS.get(one.quote, one.quote)


def symbol(one: Listed) -> str:
    """Give Kraken's name of a pair, by which answers are keyed: XXBTZUSD, but ADAUSD and XDGUSD."""
    old = one.base in _OLD and one.quote in _OLD and not (one.base == "DOGE" and one.quote != "BTC")
    if one.base == "USDT" and one.quote == "USD":
        return "USDTZUSD"
    return _OLD[one.base] + _OLD[one.quote] if old else altname(one)


def pairs(view: View, _path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /0/public/AssetPairs`: all pairs, or some."""
    chosen = _chosen(view, query.get("pair"))
    if isinstance(chosen, Reply):
        return chosen
    return _result({name: _pair(one) for name, one in chosen.items()})


def _pair(one: Listed) -> dict[str, Any]:
    return {
        "altname": altname(one),
        "wsname": f"{_LETTERS.get(one.base, one.base)}/{_LETTERS.get(one.quote, one.quote)}",
        "aclass_base": "currency",
        "base": _OLD.get(one.base, one.base),
        "aclass_quote": "currency",
        "quote": _OLD.get(one.quote, one.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": one.price_decimals,
        "lot_decimals": _LOT,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": "0.1",
        "costmin": "0.5",
        "tick_size": text(1, one.price_decimals),
        "status": one.state.value,
    }


def tickers(view: View, _path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /0/public/Ticker`: all pairs, or some; one unknown pair fails all. Cached for 2 s."""
    cached = view.back_to(2)
    chosen = _chosen(cached, query.get("pair"))
    if isinstance(chosen, Reply):
        return chosen
    found = {name: cached.ticker(one) for name, one in chosen.items()}
    rows = {name: _ticker(cached, chosen[name], day) for name, day in found.items() if day}
    return Reply(
        {"error": [], "result": rows}, headers={"Cache-Control": "public, max-age=2", "Age": str(view.seconds % 2)}
    )


def _ticker(view: View, one: Listed, day: Ticker) -> dict[str, Any]:
    midnight = view.seconds // 86_400 * 1440
    today = view.candles(one, midnight, view.seconds // 60 - 1)
    opened = int(today.open[0]) if today.minute.size else day.last
    low, high = (int(today.low.min()), int(today.high.max())) if today.minute.size else (day.last, day.last)

    def price(units: int) -> str:
        return text(units, one.price_decimals, places=one.price_decimals)

    dead = one.state is State.CANCEL_ONLY
    last = "0.000000000" if dead else view.price(one, price(day.last))
    return present(
        a=[price(day.last + 1), "6", "6.000"],
        b=[price(max(day.last - 1, 1)), "1", "1.000"],
        c=ABSENT if last is ABSENT else [last, "0.00000" if dead else "0.00002000"],
        v=[_lot(one, int(today.volume.sum())), view.volume(one, _lot(one, day.volume))],
        p=[price((low + high) // 2), price((day.low + day.high) // 2)],
        t=[int(today.minute.size) * 3, 3000],
        l=[price(low), price(day.low)],
        h=[price(high), price(day.high)],
        o=price(opened),
    )


def _lot(one: Listed, units: int) -> str:
    return text(units, one.volume_decimals, places=_LOT)


def candles(view: View, _path: Mapping[str, str], query: Mapping[str, str]) -> Reply:
    """`GET /0/public/OHLC`: at most 720 finished rows after `since`, oldest first, and the unfinished one.

    Minutes without trades are there, with vwap "0.0" and count 0.
    """
    chosen = _chosen(view, query.get("pair", ""))
    if isinstance(chosen, Reply):
        return chosen
    asked, since = query.get("interval", "1"), query.get("since", "0")
    if len(chosen) != 1 or asked not in map(str, INTERVALS) or not since.isdigit():
        return _error("EGeneral:Invalid arguments")
    (name, one), step = next(iter(chosen.items())), int(asked)
    newest = view.seconds // 60 // step * step
    oldest = max(newest - MOST_ROWS * step, (int(since) // 60 // step + 1) * step)
    found = view.candles(one, oldest, newest + step - 1, filled=True)
    if step > 1:  # `wider` wants rows in time order
        found = wider(type(found)(*(column[np.argsort(found.minute, kind="stable")] for column in found)), step)
    rows = []
    for minute, open_, high, low, close, volume in as_rows(found):
        quoted = [text(units, one.price_decimals, places=one.price_decimals) for units in (open_, high, low)]
        middle = text((high + low) // 2, one.price_decimals, places=one.price_decimals) if volume else "0.0"
        last = view.price(one, text(close, one.price_decimals, places=one.price_decimals))
        row = [minute * 60, *quoted, None if last is ABSENT else last, middle, _lot(one, volume)]
        rows.append([*row, 1 + minute % 17 if volume else 0])
    return _result({name: rows, "last": (newest - step) * 60})


def assets(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /0/public/Assets`."""
    names = sorted({name for one in view.listed() for name in (one.base, one.quote)})
    return _result(
        {
            _OLD.get(name, name): {
                "aclass": "currency",
                "altname": _LETTERS.get(name, name),
                "decimals": 10,
                "display_decimals": 5,
                "status": "enabled",
            }
            for name in names
        }
    )


def status(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /0/public/SystemStatus`."""
    return _result({"status": "online", "timestamp": f"{view.at:%Y-%m-%dT%H:%M:%SZ}"})


def time(view: View, _path: Mapping[str, str], _query: Mapping[str, str]) -> Reply:
    """`GET /0/public/Time`."""
    return _result({"unixtime": view.seconds, "rfc1123": f"{view.at:%a, %d %b %y %H:%M:%S +0000}"})


def _chosen(view: View, asked: str | None) -> dict[str, Listed] | Reply:
    """Give the asked pairs by Kraken's own names, all if none are asked for."""
    listed = [one for one in view.listed() if one.state is not State.DELISTED]
    if asked is None:
        return {symbol(one): one for one in listed}
    names = {name: one for one in listed for name in (symbol(one), altname(one), f"{one.base}/{one.quote}")}
    if not all(name in names for name in asked.split(",")):
        return _error("EQuery:Unknown asset pair")
    return {symbol(names[name]): names[name] for name in asked.split(",")}


def _result(result: Any) -> Reply:
    return Reply({"error": [], "result": result})


def _error(text_: str) -> Reply:
    return Reply({"error": [text_]})


ROUTES = {
    "/0/public/AssetPairs": pairs,
    "/0/public/Ticker": tickers,
    "/0/public/OHLC": candles,
    "/0/public/Assets": assets,
    "/0/public/SystemStatus": status,
    "/0/public/Time": time,
}


def cost(_path: str, _query: Mapping[str, str]) -> float:
    """Count every request alike."""
    return 1.0


def limited(_status: int) -> Reply:
    """Say "asked too often" as Kraken does: with status 200."""
    return _error("EGeneral:Too many requests")


def failed(status_: int) -> Reply:
    """Say any other failure: in maintenance with status 200."""
    if status_ == 503:
        return _error("EService:Unavailable")
    return Reply({"error": ["EGeneral:Internal error"]}, status_)
