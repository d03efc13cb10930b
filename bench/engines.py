"""The same statistics over the same files by different engines, each as a person would write it for that engine.

`python -m bench.engines ENGINE FOLDER END` runs one and prints JSON: seconds of the work, peak memory, series; ours
also takes an s3:// URL. Imports stand in the functions: a process pays for what its engine needs.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NEEDED = ["market", "metric", "minute", "value"]

Work = Callable[[], int]
"""Does the work and gives the number of series."""


def files(root: str) -> list[str]:
    return [str(one) for folder in ("hour", "minute") for one in sorted((Path(root) / folder).rglob("*.parquet"))]


def ours(root: str, end: datetime) -> Work:
    from tracker.stats import summarise
    from tracker.store import ParquetStore

    store = ParquetStore(root)
    return lambda: summarise(store.stream(end - DAY, end, columns=NEEDED), end).num_rows


def duckdb_by_hand(root: str, end: datetime, threads: int | None = None) -> Work:
    import duckdb

    t = f"TIMESTAMPTZ '{end.isoformat()}'"
    sql = f"""
        SELECT *, rank() OVER (PARTITION BY metric ORDER BY stdev_24h DESC) AS rank FROM (
            SELECT market, metric, arg_max(value, minute) AS latest, max(minute) AS latest_minute,
                arg_min(value, minute) FILTER (minute <= {t} - INTERVAL 23 HOUR) AS day_before,
                avg(value) FILTER (minute >= {t} - INTERVAL 1 HOUR AND minute < {t}) AS mean_1h,
                count(*) FILTER (minute >= {t} - INTERVAL 1 HOUR AND minute < {t}) AS n_1h,
                stddev_pop(value) AS stdev_24h, avg(value) AS mean_24h, count(*) AS n_24h,
                min(value) AS min_24h, max(value) AS max_24h
            FROM read_parquet({files(root)}, hive_partitioning=false)
            WHERE minute > {t} - INTERVAL 24 HOUR AND minute <= {t}
            GROUP BY market, metric)"""
    config: dict[str, str | bool | int | float | list[str]] = {"threads": threads} if threads else {}
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone='UTC'")
    return lambda: connection.sql(sql).to_arrow_table().num_rows


def duckdb_one_thread(root: str, end: datetime) -> Work:
    return duckdb_by_hand(root, end, threads=1)


def polars_by_hand(root: str, end: datetime) -> Work:
    import polars as pl

    value, minute = pl.col("value"), pl.col("minute")
    hour, first = (minute >= end - HOUR) & (minute < end), minute <= end - 23 * HOUR
    lazy = (
        pl.scan_parquet(files(root), hive_partitioning=False)
        .select(NEEDED)
        .filter((minute > end - DAY) & (minute <= end))
        .group_by("market", "metric")
        .agg(
            value.sort_by(minute).last().alias("latest"),
            minute.max().alias("latest_minute"),
            value.filter(first).sort_by(minute.filter(first)).first().alias("day_before"),
            value.filter(hour).mean().alias("mean_1h"),
            hour.sum().alias("n_1h"),
            value.std(ddof=0).alias("stdev_24h"),
            value.mean().alias("mean_24h"),
            value.min().alias("min_24h"),
            value.max().alias("max_24h"),
            pl.len().alias("n_24h"),
        )
        .with_columns(pl.col("stdev_24h").rank("min", descending=True).over("metric").alias("rank"))
    )
    return lambda: lazy.collect().height


def pandas_by_hand(root: str, end: datetime) -> Work:
    import pandas as pd

    def work() -> int:
        frame = pd.concat([pd.read_parquet(one, columns=NEEDED) for one in files(root)])
        frame = frame.astype({"market": "category", "metric": "category"})
        frame = frame[(frame["minute"] > end - DAY) & (frame["minute"] <= end)]
        groups = frame.groupby(["market", "metric"], observed=True)["value"]
        result = groups.agg(["min", "max", "count", "last", "mean"])
        result["stdev"] = groups.std(ddof=0)
        hour = frame[(frame["minute"] >= end - HOUR) & (frame["minute"] < end)]
        result["mean_1h"] = hour.groupby(["market", "metric"], observed=True)["value"].mean()
        before = frame[frame["minute"] <= end - 23 * HOUR]
        result["day_before"] = before.groupby(["market", "metric"], observed=True)["value"].first()
        result["rank"] = result["stdev"].groupby("metric", observed=True).rank(method="min", ascending=False)
        return len(result)

    return work


def chdb_by_hand(root: str, end: datetime) -> Work:
    import chdb

    t = f"toDateTime64('{end:%Y-%m-%d %H:%M:%S}', 6, 'UTC')"
    sql = f"""
        SELECT *, rank() OVER (PARTITION BY metric ORDER BY stdev_24h DESC) AS rank FROM (
            SELECT market, metric, argMax(value, minute) AS latest, max(minute) AS latest_minute,
                argMinIf(value, minute, minute <= {t} - INTERVAL 23 HOUR) AS day_before,
                avgIf(value, minute >= {t} - INTERVAL 1 HOUR AND minute < {t}) AS mean_1h,
                countIf(minute >= {t} - INTERVAL 1 HOUR AND minute < {t}) AS n_1h,
                stddevPopStable(value) AS stdev_24h, avg(value) AS mean_24h, count() AS n_24h,
                min(value) AS min_24h, max(value) AS max_24h
            FROM file('{root}/{{hour,minute}}/**/*.parquet', Parquet)
            WHERE minute > {t} - INTERVAL 24 HOUR AND minute <= {t}
            GROUP BY market, metric)"""
    return lambda: len(chdb.query(sql, "TSV").bytes().splitlines())


def floor(root: str, _end: datetime, threads: int = 1) -> Work:
    """Decode the columns and add the values up once: less is no statistic."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    def decode(path: str) -> int:
        data = pa.BufferReader(Path(path).read_bytes())
        table = pq.ParquetFile(data, read_dictionary=NEEDED[:2]).read(columns=NEEDED, use_threads=False)
        return table.num_rows if np.frombuffer(table["value"].chunk(0).buffers()[1]).sum() else 0

    def work() -> int:
        if threads == 1:
            return sum(map(decode, files(root)))
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(decode, files(root)))

    return work


def floor_two_threads(root: str, end: datetime) -> Work:
    return floor(root, end, threads=2)


ENGINES: dict[str, Callable[[str, datetime], Work]] = {
    "ours": ours,
    "DuckDB": duckdb_by_hand,
    "DuckDB, 1 thread": duckdb_one_thread,
    "Polars": polars_by_hand,
    "chdb": chdb_by_hand,
    "pandas": pandas_by_hand,
    "floor, 1 thread": floor,
    "floor, 2 threads": floor_two_threads,
}


def main(arguments: list[str]) -> int:
    """Run one engine over a folder."""
    engine, root, end = arguments
    work = ENGINES[engine](root, datetime.fromisoformat(end))
    began = time.perf_counter()
    found = work()
    spent = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"work": spent, "peak": peak, "found": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
