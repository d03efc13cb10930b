"""Time of a minute's write and of an hour's seal, beside other writers of the same rows.

`python -m bench.writes [--series 30 1000 10000] [--runs 9]`: medians in one process, in turn. `floor` encodes the rows
and writes them with one fsync. The others neither fsync nor rename: a reader may meet half a file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.made import minutes
from tracker.model import MINUTE
from tracker.store import ParquetStore, parquet

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_hour(series: int) -> pa.Table:
    """Give 60 minutes of samples."""
    rng = np.random.default_rng(1)
    names = [f"coinbase:B{n:05}-USD" for n in range(series // 2)]
    return minutes(names, NOON, 60, 10.0 ** rng.integers(-3, 5, series), rng)[0]


def synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        os.fsync(file.fileno())


def with_pandas(table: pa.Table, path: Path) -> Callable[[], object]:
    frame = table.to_pandas()
    return lambda: frame.to_parquet(path, compression="zstd")


def with_polars(table: pa.Table, path: Path) -> Callable[[], object]:
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return lambda: frame.write_parquet(path, compression="zstd", compression_level=3)


def with_duckdb(table: pa.Table, path: Path) -> Callable[[], object]:
    import duckdb

    connection = duckdb.connect()
    connection.register("rows", table)
    return lambda: connection.execute(f"COPY rows TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def writers(table: pa.Table, folder: Path, name: str) -> dict[str, Callable[[], object]]:
    """Give the ways to write a table to one file."""
    return {
        "floor": lambda: synced(folder / f"{name}-floor", parquet.encode(table)),
        "DuckDB": with_duckdb(table, folder / f"{name}-duckdb"),
        "Polars": with_polars(table, folder / f"{name}-polars"),
        "pandas": with_pandas(table, folder / f"{name}-pandas"),
    }


def timed(works: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Give the median milliseconds of each, run in turn after one run that is not counted."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(runs + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            spent[name] += [(time.perf_counter() - began) * 1e3] if turn else []
    return {name: statistics.median(some) for name, some in spent.items()}


def sealing(store: ParquetStore) -> Callable[[], object]:
    """Seal the hour as if for the first time."""

    def work() -> object:
        store.objects.delete([one.path for root in ("hour", "sealing") for one in store.objects.list(root)])
        return store.seal(NOON)

    return work


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, nargs="+", default=[30, 1000, 10000])
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args(arguments)
    print(f"{'series':>7} {'write, ms':<22}{'ours':>8}{'floor':>8}{'DuckDB':>8}{'Polars':>8}{'pandas':>8}")
    for series in options.series:
        hour = an_hour(series)
        with tempfile.TemporaryDirectory(prefix="writes-") as name:
            folder, store = Path(name), ParquetStore(f"{name}/store")
            stamps = [NOON + n * MINUTE for n in range(60)]
            for stamp in stamps:
                store.write_minute(stamp, "coinbase", of_minute(hour, stamp))
            minute = of_minute(hour, NOON)
            rows = {
                "a minute": {
                    "ours": partial(store.write_minute, NOON, "coinbase", minute),
                    **writers(minute, folder, "minute"),
                },
                "an hour (ours: a seal)": {"ours": sealing(store), **writers(hour, folder, "hour")},
                "the same minute again": {"ours": partial(store.write_minute, NOON, "coinbase", minute)},
            }
            for what, works in rows.items():
                found = timed(works, options.runs)
                print(f"{series:>7} {what:<22}" + "".join(f"{one:>8.1f}" for one in found.values()), flush=True)
    return 0


def of_minute(table: pa.Table, stamp: datetime) -> pa.Table:
    return table.filter(pa.compute.equal(table["minute"], pa.scalar(stamp, table.schema.field("minute").type)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
