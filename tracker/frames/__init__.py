"""Arrow tables: the one place that names a column, and the way in and out of them.

Importing and using this package imports pyarrow and numpy, never pandas: `pa.array`, `pa.scalar`, `to_numpy` and
`to_pylist` of times would, at a second of import in every task process.
"""

from tracker.frames.buffers import (
    chosen,
    coded,
    dictionary_column,
    instants,
    int32s,
    micros,
    micros_of,
    number_column,
    numbers,
    raw,
    string_column,
    words_at,
    words_of,
)
from tracker.frames.merging import merged
from tracker.frames.samples import (
    LEAST,
    MEASURED,
    MOST,
    NO_SAMPLES,
    SAMPLES,
    between,
    check_samples,
    from_none_of,
    minutes_of,
    of_series,
    one,
    samples_of,
    samples_table,
    series_table,
)
from tracker.frames.summary import SUMMARY, SummaryRow, summary_dicts, summary_rows, summary_table
from tracker.frames.traded import TRADED, traded_of, traded_table

__all__ = [
    "LEAST",
    "MEASURED",
    "MOST",
    "NO_SAMPLES",
    "SAMPLES",
    "SUMMARY",
    "TRADED",
    "SummaryRow",
    "between",
    "check_samples",
    "chosen",
    "coded",
    "dictionary_column",
    "from_none_of",
    "instants",
    "int32s",
    "merged",
    "micros",
    "micros_of",
    "minutes_of",
    "number_column",
    "numbers",
    "of_series",
    "one",
    "raw",
    "samples_of",
    "samples_table",
    "series_table",
    "string_column",
    "summary_dicts",
    "summary_rows",
    "summary_table",
    "traded_of",
    "traded_table",
    "words_at",
    "words_of",
]
