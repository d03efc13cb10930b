"""What a year of minutes in one store costs the minute: listing and reading the last 24 h, beside a store of one day.

`python -m bench.year [--days 365] [--series 100] [--runs 9]`. The last 26 hours are written and sealed as ever: the 24
before the open one, and more where there are. Before them stand, for every minute of the year, a minute object and a
summary (links to one file: nobody opens them), and every hour's sealed object: as if retention deleted nothing.
Medians, in turn, one process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.made import END, minutes
from tracker.frames import MEASURED, SAMPLES, micros_of
from tracker.model import DAY, HOUR, MINUTE
from tracker.stats import summarise
from tracker.store import ParquetStore, layout, parquet

FRESH = 26
"""Hours that are written as the product writes them."""


def fill(root: Path, days: int, series: int) -> int:
    """Write the store as it would be `days` after its first minute; give the number of minutes in it."""
    rng, value = np.random.default_rng(1), 10.0 ** np.random.default_rng(1).integers(-3, 5, series)
    names = [f"coinbase:B{n:05}-USD" for n in range(series // 2)]
    made = []
    for _ in range(24):
        table, value = minutes(names, END.replace(minute=0), 60, value, rng)
        made.append(table)
    store, hours = ParquetStore(str(root)), days * 24
    for n in range(hours, -1, -1):
        hour = END.replace(minute=0) - n * HOUR
        table = moved(made[n % 24], hour - END.replace(minute=0))
        if n >= FRESH:
            past(root, hour, table)
            continue
        for stamp in (hour + m * MINUTE for m in range(60 if n else END.minute + 1)):
            store.objects.put(layout.named("summary", stamp, ".parquet"), b"")
            rows = table.filter(pa.compute.equal(table["minute"], pa.scalar(stamp, SAMPLES.field("minute").type)))
            store.write_minute(stamp, "coinbase", rows)
        if n:
            store.seal(hour)
    return hours * 60 + END.minute + 1


def past(root: Path, hour: datetime, table: pa.Table) -> None:
    """Write an hour of long ago: its sealed object, and names for the rest."""
    path = root / layout.hour_path(hour)
    path.parent.mkdir(parents=True)
    path.write_bytes(parquet.encode(table, {"inputs": ""}))
    stamps = [hour + m * MINUTE for m in range(60)]
    for paths in (
        [layout.minute_path(one, "coinbase") for one in stamps],
        [layout.named("summary", one, ".parquet") for one in stamps],
    ):
        (root / paths[0]).parent.mkdir(parents=True)
        for one in paths:
            os.link(path, root / one)


def moved(table: pa.Table, by: timedelta) -> pa.Table:
    """Give the same samples at other minutes."""
    stamps = pa.array(micros_of(table["minute"]) + by // timedelta(microseconds=1)).cast(SAMPLES.field("minute").type)
    return table.set_column(2, SAMPLES.field("minute"), stamps).set_column(4, SAMPLES.field("observed_at"), stamps)


def measured(root: Path) -> dict[str, float]:
    """Give the milliseconds of what a minute does with the store."""
    store, midnight = ParquetStore(str(root)), END.replace(hour=0, minute=0)
    began = time.perf_counter()
    for folder in ("hour", "minute", "candles"):
        for since in (END - DAY, midnight):
            store.objects.list(layout.day(folder, since), layout.before(folder, since))
    listed = time.perf_counter()
    summarise(store.stream(END - DAY, END, columns=MEASURED), END)
    read = time.perf_counter()
    store.summary_minutes(END - DAY, END)
    return {
        "list the inputs and hours": listed - began,
        "list, read, statistics": read - listed,
        "list the summaries": time.perf_counter() - read,
    }


def compare(roots: Mapping[int, Path], runs: int) -> str:
    """Give a table of medians of stores of so many days, the smallest first."""
    found: dict[int, list[dict[str, float]]] = {days: [] for days in roots}
    for turn in range(runs + 1):
        for days, root in roots.items():
            one = measured(root)
            found[days] += [one] if turn else []
    lines = [f"{'last 24 h, ms':<28}" + "".join(f"{days:>6} days" for days in roots) + f"{'ratio':>8}"]
    for name in next(iter(found.values()))[0]:
        few, many = (statistics.median(one[name] for one in some) * 1e3 for some in found.values())
        lines.append(f"{name:<28}{few:>11.1f}{many:>11.1f}{many / few:>8.2f}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="year-") as folder:
        roots = {days: Path(folder) / str(days) for days in (1, options.days)}
        for days, root in roots.items():
            began = time.perf_counter()
            count = fill(root, days, options.series)
            print(f"{days:>4} days: {count} minutes, filled in {time.perf_counter() - began:.0f} s", flush=True)
        print(compare(roots, options.runs))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
