"""What an exchange has seen of its markets, as whole numbers, so that sums are exact and the wire shows decimals.

Minutes are counted from 1970 (epoch seconds // 60); a candle is named by the minute in which it opened. Prices
and volumes are units of `10 ** -decimals`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

DAY = 1440

Units = NDArray[np.int64]


class State(StrEnum):
    """How a market is listed."""

    ONLINE = "online"
    LIMIT_ONLY = "limit_only"
    CANCEL_ONLY = "cancel_only"
    DELISTED = "delisted"


@dataclass(frozen=True, slots=True)
class Listed:
    """A market as one exchange lists it; `units` are the decimals of its prices and of its base volumes."""

    base: str
    quote: str
    price_decimals: int
    volume_decimals: int
    state: State = State.ONLINE
    once: str = ""
    """The base under which its trades were recorded, where it has another name since."""

    @property
    def pair(self) -> str:
        return f"{self.base}-{self.quote}"

    @property
    def recorded(self) -> Listed:
        """The market as the tape knows it."""
        return replace(self, base=self.once, once="") if self.once else self


class Columns(NamedTuple):
    """Candles of one market, oldest first."""

    minute: Units
    open: Units
    high: Units
    low: Units
    close: Units
    volume: Units


class Tape(Protocol):
    """Markets and their candles at any time, past or future."""

    hold: int
    """Seconds into a minute for which the last close still stands; then the price moves towards the next."""

    fills: bool
    """Whether a minute without a candle is one without trades, which some exchanges show as a flat row."""

    def markets(self, exchange: str) -> Sequence[Listed]:
        """Give what `exchange` lists; always the same."""
        ...

    def columns(self, exchange: str, market: Listed, first: int, last: int) -> Columns:
        """Give the candles that opened in [first, last]; a minute without trades has none."""
        ...

    def close_before(self, exchange: str, market: Listed, minute: int) -> int | None:
        """Give the close of the last candle that opened before `minute`; None if there never was one."""
        ...


class Ticker(NamedTuple):
    """The last 24 h of a market, in units: `volume` is the sum over the last 1,440 whole minutes."""

    last: int
    open: int
    high: int
    low: int
    volume: int
    moved: int
    """Epoch seconds of the last change."""


def ticker(tape: Tape, exchange: str, market: Listed, at: datetime) -> Ticker | None:
    """Give what a poll at `at` sees; None if the market never traded."""
    seconds = int(at.timestamp())
    minute = seconds // 60
    before = tape.close_before(exchange, market, minute)
    if before is None:
        return None
    day = tape.columns(exchange, market, minute - DAY, minute - 1)
    now = current(tape, exchange, market, at)
    last = int(now.close[-1]) if now.minute.size else before
    moved = seconds if now.minute.size else (int(day.minute[-1]) + 1) * 60 if day.minute.size else seconds - 86_400
    if not day.minute.size:
        return Ticker(last, last, last, last, 0, moved)
    high, low = max(int(day.high.max()), last), min(int(day.low.min()), last)
    return Ticker(last, int(day.open[0]), high, low, int(day.volume.sum()), moved)


def current(tape: Tape, exchange: str, market: Listed, at: datetime) -> Columns:
    """Give the candle of the minute that is not over yet, as far as it has come; none while the last close stands."""
    seconds = int(at.timestamp())
    minute, second = seconds // 60, seconds % 60 // 5 * 5
    whole = tape.columns(exchange, market, minute, minute)
    if second < tape.hold or not whole.minute.size:
        return Columns(*(column[:0] for column in whole))
    last = whole.open + (whole.close - whole.open) * second // 60
    high, low = np.maximum(whole.open, last), np.minimum(whole.open, last)
    return Columns(whole.minute, whole.open, high, low, last, np.maximum(whole.volume * second // 60, 1))


def until_now(tape: Tape, exchange: str, market: Listed, span: tuple[int, int], at: datetime) -> Columns:
    """Give the candles that opened in `span` (both ends inclusive) as known at `at`, the unfinished one included."""
    (first, last), minute = span, int(at.timestamp()) // 60
    past = tape.columns(exchange, market, first, min(last, minute - 1))
    if not first <= minute <= last:
        return past
    now = current(tape, exchange, market, at)
    return Columns(*(np.concatenate(pair) for pair in zip(past, now, strict=True)))


def filled(tape: Tape, exchange: str, market: Listed, span: tuple[int, int], found: Columns) -> Columns:
    """Put a flat row without volume where a minute of `span` had no trade."""
    if not tape.fills or found.minute.size == span[1] - span[0] + 1 or span[1] < span[0]:
        return found
    before = tape.close_before(exchange, market, span[0])
    minutes = np.arange(span[0], span[1] + 1)
    if before is None:
        minutes = minutes[minutes >= found.minute[0]] if found.minute.size else minutes[:0]
    index = np.searchsorted(found.minute, minutes, side="right")  # 0: no row yet
    close = np.concatenate(([before or 0], found.close))[index]
    traded = np.isin(minutes, found.minute)
    flat = Columns(minutes, close.copy(), close.copy(), close.copy(), close, np.zeros_like(minutes))
    for wide, narrow in zip(flat[1:], found[1:], strict=True):
        wide[traded] = narrow
    return flat


def text(units: int, decimals: int, *, places: int | None = None) -> str:
    """Write units as a plain decimal: with at least `places` after the point, or with no zeros at its end.

    >>> text(1850, 3), text(1850, 3, places=3), text(185, 2, places=8), text(100, 2), text(5, 0)
    ('1.85', '1.850', '1.85000000', '1', '5')
    """
    whole, part = divmod(units, 10**decimals)
    digits = f"{part:0{decimals}d}" if decimals else ""
    digits = digits.rstrip("0") if places is None else digits.ljust(places, "0")
    return f"{whole}.{digits}" if digits else str(whole)
