"""The statistics of a minute: a pure function of the samples, the same to the last digit every time.

`SQL` defines them; `summarise` computes what it says, to the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pyarrow as pa

from tracker.frames import merged
from tracker.model import whole_minute
from tracker.stats.definition import SQL
from tracker.stats.running import Running

__all__ = ["SQL", "summarise"]


def summarise(window: pa.Table | Iterable[pa.Table], minute: datetime) -> pa.Table:
    """Compute the summary (`frames.SUMMARY`) of every series with a sample in (minute - 24 h, minute].

    `window` holds samples (`frames.SAMPLES`) in any order and any chunks; rows outside that
    range are ignored, and of two rows for one series and minute the poll counts. Or it is tables in time order, each
    sorted by market, metric and minute with one row for each, as `Store.stream` gives them: then no more than one is
    held at a time, and the columns market, metric, minute and value are enough. Equal rows give equal bytes either
    way, whatever the number of cores and the kind of processor: every step is one addition, subtraction,
    multiplication or division of doubles, in the order of time.
    """
    if whole_minute(minute) != minute:
        raise ValueError(f"{minute} is not a whole minute")
    running = Running(minute)
    for table in [merged([window])] if isinstance(window, pa.Table) else window:
        running.add(table)
    return running.summary()
