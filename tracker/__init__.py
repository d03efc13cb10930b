"""Watch market metrics, rank them by how much they move, and tell people what moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

__version__ = "0.1.0"


def read(
    *series: str,
    start: datetime | str | None = None,
    end: datetime | str | None = None,
    columns: Sequence[str] = (),
    store: str | None = None,
) -> pd.DataFrame:
    """Give stored samples as a pandas DataFrame, one row per series and minute, sorted by them.

    `series` are named `coinbase:BTC-USD` or `coinbase:BTC-USD/price`; none means all. The range is (start, end] in
    UTC, given as datetimes or ISO 8601; by default the 24 h up to now. `columns` are some of market, metric, minute,
    value, observed_at, origin; by default all. `store` is a folder or `s3://bucket/prefix`, by default what
    TRACKER_STORE_URL names.
    """
    from tracker.cli.past import samples_as_frame

    return samples_as_frame(series, start, end, columns, store)
