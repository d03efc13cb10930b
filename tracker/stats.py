"""The statistics of a minute: one SQL statement over the samples, pure and the same to the last digit every time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import duckdb
import pyarrow as pa

from tracker.errors import TrackerError
from tracker.frames import SAMPLES, SUMMARY, merged
from tracker.model import whole_minute

SQL = """
WITH stamped AS (
    SELECT
        *,
        minute > $minute - INTERVAL 24 HOUR AND minute <= $minute AS in_day,
        minute >= $minute - INTERVAL 60 MINUTE AND minute < $minute AS in_hour
    FROM samples
),
per_series AS (
    SELECT
        market,
        metric,
        arg_max(value, minute) FILTER (in_day) AS latest,
        max(minute) FILTER (in_day) AS latest_minute,
        arg_min(value, minute) FILTER (in_day AND minute <= $minute - INTERVAL 23 HOUR) AS day_before,
        favg(value) FILTER (in_hour) AS mean_1h,
        count(*) FILTER (in_hour) AS n_1h,
        stddev_pop(value) FILTER (in_day) AS deviation,
        favg(value) FILTER (in_day) AS mean_24h,
        count(*) FILTER (in_day) AS n_24h,
        min(value) FILTER (in_day) AS min_24h,
        max(value) FILTER (in_day) AS max_24h
    FROM stamped
    GROUP BY market, metric
    HAVING n_24h > 0
),
measured AS (
    SELECT *, CASE WHEN n_24h < 2 THEN NULL WHEN min_24h = max_24h THEN 0 ELSE deviation END AS stdev_24h
    FROM per_series
)
SELECT
    market,
    metric,
    $minute AS minute,
    latest,
    latest_minute,
    latest / nullif(day_before, 0) - 1 AS change_24h,
    mean_1h,
    CASE WHEN latest_minute = $minute AND mean_1h > 0 THEN latest / mean_1h END AS ratio_1h,
    stdev_24h,
    stdev_24h / nullif(mean_24h, 0) AS cv_24h,
    CASE WHEN stdev_24h IS NOT NULL
         THEN rank() OVER (PARTITION BY metric ORDER BY stdev_24h DESC NULLS LAST) END AS rank,
    n_1h,
    n_24h,
    min_24h,
    max_24h
FROM measured
ORDER BY metric, rank NULLS LAST, market
"""
"""The definitions of DESIGN.md, section 2, as DuckDB runs them over `samples`: the columns of `frames.SAMPLES`.

To check a published number, run it yourself on the Parquet files:
`SET TimeZone = 'UTC'; SET threads = 1; CREATE VIEW samples AS FROM read_parquet('….parquet');` with `$minute` a
TIMESTAMPTZ. One thread and rows in time order are part of it: parallel partial sums change the last digits from run
to run, and with them shared ranks. So would a WHERE: DuckDB then lets small pieces of what passes wait behind larger
ones, even on one thread. `favg` is the mean by Kahan's summation; `stddev_pop` is Welford's, in one
pass: 9 digits and more while the deviation is above a hundred-millionth of the mean.
"""

MEMORY = "1GB"

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": "1",
    "memory_limit": MEMORY,
    "temp_directory": "",  # a pure function writes no files
    "autoinstall_known_extensions": "false",  # else a missing one is fetched from the internet
    "autoload_known_extensions": "false",
}


_NEEDED = pa.schema([SAMPLES.field(name) for name in ("market", "metric", "minute", "value")])


def connect() -> duckdb.DuckDBPyConnection:
    """Open the DuckDB whose digits repeat: in memory, one thread, UTC, nothing fetched, no files."""
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def summarise(window: pa.Table | Iterable[pa.Table], minute: datetime) -> pa.Table:
    """Compute the summary (`frames.SUMMARY`) of every series with a sample in (minute - 24 h, minute].

    `window` holds samples (`frames.SAMPLES`) in any order and any chunks; rows outside that
    range are ignored, and of two rows for one series and minute the poll counts. Or it is tables in time order, each
    with one row per series and minute, as `Store.stream` gives them: then no more than one is held at a time, and the
    columns market, metric, minute and value are enough. Equal rows give equal bytes either way.
    """
    if whole_minute(minute) != minute:
        raise ValueError(f"{minute} is not a whole minute")
    with connect() as connection:
        failed: list[TrackerError] = []
        rows = merged([window]) if isinstance(window, pa.Table) else _reader(window, failed)
        connection.register("samples", rows)
        try:
            table = connection.sql(SQL, params={"minute": whole_minute(minute)}).to_arrow_table()
        except duckdb.Error:
            if failed:  # DuckDB knows only the text of what went wrong under it
                raise failed[0] from None
            raise
    return table.cast(SUMMARY).combine_chunks()


def _reader(tables: Iterable[pa.Table], failed: list[TrackerError]) -> pa.RecordBatchReader:
    """Let DuckDB pull one table after the other; what stops them is put into `failed`."""

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for table in tables:
                yield from table.select(_NEEDED.names).to_batches()
        except TrackerError as error:
            failed.append(error)
            raise

    return pa.RecordBatchReader.from_batches(_NEEDED, batches())
