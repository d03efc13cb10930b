"""Tables of samples: built, judged and merged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from tracker.errors import PermanentError
from tracker.frames.buffers import (
    TEXT,
    TIME,
    are_word,
    chosen,
    coded,
    codes_of,
    float_column,
    instant,
    instants,
    int32s,
    micros,
    micros_of,
    numbers,
    string_column,
    text_column,
    time_column,
    words_at,
)
from tracker.model import Market, Metric, Origin, Sample, Series

SAMPLES = pa.schema(
    [
        pa.field("market", TEXT, nullable=False),
        pa.field("metric", TEXT, nullable=False),
        pa.field("minute", TIME, nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("observed_at", TIME, nullable=False),
        pa.field("origin", TEXT, nullable=False),
    ]
)
"""One row per (market, metric, minute), sorted by them. `value`: quote units for a price, base units for a volume."""
MEASURED = ("market", "metric", "minute", "value")
"""The columns that statistics and alerts need."""

LEAST, MOST = 1e-100, 1e100
"""A value that is not zero lies between these: its square is then a float too, and so is every statistic."""
_MINUTE_US = 60_000_000


def samples_table(samples: Iterable[Sample]) -> pa.Table:
    """Build the table (`SAMPLES`) of some samples, in its order. Of two for one series and minute a poll wins over
    a candle, then the later given. Values are judged where they are written (`check_samples`).
    """
    chosen: dict[tuple[str, str, int], Sample] = {}
    for sample in samples:
        key = (str(sample.series.market), sample.series.metric.value, micros(sample.minute))
        known = chosen.get(key)
        if known is None or sample.origin is Origin.POLL or known.origin is Origin.CANDLE:
            chosen[key] = sample
    keys = sorted(chosen)
    rows = [chosen[key] for key in keys]
    columns = [
        text_column([key[0] for key in keys]),
        text_column([key[1] for key in keys]),
        time_column([key[2] for key in keys]),
        float_column([row.value for row in rows]),
        time_column([micros(row.observed_at) for row in rows]),
        text_column([row.origin.value for row in rows]),
    ]
    return pa.Table.from_arrays(columns, schema=SAMPLES)


def series_table(
    series: Series, stamps: np.ndarray[Any, np.dtype[np.int64]], values: np.ndarray[Any, Any], origin: Origin
) -> pa.Table:
    """Build the table (`SAMPLES`) of one series from columns, in their order: stamps in seconds since 1970, values.

    `observed_at` is the stamp.
    """
    times = pa.Array.from_buffers(TIME, len(stamps), [None, pa.py_buffer(np.ascontiguousarray(stamps * 1_000_000))])
    numbers_ = pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])
    codes = int32s(np.zeros(len(stamps), np.int32))
    words = [str(series.market), series.metric.value, origin.value] if len(stamps) else []
    market, metric, said = (pa.DictionaryArray.from_arrays(codes, string_column(words[n : n + 1])) for n in range(3))
    return pa.Table.from_arrays([market, metric, times, numbers_, times, said], schema=SAMPLES)


def samples_of(table: pa.Table) -> list[Sample]:
    """Give the rows of a table of samples as values, in the order of the table."""
    series = [
        Series(Market.parse(market), Metric(metric))
        for market, metric in zip(words_at(table, "market"), words_at(table, "metric"), strict=True)
    ]
    rest = zip(
        series,
        instants(table["minute"]),
        table["value"].to_pylist(),
        instants(table["observed_at"]),
        map(Origin, words_at(table, "origin")),
        strict=True,
    )
    return [Sample(*row) for row in rest]


def check_samples(table: pa.Table) -> None:
    """Refuse rows that no exchange can mean. PermanentError names the series, the minute and the value.

    A price is above 0, a volume 0 or more, both finite and within LEAST and MOST; a minute is a whole UTC minute.
    """
    if not table.schema.equals(SAMPLES):
        raise PermanentError(f"not a table of samples (frames.SAMPLES): {table.schema.names}")
    values, minutes = numbers(table["value"]), micros_of(table["minute"])
    price = are_word(table["metric"], Metric.PRICE)
    size_ok = (values >= LEAST) & (values <= MOST) | (values == 0) & ~price  # NaN is in no range
    bad = np.flatnonzero(~size_ok | (minutes % _MINUTE_US != 0))
    if len(bad):
        row = table.slice(int(bad[0]), 1)
        name = f"{words_at(row, 'market')[0]} {words_at(row, 'metric')[0]}"
        raise PermanentError(
            f"{name} at {instants(row['minute'])[0]}: {float(values[bad[0]])!r} is not a value of a whole minute "
            f"(finite, {LEAST:g} to {MOST:g}{', or 0' if not price[bad[0]] else ''}); nothing was written"
        )


def between(table: pa.Table, start: datetime, end: datetime, markets: Iterable[Market] | None = None) -> pa.Table:
    """Keep the rows stamped in (start, end], of `markets` only where given."""
    minute = micros_of(table["minute"])
    if markets is None and (not len(minute) or (micros(start) < minute.min() and minute.max() <= micros(end))):
        return table  # as nearly always, at a fifth of the cost
    keep = (minute > micros(start)) & (minute <= micros(end))
    if markets is not None:
        wanted = {str(market) for market in markets}
        codes, words = coded(table, "market")
        keep &= np.array([word in wanted for word in words], bool)[codes]
    return table if keep.all() else chosen(table, np.flatnonzero(keep))


def from_none_of(table: pa.Table, source: Callable[[Market, Origin, datetime], bool]) -> pa.Table:
    """Keep the rows of whose exchange, origin and minute `source` says False.

    It is asked once for each (exchange, origin, minute) that occurs, with some market of the exchange.
    """
    table = table.unify_dictionaries().combine_chunks()
    if not table.num_rows:
        return table
    columns = [table[name].chunk(0) for name in ("market", "origin")]
    markets = [Market.parse(text) for text in columns[0].dictionary.to_pylist()]
    origins = [Origin(text) for text in columns[1].dictionary.to_pylist()]
    exchanges = list(dict.fromkeys(market.exchange for market in markets))
    exchange = np.array([exchanges.index(market.exchange) for market in markets])[codes_of(columns[0])]
    keys = np.stack([exchange, codes_of(columns[1]), micros_of(table["minute"])])
    kinds, kind = np.unique(keys, axis=1, return_inverse=True)
    sample = {market.exchange: market for market in markets}
    asked = [not source(sample[exchanges[e]], origins[o], instant(us)) for e, o, us in kinds.T.tolist()]
    keep = np.array(asked)[kind.reshape(-1)]
    return table if keep.all() else chosen(table, np.flatnonzero(keep))


def of_series(table: pa.Table, wanted: Mapping[Market, Collection[str]]) -> pa.Table:
    """Keep the rows of those metrics of those markets."""
    (market, markets), (metric, metrics) = coded(table, "market"), coded(table, "metric")
    asked = {str(one): kinds for one, kinds in wanted.items()}
    keep = np.array([[kind in asked.get(one, ()) for kind in metrics] for one in markets], bool)
    return chosen(table, np.flatnonzero(keep[market, metric])) if table.num_rows else table


def one(table: pa.Table, series: Series) -> pa.Table:
    """Keep the rows of one series of a table of samples."""
    return of_series(table, {series.market: [series.metric.value]})


def minutes_of(table: pa.Table) -> list[datetime]:
    """Give the stamps that occur in a table, oldest first, each once."""
    return [instant(us) for us in np.unique(micros_of(table["minute"])).tolist()]


NO_SAMPLES = samples_table([])
"""A table of samples without rows; `SAMPLES.empty_table()` would import pandas."""
