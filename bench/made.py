"""Made windows on disk: 24 h of minutes, as a store holds them in the middle of an hour.

`python -m bench.made FOLDER SERIES [HOURS]` writes one.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from tracker.frames import SAMPLES
from tracker.model import HOUR, MINUTE
from tracker.store import ParquetStore, layout, parquet

END = datetime(2026, 3, 2, 12, 29, tzinfo=UTC)


def window(root: Path, series: int, hours: int = 24) -> None:
    """Write `hours` up to END: sealed hours, and the open one as minute objects. Half prices, half volumes.

    Values have five digits, two fifths of them are those of the minute before.
    """
    store, rng = ParquetStore(str(root)), np.random.default_rng(1)
    names = [f"coinbase:B{n:05}-USD" for n in range(series // 2)]
    value = 10.0 ** rng.integers(-3, 5, series)
    minute = END - hours * HOUR + MINUTE
    while minute <= END:
        table, value = minutes(names, minute, min(60 - minute.minute, (END - minute) // MINUTE + 1), value, rng)
        hour = minute.replace(minute=0)
        if hour < END.replace(minute=0):
            store.objects.put(layout.hour_path(hour), parquet.encode(table, {"inputs": ""}))
        else:
            for n in range(END.minute + 1):
                one = table.filter(pa.compute.equal(table["minute"], pa.scalar(minute + n * MINUTE, SAMPLES[2].type)))
                store.objects.put(layout.minute_path(minute + n * MINUTE, "coinbase"), parquet.encode(one))
        minute = hour + HOUR


def minutes(
    names: list[str], start: datetime, count: int, value: np.ndarray, rng: np.random.Generator
) -> tuple[pa.Table, np.ndarray]:
    """Give `count` minutes of price and volume from `start` on, going on from `value`, and where they end."""
    steps = np.where(rng.random((count, len(value))) < 0.6, rng.normal(0, 0.001, (count, len(value))), 0)
    scale = 10.0 ** (4 - np.floor(np.log10(value)))
    grid = np.round(value * np.cumprod(1 + steps, axis=0) * scale) / scale  # decimals, as an exchange writes them
    micros = int(start.timestamp() * 1e6) + 60_000_000 * np.arange(count)
    times = pa.array(np.tile(micros, len(value)), pa.int64()).cast(SAMPLES.field("minute").type)
    words = [
        (np.repeat(np.arange(len(names), dtype=np.int32), 2 * count), names),
        (np.tile(np.repeat(np.arange(2, dtype=np.int32), count), len(names)), ["price", "volume_24h"]),
        (np.zeros(len(value) * count, np.int32), ["poll"]),
    ]
    market, metric, origin = (pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(text)) for codes, text in words)
    table = pa.Table.from_arrays([market, metric, times, pa.array(grid.T.ravel()), times, origin], schema=SAMPLES)
    return table, grid[-1]


if __name__ == "__main__":
    window(Path(sys.argv[1]), *map(int, sys.argv[2:]))
