"""Samples out, for people and notebooks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING

from tracker.errors import ConfigError
from tracker.model import Market, Metric, iso

if TYPE_CHECKING:
    import pyarrow as pa

    from tracker.ports import Store


def select(store: Store, series: Sequence[str] | None, start: datetime, end: datetime) -> pa.Table:
    """Give the samples of (start, end] of the series named `exchange:BASE-QUOTE` or `exchange:BASE-QUOTE/metric`.

    No names mean all series. Schema `frames.SAMPLES`. Raises ConfigError for a name that is none.
    """
    if not series:
        return store.read(start, end)
    wanted: dict[Market, set[str]] = {}
    for name in series:
        market, slash, metric = name.partition("/")
        if slash and metric not in list(Metric):
            raise ConfigError(f"{name!r}: unknown metric {metric!r}; known: {', '.join(Metric)}")
        try:
            wanted.setdefault(Market.parse(market), set()).update([metric] if slash else list(Metric))
        except ValueError as error:
            raise ConfigError(str(error)) from None
    table = store.read(start, end, markets=list(wanted))
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = None
    for one_market, metrics in wanted.items():
        one = pc.and_(
            pc.equal(table["market"], pa.scalar(str(one_market))),
            pc.is_in(table["metric"], value_set=pa.array(sorted(metrics))),
        )
        keep = one if keep is None else pc.or_(keep, one)
    return table.filter(keep)


def write_samples(table: pa.Table, form: str, out: IO[str]) -> None:
    """Write samples as a `table` for eyes, `csv`, `parquet` (binary) or `json` (one array), to a text stream."""
    if form == "parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, out.buffer)  # type: ignore[attr-defined]  # a text stream of the interpreter has one
        return
    rows = (
        {**row, "minute": iso(row["minute"]), "observed_at": iso(row["observed_at"])}
        for batch in table.to_batches(max_chunksize=10_000)
        for row in batch.to_pylist()
    )
    if form == "json":
        out.write("[")
        for index, row in enumerate(rows):
            out.write((",\n " if index else "\n ") + json.dumps(row))
        out.write("\n]\n")
    elif form == "csv":
        import csv

        writer = csv.DictWriter(out, table.column_names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        from rich.console import Console
        from rich.table import Table

        shown = Table(*table.column_names, title=f"{table.num_rows} samples")
        for row in rows:
            shown.add_row(*(str(value) for value in row.values()))
        Console(file=out).print(shown)
