"""Samples out, for people and notebooks: hour by hour, so that a range of any length is read in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from tracker.errors import ConfigError
from tracker.frames import SAMPLES, instants, of_series, words_at
from tracker.model import Market, Metric, iso

if TYPE_CHECKING:
    import pyarrow as pa

    from tracker.ports import Store

SHOWN = 500
"""Rows of a table for eyes."""

_ROW_GROUP = 1 << 17


def select(
    store: Store, series: Sequence[str], start: datetime, end: datetime, columns: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """Give the samples of (start, end], hour by hour, each hour sorted by market, metric and minute.

    `series` are named `exchange:BASE-QUOTE` or `exchange:BASE-QUOTE/metric`; none means all. `columns` are some of
    `frames.SAMPLES`, none means all. Raises ConfigError for a name that is none, before anything is read.
    """
    wanted = _wanted(series)
    unknown = [name for name in columns if name not in SAMPLES.names]
    if unknown:
        raise ConfigError(f"unknown column {unknown[0]!r}; known: {', '.join(SAMPLES.names)}")
    chosen = list(columns) or SAMPLES.names
    tables = store.stream(start, end, markets=list(wanted) or None, columns=chosen)
    return ((of_series(table, wanted) if wanted else table).select(chosen) for table in tables)


def _wanted(series: Sequence[str]) -> Mapping[Market, frozenset[str]]:
    wanted: dict[Market, frozenset[str]] = {}
    for name in series:
        market, slash, metric = name.partition("/")
        if slash and metric not in list(Metric):
            raise ConfigError(f"{name!r}: unknown metric {metric!r}; known: {', '.join(Metric)}")
        try:
            one = Market.parse(market)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        wanted[one] = wanted.get(one, frozenset()).union([metric] if slash else list(Metric))
    return wanted


def write_samples(tables: Iterable[pa.Table], form: str, columns: Sequence[str], out: IO[str]) -> None:
    """Write tables of samples one by one as they come, to a text stream.

    `form`: `table` for eyes (the first SHOWN rows), `csv`, `json` (one array), or `parquet` (binary). `columns` are
    those of the tables, which may be none.
    """
    {"table": _as_table, "csv": _as_csv, "json": _as_json, "parquet": _as_parquet}[form](tables, columns, out)


def _as_csv(tables: Iterable[pa.Table], columns: Sequence[str], out: IO[str]) -> None:
    import csv

    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for table in tables:
        writer.writerows(_rows(table))


def _as_json(tables: Iterable[pa.Table], columns: Sequence[str], out: IO[str]) -> None:
    out.write("[")
    comma = ""
    for table in tables:
        for row in _rows(table):
            out.write(f"{comma}\n {json.dumps(dict(zip(columns, row, strict=True)))}")
            comma = ","
    out.write("\n]\n")


def _as_parquet(tables: Iterable[pa.Table], columns: Sequence[str], out: IO[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([SAMPLES.field(name) for name in columns])
    with pq.ParquetWriter(out.buffer, schema, compression="zstd") as writer:  # type: ignore[attr-defined]  # stdout has
        waiting: list[pa.Table] = []
        for table in tables:
            waiting.append(table)
            if sum(one.num_rows for one in waiting) >= _ROW_GROUP:
                writer.write_table(pa.concat_tables(waiting).unify_dictionaries())
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting).unify_dictionaries())


def _as_table(tables: Iterable[pa.Table], columns: Sequence[str], out: IO[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    rows = list(islice((row for table in tables for row in _rows(table)), SHOWN + 1))
    more = len(rows) > SHOWN
    shown = Table(*columns, title=f"the first {SHOWN} samples" if more else f"{len(rows)} samples")
    for row in rows[:SHOWN]:
        shown.add_row(*map(str, row))
    Console(file=out).print(shown)
    if more:
        out.write("there are more: --format csv, json or parquet gives all\n")


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Give rows as text and numbers, times in ISO 8601."""
    return zip(*(_cells(table, name) for name in table.column_names), strict=True)


def _cells(table: pa.Table, name: str) -> Sequence[Any]:
    if name in {"minute", "observed_at"}:
        written: dict[datetime, str] = {}
        return [written.get(at) or written.setdefault(at, iso(at)) for at in instants(table[name])]
    return table[name].to_pylist() if name == "value" else words_at(table, name)
