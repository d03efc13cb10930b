"""Bytes per sample of sealed hours, by column, beside other encodings of the same values.

`python -m bench.size`: made series, and with TRACKER_REAL_DATA 40 markets over the 72 h of a crash (prices, and 24 h
volumes from candles). All values are float64 and come back to the bit. `Gorilla` is the XOR encoding of Facebook's
paper, as Prometheus uses it, over each series without restarts, values alone; `ticks` are whole numbers of the series'
smallest decimal, as differences in 7-bit groups: what a format with a scale for each series could reach.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.made import END, window
from tracker.candles import Candles
from tracker.frames import MEASURED, SAMPLES, coded, merged, numbers
from tracker.history import samples
from tracker.model import HOUR, Candle, Market, Metric
from tracker.store import ParquetStore, parquet

CRASH = "binance_40mkts_72h_20210517_20210520_crash.parquet"


def recorded(store: ParquetStore, path: Path) -> None:
    """Load recorded candles as a backfill does, and seal their hours."""
    table = pq.ParquetFile(path).read(use_threads=False)
    columns = {
        name: table[name].to_pylist() for name in ("market", "timestamp", "open", "high", "low", "close", "volume")
    }
    candles: dict[str, list[Candle]] = {}
    for name, at, *values in zip(*columns.values(), strict=True):
        market = Market.parse(name.replace("/", "-"))
        candles.setdefault(name, []).append(Candle(market, at.astimezone(UTC), *values))
    found = []
    for rows in candles.values():
        rows.sort(key=lambda one: one.opened)
        loaded = Candles.of(rows[0].market, rows)
        found += samples(loaded, loaded.traded, rows[0].opened, rows[-1].minute, list(Metric))
    whole = merged(found)
    stamps = whole["minute"].cast(pa.int64()).combine_chunks() if whole.num_rows else []
    hours = np.asarray(stamps) // 3_600_000_000
    for hour in np.unique(hours).tolist():
        at = datetime.fromtimestamp(hour * 3600, tz=UTC)
        store.write_candles(at, "binance", whole.filter(pa.array(hours == hour)))
        store.seal(at)


def by_column(root: Path) -> tuple[int, dict[str, float]]:
    """Give the number of samples in sealed hours, and the bytes that each column takes for one of them."""
    sizes, rows = Counter[str](), 0
    for path in sorted((root / "hour").rglob("*.parquet")):
        meta = pq.ParquetFile(path).metadata
        rows += meta.num_rows
        sizes["footer"] += path.stat().st_size
        for column in (
            meta.row_group(g).column(c) for g in range(meta.num_row_groups) for c in range(meta.num_columns)
        ):
            sizes[column.path_in_schema] += column.total_compressed_size
            sizes["footer"] -= column.total_compressed_size
    return rows, {name: size / rows for name, size in sizes.items()}


def series_of(table: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    """Give the values of each series of a sorted table with its metric."""
    (market, _), (metric, kinds) = coded(table, "market"), coded(table, "metric")
    edges = np.flatnonzero((np.diff(market) != 0) | (np.diff(metric) != 0)) + 1
    for values, kind in zip(np.split(numbers(table["value"]), edges), metric[np.append(0, edges)], strict=True):
        yield kinds[kind], values


def gorilla(values: np.ndarray) -> int:
    """Give the bits of a series in Gorilla's encoding of values."""
    bits, leading, trailing = 64, 65, 0
    words = values.view(np.uint64).tolist()
    for before, now in pairwise(words):
        xor = before ^ now
        if not xor:
            bits += 1
            continue
        lead, trail = min(31, 64 - xor.bit_length()), (xor & -xor).bit_length() - 1
        if lead >= leading and trail >= trailing:
            bits += 2 + 64 - leading - trailing
        else:
            leading, trailing = lead, trail
            bits += 2 + 5 + 6 + 64 - lead - trail
    return bits


def decimals(values: np.ndarray) -> np.ndarray | None:
    """Give a series as whole numbers of its smallest decimal, where they give the same floats back."""
    for digits in range(13):
        whole = np.round(values * 10.0**digits)
        if np.array_equal(whole / 10.0**digits, values) and np.abs(whole).max() < 2**53:
            return whole.astype(np.int64)
    return None


def ticks(values: np.ndarray) -> int:
    """Give the bits of a series as differences of whole numbers of its smallest decimal; as floats if there is none."""
    whole = decimals(values)
    if whole is None:
        return 64 * len(values)
    steps = np.diff(whole, prepend=0)
    zigzag = ((steps << 1) ^ (steps >> 63)).astype(np.float64)
    return int(8 * np.maximum(1, np.ceil(np.log2(zigzag + 1) / 7)).sum())


def packed(root: Path) -> float:
    """Give the bytes a value would take as a whole number in the hours' objects, in Parquet's packed differences."""
    size = rows = 0
    for path in sorted((root / "hour").rglob("*.parquet")):
        table = parquet.decode(path.read_bytes(), path.name, SAMPLES)
        found = [(decimals(values), values) for _, values in series_of(table)]
        whole = np.concatenate([values.view(np.int64) if some is None else some for some, values in found])
        sink = pa.BufferOutputStream()
        how = {"use_dictionary": False, "column_encoding": {"whole": "DELTA_BINARY_PACKED"}}
        pq.write_table(pa.table({"whole": whole}), sink, compression="zstd", compression_level=3, **how)
        size += pq.ParquetFile(pa.BufferReader(sink.getvalue())).metadata.row_group(0).column(0).total_compressed_size
        rows += len(whole)
    return size / rows


def report(what: str, store: ParquetStore, root: Path, start: datetime, end: datetime) -> None:
    rows, columns = by_column(root)
    total = sum(columns.values())
    shares = ", ".join(f"{name} {size:.2f}" for name, size in sorted(columns.items(), key=lambda one: -one[1]))
    print(f"{what}: {rows} samples, sealed, {total:.2f} B each: {shares}")
    print(f"  value column as whole numbers of the smallest decimal, packed by the hour: {packed(root):.2f} B")
    found: dict[str, list[float]] = {}
    for metric, values in series_of(store.read(start, end, columns=MEASURED)):
        plain = pa.table({"value": values})
        sink = pa.BufferOutputStream()
        pq.write_table(plain, sink, compression="zstd", compression_level=3, use_dictionary=False)
        some = found.setdefault(metric, [0.0, 0.0, 0.0, 0.0])
        for place, size in enumerate((len(values), sink.getvalue().size, gorilla(values) / 8, ticks(values) / 8)):
            some[place] += size
    for metric, (count, alone, xor, whole) in found.items():
        print(
            f"  {metric:<12} value column, a day at once: zstd {alone / count:.2f} B, Gorilla {xor / count:.2f} B, "
            f"ticks {whole / count:.2f} B"
        )


def main(_arguments: list[str]) -> int:
    """Print bytes per sample."""
    for series in (30, 1000):
        with tempfile.TemporaryDirectory(prefix="size-") as name:
            window(Path(name), series)
            report(f"{series} made series, 24 h", ParquetStore(name), Path(name), END - 24 * HOUR, END)
    folder = os.environ.get("TRACKER_REAL_DATA")
    if not folder:
        print("the crash of May 2021: set TRACKER_REAL_DATA to the folder of recorded market data")
        return 0
    with tempfile.TemporaryDirectory(prefix="size-") as name:
        store = ParquetStore(name)
        recorded(store, Path(folder) / CRASH)
        start = datetime(2021, 5, 16, tzinfo=UTC)
        report("40 markets over the crash of May 2021, 72 h", store, Path(name), start, start + timedelta(days=5))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
