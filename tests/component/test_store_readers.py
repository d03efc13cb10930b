"""The files are ordinary Parquet: pandas and DuckDB read the folders without our code."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd

from tests.support.samples import BTC, ETH, NOON, minute_of
from tracker.model import HOUR, MINUTE
from tracker.store import ParquetStore


def _filled(root: Path) -> ParquetStore:
    store = ParquetStore(str(root))
    for n in range(120):
        minute = NOON + n * MINUTE
        store.write_minute(minute, "coinbase", minute_of(minute, [BTC, ETH], lambda _, n=n: 1.0 + n))
    store.seal(NOON)
    store.seal(NOON + HOUR)
    (root / ".staging" / "left-by-a-kill").write_bytes(b"half")
    return store


def test_pandas_reads_the_folder_of_hours(tmp_path: Path) -> None:
    store = _filled(tmp_path)
    theirs = pd.read_parquet(tmp_path / "hour")
    ours = store.read(NOON - MINUTE, NOON + 2 * HOUR).to_pandas()
    assert len(theirs) == len(ours) == 480
    columns = ["market", "metric", "minute", "value"]
    theirs = theirs.astype({"market": str, "metric": str}).sort_values(columns)[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(theirs, ours.astype({"market": str, "metric": str})[columns], check_dtype=False)


def test_duckdb_reads_hours_and_minutes_and_finds_the_same(tmp_path: Path) -> None:
    _filled(tmp_path)
    sums = [
        duckdb.sql(f"SELECT market, metric, count(*), sum(value) FROM '{tmp_path}/{root}/*/*/*.parquet' GROUP BY ALL")
        for root in ("hour", "minute")
    ]
    assert sorted(sums[0].fetchall()) == sorted(sums[1].fetchall())
    assert len(sums[0].fetchall()) == 4


def test_a_file_says_who_wrote_it(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    _filled(tmp_path)
    metadata = pq.ParquetFile(next((tmp_path / "hour").rglob("*.parquet"))).metadata.metadata
    assert metadata[b"writer"].startswith(b"tracker/1 pyarrow/")
    assert len(metadata[b"inputs"]) == 32
