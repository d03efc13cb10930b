"""Recorded candles as if they happened now: a Parquet file, moved in time by whole minutes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tracker.errors import ConfigError
from tracker.sim.tape import Columns, Listed

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("market", "timestamp", "open", "high", "low", "close", "volume")


class Replay:
    """A `Tape` of recorded candles, the same on every exchange. A minute that the file lacks has no candle."""

    hold = 60  # a poll shows the close of the last whole minute, however late in the minute it comes
    fills = False  # the file does not tell an outage from a quiet minute

    def __init__(self, path: Path, now: datetime, ahead: timedelta = timedelta(0)) -> None:
        """Read the file and move it so that its last candle ends at the whole minute of `now` + `ahead`.

        Columns: market (`exchange:BASE/QUOTE`), timestamp (open time), open, high, low, close, volume (base).
        Raises ConfigError when the file cannot be read or is something else.
        """
        recorded = _read(path)
        if not recorded:
            raise ConfigError(f"{path} holds no candle")
        newest = max(int(columns.minute[-1]) for columns in recorded.values())
        self.shift = int(now.timestamp()) // 60 + int(ahead.total_seconds()) // 60 - (newest + 1)
        self._tapes = {
            listed: Columns(columns.minute + self.shift, *columns[1:]) for listed, columns in recorded.items()
        }

    def markets(self, exchange: str) -> Sequence[Listed]:
        """Give the recorded markets, whatever the exchange. See `Tape`."""
        del exchange
        return tuple(self._tapes)

    def columns(self, exchange: str, market: Listed, first: int, last: int) -> Columns:
        """Give the candles that opened in [first, last]. See `Tape`."""
        del exchange
        tape = self._tape(market)
        a, b = np.searchsorted(tape.minute, (first, last + 1))
        return Columns(*(column[a:b] for column in tape))

    def close_before(self, exchange: str, market: Listed, minute: int) -> int | None:
        """Give the last close before `minute`, however long ago. See `Tape`."""
        del exchange
        tape = self._tape(market)
        index = int(np.searchsorted(tape.minute, minute)) - 1
        return int(tape.close[index]) if index >= 0 else None

    def _tape(self, market: Listed) -> Columns:
        if market in self._tapes:
            return self._tapes[market]
        return next(tape for one, tape in self._tapes.items() if one.pair == market.pair)  # its state was changed


def _read(path: Path) -> dict[Listed, Columns]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise ConfigError(f"cannot replay {path}: there is no such file")
    try:
        table = pq.read_table(path, columns=list(_COLUMNS))
    except (OSError, pa.ArrowInvalid, pa.ArrowKeyError) as error:
        raise ConfigError(f"cannot replay {path}: {error}") from error
    if missing := [name for name in _COLUMNS if name not in table.column_names]:
        raise ConfigError(f"cannot replay {path}: it has no column {missing[0]!r}; it needs {', '.join(_COLUMNS)}")
    names = np.array(table["market"].to_pylist(), dtype=object)
    found: dict[str, tuple[Listed, Columns]] = {}
    for name in sorted(set(names.tolist())):
        listed, columns = _market(path, name, table.filter(names == name))
        if listed.pair in found:
            raise ConfigError(f"cannot replay {path}: it has {listed.pair} of two exchanges; keep one")
        found[listed.pair] = (listed, columns)
    return dict(found.values())


def _market(path: Path, name: str, table: pa.Table) -> tuple[Listed, Columns]:
    base, slash, quote = name.partition(":")[2].partition("/")
    if not (base and slash and quote):
        raise ConfigError(f"cannot replay {path}: {name!r} is not exchange:BASE/QUOTE")
    import pyarrow as pa

    milliseconds = table["timestamp"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_numpy()
    minute, index = np.unique(milliseconds // 60_000, return_index=True)
    if (milliseconds % 60_000).any() or minute.size != milliseconds.size:
        raise ConfigError(f"cannot replay {path}: {name} has a timestamp twice, or one that is no whole minute")
    prices = [table[one].to_numpy()[index] for one in ("open", "high", "low", "close")]
    volume = table["volume"].to_numpy()[index]
    if not all(np.isfinite(one).all() for one in (*prices, volume)):
        raise ConfigError(f"cannot replay {path}: {name} has a value that is no finite number")
    price_decimals, volume_decimals = _decimals(*prices), _decimals(volume)
    first, high, low, last = (np.rint(one * 10.0**price_decimals).astype(np.int64) for one in prices)
    traded = np.rint(volume * 10.0**volume_decimals).astype(np.int64)
    return Listed(base, quote, price_decimals, volume_decimals), Columns(minute, first, high, low, last, traded)


def _decimals(*columns: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int:
    """Give the decimals that write every value exactly, as far as 15 digits go; a float holds no more."""
    largest = max(float(column.max()) for column in columns)
    limit = 15 - len(str(int(largest)))
    most = 0
    for value in {value for column in columns for value in np.unique(column).tolist()}:
        exponent = Decimal(repr(value)).normalize().as_tuple().exponent
        most = max(most, -int(exponent))
    return max(min(most, limit), 0)
