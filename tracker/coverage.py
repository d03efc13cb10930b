"""What became of each minute of the last 24 h, per market: so that a gap says what it is.

No trade, an outage, history that cannot be had and history not asked for yet look the same in the samples: absent.
The ledger of loads, the other markets of the exchange and the reach of its candles tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.frames import coded, micros, micros_of
from tracker.history import gaps, hours
from tracker.model import DAY, HOUR, MINUTE, Market, Origin

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

CELL = timedelta(minutes=15)
"""The length of one cell of a strip."""

CELLS = DAY // CELL

_MINUTES = DAY // MINUTE
_MINUTE_US = 60_000_000
_AT_ONCE = 1 << 20
"""Rows looked at in one go: memory then does not grow with their number."""


class Fate(StrEnum):
    """What became of a minute of a market; from the one that says least to the one that a cell must not hide."""

    POLLED = "polled"
    """A sample came from a poll of the live ticker."""
    REPAIRED = "repaired"
    """A sample came from a candle."""
    NO_TRADE = "no_trade"
    """The candles were asked for and have none here, while other markets of the exchange have samples."""
    MISSING = "missing"
    """No sample, and the candles of that hour were not asked for yet."""
    NOT_AVAILABLE = "not_available"
    """As missing, and now older than the exchange's candles reach."""
    OUTAGE = "outage"
    """The candles were asked for, and no market of the exchange has a sample at this minute."""


FATES = tuple(Fate)
_CODE = {fate: code for code, fate in enumerate(FATES)}


