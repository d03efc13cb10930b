"""What was traded minute by minute: the base volumes of candles, of which 24 h volumes are the sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from tracker.candles import Traded
from tracker.frames.buffers import TIME, coded, dictionary_column, micros_of, numbers
from tracker.model import Market

TRADED = pa.schema(
    [
        pa.field("market", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("minute", TIME, nullable=False),
        pa.field("volume", pa.float64(), nullable=False),
    ]
)
_SECOND = 1_000_000


def traded_table(traded: Mapping[Market, Traded]) -> pa.Table:
    """Build the table (`TRADED`) of some markets: by market, then as they are, oldest first."""
    names = sorted(str(market) for market in traded)
    parts = [traded[Market.parse(name)] for name in names]
    codes = np.repeat(np.arange(len(parts), dtype=np.int32), [len(one.stamps) for one in parts])
    stamps = np.concatenate([np.empty(0, np.int64), *(one.stamps for one in parts)]) * _SECOND
    volumes = np.concatenate([np.empty(0, np.float64), *(one.volume for one in parts)])
    columns = [dictionary_column(codes, names), _column(stamps, TIME), _column(volumes, pa.float64())]
    return pa.Table.from_arrays(columns, schema=TRADED)


def traded_of(table: pa.Table) -> dict[Market, Traded]:
    """Read a table back, by market."""
    codes, names = coded(table, "market")
    stamps, volumes = micros_of(table["minute"]) // _SECOND, numbers(table["volume"])
    rows = ((code, np.flatnonzero(codes == code)) for code in range(len(names)))
    return {Market.parse(names[code]): Traded(stamps[found], volumes[found]) for code, found in rows}


def _column(values: np.ndarray[Any, Any], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])
