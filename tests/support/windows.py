"""Build windows of samples in few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from tracker.frames import samples_table
from tracker.model import MINUTE, Market, Metric, Origin, Sample, Series

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
"""The first minute of the series built here."""

BTC = Series(Market("coinbase", "BTC", "USD"), Metric.PRICE)

Values = Sequence[float | None] | Mapping[int, float]


def at(index: int) -> datetime:
    """Give the minute of the sample number `index`."""
    return T0 + index * MINUTE


def samples(values: Values, series: Series = BTC) -> list[Sample]:
    """Give samples of one series, one a minute from T0 on; None leaves the minute out."""
    rows = values.items() if isinstance(values, Mapping) else enumerate(values)
    return [
        Sample(series, at(index), value, at(index) + timedelta(seconds=2), Origin.POLL)
        for index, value in rows
        if value is not None
    ]


def window(values: Values | Mapping[Series, Values], series: Series = BTC) -> pa.Table:
    """Give the samples of one series, or of several by name, as a table."""
    if isinstance(values, Mapping) and any(isinstance(key, Series) for key in values):
        return samples_table(one for key, some in values.items() for one in samples(some, key))  # type: ignore[arg-type]
    return samples_table(samples(values, series))  # type: ignore[arg-type]
