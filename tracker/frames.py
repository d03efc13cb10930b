"""Arrow schemas: the one place that names a column.

Importing this module imports pyarrow, never pandas; `samples_table` builds without `pa.array`,
which would (a second of import in every task process).
"""

from __future__ import annotations

import pyarrow as pa

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", tz="UTC")

SAMPLES = pa.schema(
    [
        pa.field("market", _TEXT, nullable=False),
        pa.field("metric", _TEXT, nullable=False),
        pa.field("minute", _TIME, nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("observed_at", _TIME, nullable=False),
        pa.field("origin", _TEXT, nullable=False),
    ]
)
"""One row per (market, metric, minute), sorted by them. `value`: quote units for a price, base units for a volume."""

SUMMARY = pa.schema(
    [
        pa.field("market", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("minute", _TIME, nullable=False),  # the minute t that the row is about
        pa.field("latest", pa.float64()),  # the last sample in (t-24h, t]
        pa.field("latest_minute", _TIME),
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
