"""`tracker read` and `tracker.read()`: what comes out, in which form, and how little is held on the way."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import tracker
from tests.support.samples import BTC, ETH, NOON, minute_of
from tracker.cli import main
from tracker.frames import SAMPLES, merged, samples_of
from tracker.model import DAY, HOUR, MINUTE, iso
from tracker.reading import SHOWN, select
from tracker.store import ParquetStore

HOURS = 6


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ParquetStore:
    """Six hours of two markets, each minute another value; all but the last are sealed."""
    monkeypatch.setenv("TRACKER_STORE_URL", str(tmp_path / "store"))
    store = ParquetStore(str(tmp_path / "store"))
    for n in range(HOURS):
        rows = [
            minute_of(NOON + n * HOUR + m * MINUTE, [BTC, ETH], lambda one, v=n * 60 + m: len(one.base) + v + 1.0)
            for m in range(60)
        ]
        store.write_candles(NOON + n * HOUR, "coinbase", merged(rows))
        if n + 1 < HOURS:
            store.seal(NOON + n * HOUR)
    return store


def read(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["read", "--start", iso(NOON - MINUTE), "--end", iso(NOON + 2 * HOUR), *more]) == 0
    return capsys.readouterr().out


def test_csv_and_json_give_the_samples_as_they_are(stored: ParquetStore, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [
        {
            "market": str(one.series.market),
            "metric": one.series.metric.value,
            "minute": iso(one.minute),
            "value": one.value,
            "observed_at": iso(one.observed_at),
            "origin": one.origin.value,
        }
        for one in samples_of(stored.read(NOON - MINUTE, NOON + 2 * HOUR))
    ]
    by_key = lambda row: (row["market"], row["metric"], row["minute"])  # noqa: E731
    assert sorted(json.loads(read(capsys, "--format", "json")), key=by_key) == expected
    rows = [
        {**row, "value": float(row["value"])} for row in csv.DictReader(io.StringIO(read(capsys, "--format", "csv")))
    ]
    assert sorted(rows, key=by_key) == expected
    assert len(rows) == 121 * 4


def test_series_and_columns_are_chosen(stored: ParquetStore, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--series", "coinbase:ETH-USD/price", "--columns", "minute,value", "--format", "csv"]
    lines = read(capsys, *chosen).splitlines()
    assert lines[0] == "minute,value"
    assert lines[1] == "2026-03-01T12:00:00Z,4.0"
    assert len(lines) == 122
    both = ["--series", "coinbase:ETH-USD/price", "--series", "coinbase:ETH-USD/volume_24h", "--format", "json"]
    assert {row["metric"] for row in json.loads(read(capsys, *both))} == {"price", "volume_24h"}
    assert {row["market"] for row in json.loads(read(capsys, *both))} == {"coinbase:ETH-USD"}


def test_parquet_comes_out_as_parquet_that_pandas_reads(
    stored: ParquetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "out.parquet").open("w") as out:
        monkeypatch.setattr("sys.stdout", out)
        assert main(["read", "--start", iso(NOON - MINUTE), "--end", iso(NOON + DAY), "--format", "parquet"]) == 0
    table = pq.ParquetFile(tmp_path / "out.parquet").read()
    assert merged([table.select(SAMPLES.names).cast(SAMPLES)]).equals(stored.read(NOON - MINUTE, NOON + DAY))
    assert len(pd.read_parquet(tmp_path / "out.parquet")) == HOURS * 60 * 4


def test_a_range_without_samples_is_empty_in_every_form(
    stored: ParquetStore, capsys: pytest.CaptureFixture[str]
) -> None:
    span = ["--start", iso(NOON - 3 * HOUR), "--end", iso(NOON - 2 * HOUR)]
    assert main(["read", *span, "--format", "csv", "--columns", "value"]) == 0
    assert capsys.readouterr().out == "value\n"
    assert main(["read", *span, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["read", *span]) == 0
    assert "0 samples" in capsys.readouterr().out


def test_a_table_for_eyes_ends_and_says_so(stored: ParquetStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["read", "--start", iso(NOON - MINUTE), "--end", iso(NOON + DAY), "--columns", "value"]) == 0
    said = capsys.readouterr().out
    assert f"the first {SHOWN} samples" in " ".join(said.split())
    assert "--format csv" in said
    assert len(said.splitlines()) < SHOWN + 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--series", "coinbase:BTC-USD/prices"], "unknown metric 'prices'; known: price, volume_24h"),
        (["--series", "BTC-USD"], "is not a market; write exchange:BASE-QUOTE"),
        (["--columns", "minute,prize"], "unknown column 'prize'; known: market, metric"),
        (["--store", "ftp://x"], "must be a path, file://… or s3://bucket/prefix"),
    ],
)
def test_a_wrong_name_is_told_in_one_line(
    arguments: list[str], said: str, stored: ParquetStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_another_store_is_read_by_its_url(
    stored: ParquetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKER_STORE_URL", str(tmp_path / "empty"))
    span = {"start": iso(NOON - MINUTE), "end": NOON + DAY}
    assert tracker.read(**span).empty
    frame = tracker.read("coinbase:BTC-USD/price", columns=["value", "minute"], store=stored.objects.url, **span)
    assert list(frame.columns) == ["value", "minute"]
    assert frame["value"].tolist() == [4.0 + n for n in range(HOURS * 60)]
    assert frame["minute"].is_monotonic_increasing


def test_a_notebook_gets_rows_sorted_by_series_and_minute(stored: ParquetStore) -> None:
    frame = tracker.read(start=NOON - MINUTE, end=NOON + DAY)
    assert list(frame.columns) == SAMPLES.names
    assert frame.equals(frame.sort_values(["market", "metric", "minute"], ignore_index=True))
    assert len(frame) == HOURS * 60 * 4


def test_a_long_range_is_read_a_few_hours_ahead_of_its_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ParquetStore(str(tmp_path))
    for n in range(40):
        store.write_candles(NOON + n * HOUR, "coinbase", minute_of(NOON + n * HOUR, [BTC], lambda _: 1.0))
        store.seal(NOON + n * HOUR)
    fetched = []
    get = store.objects.get
    monkeypatch.setattr(store.objects, "get", lambda path: fetched.append(path) or get(path))
    tables = select(store, ["coinbase:BTC-USD"], NOON - MINUTE, NOON + 40 * HOUR)
    for used in range(1, 20):
        assert next(tables).num_rows == 2
        assert len(fetched) <= used + 10
    assert sum(one.num_rows for one in tables) == 2 * (40 - 19)
