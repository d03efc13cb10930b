"""What the wire formats share: a look at an exchange at one instant, with the faults of its markets."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.sim.faults import Fault, Faults
from tracker.sim.tape import Columns, Listed, State, Tape, Ticker, ticker, until_now
from tracker.sim.tape import filled as fill

ABSENT = object()
"""A value that is left out of its object."""

_SPOILT: dict[str, tuple[object, object]] = {
    "null": (None, None),
    "blank": ("", ""),
    "nan": ("NaN", float("nan")),
    "zero": ("0", 0),
    "negative": ("-1.5", -1.5),
    "missing": (ABSENT, None),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer; `body` is what JSON says."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """One exchange at the instant `at`; `minutes` since the start of the simulation, for the faults."""

    tape: Tape
    exchange: str
    at: datetime
    faults: Faults
    minutes: float
    path: str

    @property
    def seconds(self) -> int:
        """Epoch seconds of the instant."""
        return int(self.at.timestamp())

    def back_to(self, step: int) -> View:
        """Give the view at the last whole `step` of seconds: what a cache of that age shows."""
        return replace(self, at=datetime.fromtimestamp(self.seconds // step * step, self.at.tzinfo))

    def listed(self) -> Sequence[Listed]:
        """List the markets."""
        if not self.faults.faults:
            return self.tape.markets(self.exchange)
        renamed = (self._renamed(market, self._faults(market)) for market in self.tape.markets(self.exchange))
        return [market for market in renamed if market]

    @staticmethod
    def _renamed(market: Listed, faults: Mapping[str, Fault]) -> Listed | None:
        if "vanish" in faults:
            return None
        state = State.DELISTED if "delist" in faults else market.state
        if "rename" in faults:
            return replace(market, base=f"{market.base}2", state=state, once=market.base)
        return replace(market, state=state)

    def market(self, pair: str) -> Listed | None:
        """Give the market with this pair."""
        return next((one for one in self.listed() if one.pair == pair), None)

    def ticker(self, market: Listed) -> Ticker | None:
        """Give the last 24 h of a market; None if it never traded."""
        found = ticker(self.tape, self.exchange, market.recorded, self.at)
        if found is None or not self.faults.faults:
            return found
        times = self._times(market, np.array([self.seconds // 60 - 1]))[0]  # a poll shows the minute that is over
        last = max(round(found.last * times), 1)
        units = self._faults(market).get("units")
        volume = round(found.volume * (600.0 if units.times is None else units.times)) if units else found.volume
        return found._replace(last=last, high=max(found.high, last), low=min(found.low, last), volume=volume)

    def _times(self, market: Listed, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give what the prices of some minutes are multiplied by."""
        times, started = np.ones(minutes.size), self.seconds / 60 - self.minutes
        for one in self.faults.ever_of_market(market.pair, self.path):
            if one.kind == "spike":
                on = (minutes >= started + one.after) & (minutes < started + one.after + one.lasting)
                times[on] *= 4.0 if one.times is None else one.times
        return times

    def candles(self, market: Listed, first: int, last: int, *, filled: bool = False) -> Columns:
        """Give the candles that opened in the minutes [first, last], oldest first unless a fault says otherwise.

        `filled`: with a flat row for each minute without trades.
        """
        found = until_now(self.tape, self.exchange, market.recorded, (first, last), self.at)
        if filled:
            found = fill(self.tape, self.exchange, market.recorded, (first, min(last, self.seconds // 60)), found)
        started = self.seconds / 60 - self.minutes
        for begin, end in self.faults.outages(self.path):
            found = _keep(found, (found.minute < started + begin) | (found.minute >= started + end))
        faults = self._faults(market)
        if self.faults.faults:
            found = _multiplied(found, self._times(market, found.minute))
        if late := faults.get("late"):
            found = _keep(found, (found.minute + 1) * 60 + _seconds(late, 180) <= self.seconds)
        if "duplicates" in faults:
            found = Columns(*(np.repeat(column, 2) for column in found))
        if "disorder" in faults:
            order = list(range(found.minute.size))
            random.Random(self.faults.seed).shuffle(order)
            found = Columns(*(column[order] for column in found))
        return found

    def price(self, market: Listed, value: str | float) -> Any:
        """Give a price as the exchange writes it, or what a fault makes of it; ABSENT to leave it out."""
        for kind in self._faults(market):
            if kind in _SPOILT:
                return _SPOILT[kind][0 if isinstance(value, str) else 1]
        return value

    def volume(self, market: Listed, value: str) -> str:
        """Give a 24 h volume as the exchange writes it, or what a fault makes of it."""
        return "NaN" if "badvolume" in self._faults(market) else value

    def _faults(self, market: Listed) -> dict[str, Fault]:
        return self.faults.of_market(market.pair, self.path, self.minutes) if self.faults.faults else {}


def present(**row: Any) -> dict[str, Any]:
    """Make an object, without what is ABSENT."""
    return {key: value for key, value in row.items() if value is not ABSENT}


def wider(columns: Columns, minutes: int) -> Columns:
    """Join one-minute candles into candles of so many minutes, aligned to 1970; the input is in time order."""
    if minutes == 1 or not columns.minute.size:
        return columns
    bins, first = np.unique(columns.minute // minutes * minutes, return_index=True)
    last = np.append(first[1:], columns.minute.size) - 1
    return Columns(
        bins,
        columns.open[first],
        np.maximum.reduceat(columns.high, first),
        np.minimum.reduceat(columns.low, first),
        columns.close[last],
        np.add.reduceat(columns.volume, first),
    )


def _keep(columns: Columns, chosen: Any) -> Columns:
    return Columns(*(column[chosen] for column in columns))


def _multiplied(found: Columns, times: NDArray[np.float64]) -> Columns:
    if (times == 1).all():
        return found
    close = np.maximum(np.rint(found.close * times), 1).astype(np.int64)
    high, low = np.maximum(found.high, close), np.minimum(found.low, close)
    return found._replace(close=close, high=high, low=low)


def _seconds(fault: Fault, default: float) -> float:
    return default if fault.seconds is None else fault.seconds
