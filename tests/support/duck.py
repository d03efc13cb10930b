"""The published SQL, run as a reader runs it."""

from __future__ import annotations

from datetime import datetime

import duckdb
import pyarrow as pa

from tracker.frames import SUMMARY
from tracker.stats import SQL


def published(samples: str | pa.Table, minute: datetime, **settings: str) -> pa.Table:
    """Run the SQL on a table, or on what a FROM clause names (`read_parquet('...')`); one thread and UTC."""
    with duckdb.connect(":memory:", config={"threads": "1", **settings}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if isinstance(samples, str):
            connection.execute(f"CREATE VIEW samples AS FROM {samples}")
        else:
            connection.register("samples", samples)
        return connection.sql(SQL, params={"minute": minute}).to_arrow_table().cast(SUMMARY)
