"""The samples of a window by series, as arrays: what charts, tables and downloads are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tracker.frames import coded, micros_of, numbers

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

DAY_MINUTES = 1440
HOUR_MINUTES = 60

EVERY_MINUTE: NDArray[np.int64] = np.arange(1, DAY_MINUTES + 1)


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of one series in (t-24h, t], oldest first.

    `at` counts whole minutes from the start of the window: 1 is t-24h+1min, 1440 is t. Minutes without a
    sample are missing, never filled. `start` and `stop` are the rows of the window table.
    """

    at: NDArray[np.int64]
    values: NDArray[np.float64]
    start: int = 0
    stop: int = 0

    def __len__(self) -> int:
        return len(self.values)

    @property
    def whole(self) -> bool:
        """Whether no minute is missing: `at` is EVERY_MINUTE."""
        return len(self.values) == DAY_MINUTES

    def between(self, first: int, last: int) -> NDArray[np.float64]:
        """Give the values stamped in [first, last), in minutes of the window."""
        lo, hi = np.searchsorted(self.at, (first, last))
        return self.values[lo:hi]


EMPTY = Samples(np.zeros(0, np.int64), np.zeros(0))


def by_series(window: pa.Table, minute: datetime) -> dict[tuple[str, str], Samples]:
    """Cut a window, sorted by market, metric and minute, into its series. Rows outside (t-24h, t] are left out.

    The arrays are views of the table; nothing is copied and pandas is not imported.
    """
    if not window.num_rows:
        return {}
    first = int(minute.timestamp()) // 60 - DAY_MINUTES
    stamps = micros_of(window["minute"]) // 60_000_000 - first
    values = numbers(window["value"])
    markets, market_names = coded(window, "market")
    metrics, metric_names = coded(window, "metric")
    edges = np.flatnonzero((markets[1:] != markets[:-1]) | (metrics[1:] != metrics[:-1])) + 1
    found = {}
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True):
        lo, hi = np.searchsorted(stamps[start:stop], (1, DAY_MINUTES + 1)) + start
        if hi > lo:
            key = market_names[markets[start]], metric_names[metrics[start]]
            found[key] = Samples(stamps[lo:hi], values[lo:hi], int(lo), int(hi))
    return found


@lru_cache(maxsize=1)
def hours(minute: datetime) -> tuple[tuple[datetime, int, int], ...]:
    """Give the clock hours of the window, newest first: the hour's start, and its minutes as [first, last).

    A sample stamped at a full hour ends that hour, as a candle does: (21:00, 22:00] is the hour of 21:00.
    """
    end = int(minute.timestamp()) // 60
    window = end - DAY_MINUTES
    newest = (end - 1) // HOUR_MINUTES * HOUR_MINUTES
    return tuple(
        (datetime.fromtimestamp(hour * 60, UTC), hour + 1 - window, hour + HOUR_MINUTES + 1 - window)
        for hour in range(newest, window + 1 - HOUR_MINUTES, -HOUR_MINUTES)
    )