@dataclass(frozen=True, slots=True)
class MarketCoverage:
    """One market's day. `counts` are minutes, in the order of FATES, 1,440 in all.

    `cells` are CELLS fates, oldest first, as indices into FATES: of its minutes a cell shows the last in that order.
    """

    market: Market
    counts: tuple[int, ...]
    cells: bytes

    @property
    def whole(self) -> bool:
        """Whether every minute has a sample."""
        return self.counts[_CODE[Fate.POLLED]] + self.counts[_CODE[Fate.REPAIRED]] == sum(self.counts)

    def count(self, fate: Fate) -> int:
        """Give the minutes that met this fate."""
        return self.counts[_CODE[fate]]


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch in which an exchange gave nothing: the stamps in (since, until], so `since` is the last one before.

    `open_start`: it began at the edge of the window, or before.
    """

    since: datetime
    until: datetime
    open_start: bool = False

    @property
    def minutes(self) -> int:
        """Give its length in whole minutes."""
        return (self.until - self.since) // MINUTE


@dataclass(frozen=True, slots=True)
class ExchangeCoverage:
    """An exchange's day: its watched markets in order, and its outages, oldest first.

    `reach`: how far back its 1-minute candles go; None where there is no such limit.
    """

    exchange: str
    markets: tuple[MarketCoverage, ...]
    outages: tuple[Outage, ...]
    reach: timedelta | None = None

    def count(self, fate: Fate) -> int:
        """Give the minutes of all its markets that met this fate."""
        return sum(one.count(fate) for one in self.markets)


def cover(
    window: pa.Table,
    minute: datetime,
    exchange: str,
    markets: Sequence[Market],
    *,
    loaded: Mapping[datetime, AbstractSet[Market]],
    reach: timedelta | None = None,
) -> ExchangeCoverage:
    """Say what became of each minute of (minute - 24h, minute] for these markets of one exchange.

    `window` holds samples (frames.SAMPLES) of any exchanges; a market's minute counts as sampled when one of its
    metrics is, and as polled when one of them is. `loaded` are the hours in the ledger, by their start, with the
    markets whose metrics were all loaded. Markets that are not in the window have their 1,440 minutes too.
    """
    ordered = tuple(sorted(markets))
    fates = _fates(window, minute, exchange, ordered, loaded=loaded, reach=reach)
    cells = fates.reshape(len(ordered), CELLS, CELL // MINUTE).max(axis=2, initial=0)
    counts = np.stack([(fates == code).sum(axis=1) for code in range(len(FATES))], axis=1).tolist()
    silent = (fates == _CODE[Fate.OUTAGE]).any(axis=0)
    return ExchangeCoverage(
        exchange,
        tuple(
            MarketCoverage(market, tuple(count), row.tobytes())
            for market, count, row in zip(ordered, counts, cells, strict=True)
        ),
        tuple(_outages(silent, minute - DAY, minute)),
        reach,
    )


def missing(
    window: pa.Table,
    minute: datetime,
    exchange: str,
    markets: Sequence[Market],
    *,
    loaded: Mapping[datetime, AbstractSet[Market]],
    reach: timedelta | None = None,
) -> dict[datetime, frozenset[Market]]:
    """Give, by hour, the markets with a minute of (minute - 24h, minute] whose fate is MISSING: what a load can mend.

    The arguments are those of `cover`.
    """
    fates = _fates(window, minute, exchange, markets, loaded=loaded, reach=reach)
    rows, minutes = np.nonzero(fates == _CODE[Fate.MISSING])
    found: dict[datetime, frozenset[Market]] = {}
    for hour in hours(minute - DAY, minute):
        first = (hour - (minute - DAY)) // MINUTE - 1
        inside = (minutes >= first) & (minutes < first + HOUR // MINUTE)
        if inside.any():
            found[hour] = frozenset(markets[row] for row in np.unique(rows[inside]).tolist())
    return found


def run_lengths(cells: bytes) -> list[tuple[Fate, int, int]]:
    """Give the runs of equal cells as (fate, first cell, number of cells), oldest first.

    >>> run_lengths(bytes([0, 0, 5, 0]))
    [(<Fate.POLLED: 'polled'>, 0, 2), (<Fate.OUTAGE: 'outage'>, 2, 1), (<Fate.POLLED: 'polled'>, 3, 1)]
    """
    runs, at = [], 0
    for code, group in groupby(cells):
        length = len(list(group))
        runs.append((FATES[code], at, length))
        at += length
    return runs


def _fates(
    window: pa.Table,
    minute: datetime,
    exchange: str,
    markets: Sequence[Market],
    *,
    loaded: Mapping[datetime, AbstractSet[Market]],
    reach: timedelta | None,
) -> NDArray[np.uint8]:
    """Give the index into FATES by market and minute of (minute - 24h, minute]."""
    start = minute - DAY
    sampled, somewhere = _sampled(window, start, exchange, markets)
    asked = _asked(start, minute, markets, loaded)
    late = np.zeros(_MINUTES, bool)
    if reach is not None:
        late[: max((DAY - reach) // MINUTE, 0)] = True
    unasked = np.where(late, _code(Fate.NOT_AVAILABLE), _code(Fate.MISSING))
    unseen = np.where(somewhere, _code(Fate.NO_TRADE), _code(Fate.OUTAGE))
    return np.where(sampled >= 0, sampled, np.where(asked, unseen, unasked)).view(np.uint8)


def _sampled(
    window: pa.Table, start: datetime, exchange: str, markets: Sequence[Market]
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Give the code of polled or repaired by market and minute, -1 where there is no sample; and where there is any
    sample of the exchange, of these markets or of others.
    """
    grid = np.full((len(markets) + 1, _MINUTES), -1, np.int8)  # the last row is for the exchange's other markets
    if window.num_rows:
        flat, first = grid.reshape(-1), micros(start)
        row_of = {str(one): row for row, one in enumerate(markets)}
        market, names = coded(window, "market")
        origin, origins = coded(window, "origin")
        other = len(markets)
        rows = np.array([row_of.get(one, other if one.startswith(f"{exchange}:") else -1) for one in names], np.int32)
        polls = np.array([one == Origin.POLL for one in origins], bool)
        stamps = micros_of(window["minute"])
        for since in range(0, len(stamps), _AT_ONCE):
            part = slice(since, since + _AT_ONCE)
            row, at = rows[market[part]], (stamps[part] - first) // _MINUTE_US - 1
            inside = (row >= 0) & (at >= 0) & (at < _MINUTES)
            place, polled = (row * _MINUTES + at)[inside], polls[origin[part]][inside]
            flat[place[~polled & (flat[place] < 0)]] = _code(Fate.REPAIRED)
            flat[place[polled]] = _code(Fate.POLLED)
    somewhere: NDArray[np.bool_] = np.any(grid >= 0, axis=0)
    return grid[:-1], somewhere


def _code(fate: Fate) -> np.int8:
    return np.int8(_CODE[fate])


def _asked(
    start: datetime, end: datetime, markets: Sequence[Market], loaded: Mapping[datetime, AbstractSet[Market]]
) -> NDArray[np.bool_]:
    """Say by market and minute whether the ledger has its hour."""
    asked = np.zeros((len(markets), _MINUTES), bool)
    for hour in hours(start, end):
        first = max((hour - start) // MINUTE - 1, 0)
        last = (hour - start) // MINUTE + 59
        known = loaded.get(hour, frozenset())
        if known:
            asked[:, first:last] = np.fromiter((one in known for one in markets), bool, len(markets))[:, None]
    return asked


def _outages(silent: NDArray[Any], start: datetime, end: datetime) -> list[Outage]:
    heard = [start + (at + 1) * MINUTE for at in np.flatnonzero(~silent).tolist()]
    return [Outage(since, until, open_start=since == start) for since, until in gaps(heard, start, end)]
