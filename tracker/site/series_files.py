"""The samples of one market as files: JSON, CSV and Parquet, with every digit.

Arrow writes and joins the texts: many times as fast as Python, the same shortest decimals, and exponents only beyond
15 digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tracker.frames import dictionary_column, int32s, number_column, string_column
from tracker.model import MINUTE, Market, Metric, iso
from tracker.site.content import Content
from tracker.site.samples import DAY_MINUTES, EMPTY, Samples

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    _Column = tuple[Metric, NDArray[np.int64], pa.Array]  # the minutes of a series' samples, and their values as texts

_ENCODING = {"minute": "DELTA_BINARY_PACKED", "observed_at": "DELTA_BINARY_PACKED", "value": "PLAIN"}
_WORDS = ["market", "metric", "origin"]


def series_files(content: Content, some: Sequence[Market]) -> dict[str, bytes]:
    """Give the samples of some markets in (t-24h, t] as files by their paths; all of the markets have samples.

    JSON by metric; CSV with a row per minute and a column per metric, empty where there is no sample; Parquet with
    all columns of frames.SAMPLES. One kind after the other: a processor that keeps to one is a quarter faster.
    """
    every = [{metric: content.samples.get((str(one), metric.value), EMPTY) for metric in Metric} for one in some]
    stamps = _stamps(content.minute)
    texts = [[(metric, samples.at, _texts(samples)) for metric, samples in found.items()] for found in every]
    made = (
        [_json(content.minute, one, stamps.epochs, columns) for one, columns in zip(some, texts, strict=True)],
        [_csv(stamps.minutes, columns) for columns in texts],
        list(map(_parquet, [_rows(content.window, one, found) for one, found in zip(some, every, strict=True)])),
    )
    of_each = zip(*made, strict=True)
    named = (zip(series_paths(one), files, strict=True) for one, files in zip(some, of_each, strict=True))
    return {path: data for files in named for path, data in files}


def series_paths(market: Market) -> tuple[str, str, str]:
    """Give the paths of a market's JSON, CSV and Parquet file."""
    slug = market.slug
    return f"api/v1/series/{slug}.json", f"data/{slug}-24h.csv", f"data/{slug}-24h.parquet"


def _texts(samples: Samples) -> pa.Array:
    """Write each value."""
    import pyarrow as pa

    return number_column(samples.values, pa.float64()).cast(pa.string())


def _json(minute: datetime, one: Market, stamps: pa.Array, columns: Iterable[_Column]) -> bytes:
    head = f'{{"market":{json.dumps(str(one), ensure_ascii=False)},"minute":"{iso(minute)}","metrics":{{'
    pieces: list[bytes | memoryview] = [head.encode()]
    for metric, at, texts in columns:
        if len(texts):
            pieces += [f'"{metric.value}":['.encode(), _joined(_at(stamps, at), texts)[2:], b"]]", b","]
    return b"".join([*pieces[:-1], b"}}\n"])


def _csv(stamps: pa.Array, columns: Sequence[_Column]) -> bytes:
    there = np.zeros(DAY_MINUTES + 1, bool)
    for _, at, _ in columns:
        there[at] = True
    rows = np.flatnonzero(there)
    cells = [texts if len(at) == len(rows) else _spread(rows, at, texts) for _, at, texts in columns]
    head = ",".join(["minute", *(metric.value for metric in Metric)])
    return b"".join([head.encode(), _joined(_at(stamps, rows), *cells, separator=","), b"\n"])


def _at(stamps: pa.Array, at: NDArray[np.int64]) -> pa.Array:
    """Give the stamps of some minutes."""
    return stamps if len(at) == len(stamps) else stamps.take(int32s((at - 1).astype(np.int32)))


def _spread(rows: NDArray[np.int64], at: NDArray[np.int64], texts: pa.Array) -> pa.Array:
    """Lay the texts of the minutes `at` out by `rows`, which has them all and more; null elsewhere."""
    import pyarrow as pa

    places = np.full(len(rows), np.nan)
    places[np.searchsorted(rows, at)] = np.arange(len(at))
    return texts.take(number_column(places, pa.int32()))


def _joined(*columns: pa.Array, separator: str = "") -> memoryview:
    """Write rows of texts one after the other, null as an empty text: what Arrow holds of them in one piece."""
    import pyarrow.compute as pc

    between = string_column([separator])[0]  # `pa.scalar` imports pandas
    rows = pc.binary_join_element_wise(*columns, between, null_handling="replace", null_replacement="")
    _, ends, data = rows.buffers()
    return memoryview(data)[: np.frombuffer(ends, np.int32)[len(rows)]]


def _rows(window: pa.Table, one: Market, found: Mapping[Metric, Samples]) -> pa.Table:
    """Give the samples of a market, which has some."""
    import pyarrow as pa

    known = {metric: samples for metric, samples in found.items() if len(samples)}
    rows = pa.concat_tables([window.slice(it.start, it.stop - it.start) for it in known.values()])
    metrics = np.repeat(np.arange(len(known), dtype=np.int32), [len(samples) for samples in known.values()])
    columns = {
        **dict(zip(rows.column_names, rows.columns, strict=True)),
        "market": dictionary_column(np.zeros(len(metrics), np.int32), [str(one)]),
        "metric": dictionary_column(metrics, [metric.value for metric in known]),
        "origin": rows.column("origin").cast(pa.string()),
    }
    schema = _schema(rows.schema)
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _parquet(rows: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pa.BufferOutputStream()
    pq.write_table(
        rows,
        file,
        compression="snappy",
        use_dictionary=_WORDS,
        column_encoding=_ENCODING,
        store_schema=False,
        write_statistics=False,
    )
    made: bytes = file.getvalue().to_pybytes()
    return made


@cache
def _schema(stored: pa.Schema) -> pa.Schema:
    """Give the schema of the file: the stored one, its origins as plain texts."""
    import pyarrow as pa

    return stored.set(stored.get_field_index("origin"), stored.field("origin").with_type(pa.string()))


@dataclass(frozen=True, slots=True)
class _Stamps:
    """What stands before the values of each minute of (t-24h, t], as texts."""

    minutes: pa.Array  # in CSV: the minute in ISO 8601
    epochs: pa.Array  # in JSON: seconds since 1970


@lru_cache(maxsize=1)
def _stamps(minute: datetime) -> _Stamps:
    """Write the minutes once; all markets share them."""
    minutes = [minute - (DAY_MINUTES - at) * MINUTE for at in range(1, DAY_MINUTES + 1)]
    return _Stamps(
        string_column([f"\n{iso(one)}" for one in minutes]),
        string_column([f"],[{int(one.timestamp())}," for one in minutes]),
    )
