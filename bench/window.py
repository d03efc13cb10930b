"""Time and memory of a minute's statistics over the sealed window, beside DuckDB by hand and pandas on the same files.

`python -m bench.window [--series 30 1000 10000]`: 24 h of made minutes (prices with two decimals, two fifths of them
unchanged), 23 sealed hours and an open one. Each engine runs in a fresh process, three times, in turn; medians.
`floor`: decode the needed columns of the same files, one thread, and add them up.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from tracker.frames import SAMPLES
from tracker.model import DAY, HOUR, MINUTE
from tracker.stats import SQL, summarise
from tracker.store import KEY, ParquetStore, layout, parquet

END = datetime(2026, 3, 2, 12, 29, tzinfo=UTC)
RUNS = 3


def make(root: Path, series: int) -> None:
    """Write the window: half prices, half volumes."""
    store, rng = ParquetStore(str(root)), np.random.default_rng(1)
    names = [f"coinbase:B{n:05}-USD" for n in range(series // 2)]
    value = np.repeat(10.0 ** rng.integers(-3, 5, series), 1)
    minute = END - DAY + MINUTE
    while minute <= END:
        table, value = _minutes(names, minute, value, rng)
        hour_over = minute.replace(minute=0) < END.replace(minute=0)
        if hour_over:
            data = parquet.encode(table, {"inputs": ""})
            store.objects.put(layout.hour_path(minute.replace(minute=0)), data)
        else:
            for n in range(END.minute + 1):
                at = minute + n * MINUTE
                one = table.filter(pa.compute.equal(table["minute"], pa.scalar(at, SAMPLES.field("minute").type)))
                store.objects.put(layout.minute_path(at, "coinbase"), parquet.encode(one))
        minute = minute.replace(minute=0) + HOUR


def _minutes(names: list[str], start: datetime, value: np.ndarray, rng: np.random.Generator):
    """Give the samples from `start` to the end of its hour (or of the window), sorted."""
    count = min(60 - start.minute, int((END - start) / MINUTE) + 1)
    steps = np.where(rng.random((count, len(value))) < 0.6, rng.normal(0, 0.001, (count, len(value))), 0)
    digits = 10.0 ** (np.floor(np.log10(value)) - 4)
    grid = np.round(value * np.cumprod(1 + steps, axis=0) / digits) * digits
    micros = int(start.timestamp() * 1e6) + 60_000_000 * np.arange(count)
    size = len(value) * count
    times = pa.array(np.tile(micros, len(value)), pa.int64()).cast(SAMPLES.field("minute").type)
    words = [
        (np.repeat(np.arange(len(names), dtype=np.int32), 2 * count), names),
        (np.tile(np.repeat(np.arange(2, dtype=np.int32), count), len(names)), ["price", "volume_24h"]),
        (np.zeros(size, np.int32), ["poll"]),
    ]
    market, metric, origin = (pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(text)) for codes, text in words)
    table = pa.Table.from_arrays([market, metric, times, pa.array(grid.T.ravel()), times, origin], schema=SAMPLES)
    return table, grid[-1]


def ours(root: Path) -> int:
    return summarise(ParquetStore(str(root)).stream(END - DAY, END, columns=["value"]), END).num_rows


def ours_as_table(root: Path) -> int:
    return summarise(ParquetStore(str(root)).read(END - DAY, END), END).num_rows


def duckdb_by_hand(root: Path) -> int:
    import duckdb

    files = [str(one) for folder in ("hour", "minute") for one in sorted((root / folder).rglob("*.parquet"))]
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    connection.execute(f"CREATE VIEW samples AS FROM read_parquet({files}, hive_partitioning=false)")
    return connection.sql(SQL, params={"minute": END}).to_arrow_table().num_rows


def pandas_by_hand(root: Path) -> int:
    import pandas as pd

    parts = [
        pd.read_parquet(one, columns=[*KEY, "value"])
        for folder in ("hour", "minute")
        for one in sorted((root / folder).rglob("*.parquet"))
    ]
    frame = pd.concat(parts).astype({"market": "category", "metric": "category"})
    frame = frame[(frame["minute"] > END - DAY) & (frame["minute"] <= END)]
    groups = frame.groupby(["market", "metric"], observed=True)["value"]
    result = groups.agg(["min", "max", "count", "last"])
    result["stdev"] = groups.std(ddof=0)
    hour = frame[(frame["minute"] >= END - HOUR) & (frame["minute"] < END)]
    result["mean_1h"] = hour.groupby(["market", "metric"], observed=True)["value"].mean()
    result["rank"] = result["stdev"].groupby("metric", observed=True).rank(method="min", ascending=False)
    return len(result)


def floor(root: Path) -> int:
    schema, rows = pa.schema([SAMPLES.field(name) for name in (*KEY, "value")]), 0
    for folder in ("hour", "minute"):
        for one in sorted((root / folder).rglob("*.parquet")):
            table = parquet.decode(one.read_bytes(), str(one), schema)
            rows += table.num_rows if np.frombuffer(table["value"].chunk(0).buffers()[1]).sum() else 0
    return rows


ENGINES = {
    "ours, streamed": ours,
    "ours, a table": ours_as_table,
    "DuckDB by hand": duckdb_by_hand,
    "pandas": pandas_by_hand,
    "floor": floor,
}


def measure(engine: str, root: Path) -> dict[str, float]:
    """Run one engine in a process of its own: seconds of the whole process and of the work, peak memory in MB."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "bench.window", "--one", engine, str(root)], capture_output=True, text=True, check=True
    )
    return {**json.loads(done.stdout), "wall": time.perf_counter() - began}


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, nargs="+", default=[30, 1000, 10_000])
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "ROOT"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        began = time.perf_counter()
        ENGINES[options.one[0]](Path(options.one[1]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"work": time.perf_counter() - began, "peak": peak}))
        return 0
    print(f"{'series':>7} {'engine':<16}{'process, ms':>12}{'work, ms':>10}{'peak, MB':>10}{'x floor':>9}")
    for series in options.series:
        with tempfile.TemporaryDirectory(prefix="window-") as folder:
            make(Path(folder), series)
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in ENGINES}
            for _ in range(RUNS):
                for name in random.sample(list(ENGINES), len(ENGINES)):
                    runs[name].append(measure(name, Path(folder)))
            least = statistics.median(run["work"] for run in runs["floor"])
            for name, found in runs.items():
                wall, work, peak = (statistics.median(run[key] for run in found) for key in ("wall", "work", "peak"))
                print(f"{series:>7} {name:<16}{wall * 1e3:>12.0f}{work * 1e3:>10.0f}{peak:>10.0f}{work / least:>9.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
