"""Candles of one market as columns: a month of minutes is a few arrays, not 43,200 objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from tracker.model import MINUTE, Candle, Market

Seconds = NDArray[np.int64]
Floats = NDArray[np.float64]

_MINUTE = int(MINUTE.total_seconds())


@dataclass(frozen=True, slots=True, eq=False)
class Traded:
    """Base volumes of one market by the stamps of their minutes (seconds since 1970), oldest first."""

    stamps: Seconds
    volume: Floats

    def after(self, start: datetime) -> Traded:
        """Keep those stamped after `start`."""
        kept = self.stamps > start.timestamp()
        return Traded(self.stamps[kept], self.volume[kept])

    def then(self, later: Traded) -> Traded:
        """Put later ones behind."""
        return Traded(np.concatenate((self.stamps, later.stamps)), np.concatenate((self.volume, later.volume)))


@dataclass(frozen=True, slots=True, eq=False)
class Candles(Sequence[Candle]):
    """Finished minutes of trading: `opened` in seconds since 1970 (whole minutes), prices in quote units, `volume` in
    base units, one value a row. As a sequence it gives its rows as values.

    >>> noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> row = Candle(Market("coinbase", "BTC", "USD"), noon, 9.0, 11.0, 8.0, 10.0, 0.5)
    >>> Candles.of(row.market, [row])[0] == row
    True
    """

    market: Market
    opened: Seconds
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    @classmethod
    def of(cls, market: Market, rows: Iterable[Candle] = ()) -> Candles:
        """Put values into columns, in their order."""
        rows = list(rows)
        opened = np.array([int(one.opened.timestamp()) for one in rows], np.int64)
        names = ("open", "high", "low", "close", "volume")
        return cls(market, opened, *(np.array([getattr(one, name) for one in rows], np.float64) for name in names))

    @classmethod
    def joined(cls, market: Market, parts: Iterable[Candles]) -> Candles:
        """Put parts of one market behind each other."""
        columns = [cls.of(market)._columns, *(one._columns for one in parts)]
        return cls(market, *map(np.concatenate, zip(*columns, strict=True)))

    @property
    def stamps(self) -> Seconds:
        """The instants at which the candles ended, in seconds since 1970: the minutes of their samples."""
        return self.opened + _MINUTE

    @property
    def traded(self) -> Traded:
        """What 24 h volumes are the sums of."""
        return Traded(self.stamps, self.volume)

    def until(self, end: datetime) -> Candles:
        """Keep those that had ended at `end`."""
        return self._at(self.stamps <= end.timestamp())

    def after(self, start: datetime) -> Candles:
        """Keep those stamped after `start`."""
        return self._at(self.stamps > start.timestamp())

    def in_order(self) -> Candles:
        """Sort them, oldest first; of two for the same minute the later given counts."""
        steps = np.diff(self.opened)
        if (steps > 0).all():
            return self
        if (steps < 0).all():  # as Coinbase writes them
            return self._at(slice(None, None, -1))
        order = np.argsort(self.opened, kind="stable")
        last = np.append(np.diff(self.opened[order]) > 0, [True])
        return self._at(order[last])

    @property
    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.opened, self.open, self.high, self.low, self.close, self.volume

    def _at(self, rows: NDArray[Any] | slice) -> Candles:
        return Candles(self.market, *(column[rows] for column in self._columns))

    def __len__(self) -> int:
        return len(self.opened)

    def __iter__(self) -> Iterator[Candle]:
        for opened, *numbers in zip(*(column.tolist() for column in self._columns), strict=True):
            yield Candle(self.market, datetime.fromtimestamp(opened, UTC), *numbers)

    @overload
    def __getitem__(self, index: int) -> Candle: ...
    @overload
    def __getitem__(self, index: slice) -> Candles: ...
    def __getitem__(self, index: int | slice) -> Candle | Candles:
        if isinstance(index, slice):
            return self._at(index)
        opened, *numbers = (column[index].item() for column in self._columns)
        return Candle(self.market, datetime.fromtimestamp(opened, UTC), *numbers)

    def __eq__(self, other: object) -> bool:
        """Compare row by row, with a list of candles too."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it is as equal as its arrays are now
