"""Tables of statistics: one row per series of a minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from tracker.frames.buffers import TIME, micros, number_column, string_column, values_of
from tracker.model import Market, Metric, Series

SUMMARY = pa.schema(
    [
        pa.field("market", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("minute", TIME, nullable=False),  # the minute t that the row is about
        pa.field("latest", pa.float64()),  # the last sample in (t-24h, t]
        pa.field("latest_minute", TIME),
        pa.field("change_24h", pa.float64()),  # latest / oldest sample of (t-24h, t-23h] - 1
        pa.field("mean_1h", pa.float64()),  # mean over [t-60min, t)
        pa.field("ratio_1h", pa.float64()),  # latest / mean_1h, null unless latest_minute = t
        pa.field("stdev_24h", pa.float64()),  # population, over (t-24h, t]; null for n_24h < 2
        pa.field("cv_24h", pa.float64()),  # stdev_24h / mean over the same samples; null if that is 0
        pa.field("rank", pa.int32()),  # 1 = largest stdev_24h of the metric, ties share (1, 2, 2, 4)
        pa.field("n_1h", pa.int32(), nullable=False),
        pa.field("n_24h", pa.int32(), nullable=False),
        pa.field("min_24h", pa.float64()),
        pa.field("max_24h", pa.float64()),
    ]
)
"""One row per series with a sample in (t-24h, t], sorted by metric, rank (nulls last), market."""


def summary_table(
    minute: datetime, names: Sequence[tuple[str, str]], numbers: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]
) -> pa.Table:
    """Build the table (`SUMMARY`) of series named (market, metric), in their order.

    `numbers` has every other column as floats, NaN for null, `latest_minute` in microseconds since 1970.
    """
    texts = [string_column([name[part] for name in names]) for part in (0, 1)]
    columns = {"minute": np.full(len(names), micros(minute)), **numbers}
    rest = [number_column(columns[one.name], one.type) for one in SUMMARY if one.name in columns]
    return pa.Table.from_arrays([*texts, *rest], schema=SUMMARY)


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One row of a summary as a value; the columns are those of `SUMMARY`, null is None, times are UTC."""

    market: Market
    metric: Metric
    minute: datetime
    latest: float | None
    latest_minute: datetime | None
    change_24h: float | None
    mean_1h: float | None
    ratio_1h: float | None
    stdev_24h: float | None
    cv_24h: float | None
    rank: int | None
    n_1h: int
    n_24h: int
    min_24h: float | None
    max_24h: float | None

    @property
    def series(self) -> Series:
        """The series that the row is about."""
        return Series(self.market, self.metric)


def summary_rows(summary: pa.Table) -> list[SummaryRow]:
    """Give the rows of a summary as values, in the order of the table."""
    columns: list[Sequence[Any]] = []
    for field in fields(SummaryRow):
        values = values_of(summary[field.name])
        of_field = {"market": Market.parse, "metric": Metric}.get(field.name)
        columns.append([of_field(one) for one in values] if of_field else values)
    return [SummaryRow(*row) for row in zip(*columns, strict=True)]


def summary_dicts(summary: pa.Table) -> list[dict[str, Any]]:
    """Give the rows of a summary by column, names as the table has them, times as datetimes in UTC, null as None."""
    columns = (values_of(column) for column in summary.columns)
    return [dict(zip(summary.column_names, row, strict=True)) for row in zip(*columns, strict=True)]
