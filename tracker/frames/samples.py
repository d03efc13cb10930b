"""Tables of samples: built, judged and merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from tracker.errors import PermanentError
from tracker.frames.buffers import (
    TEXT,
    TIME,
    are_word,
    codes_of,
    compact,
    float_column,
    instant,
    instants,
    int32s,
    int64s,
    is_word,
    micros,
    micros_of,
    numbers,
    sorted_words,
    string_column,
    text_column,
    texts_of,
    time_column,
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
        for market, metric in zip(texts_of(table, "market"), texts_of(table, "metric"), strict=True)
    ]
    rest = zip(
        series,
        instants(table["minute"]),
        table["value"].to_pylist(),
        instants(table["observed_at"]),
        map(Origin, texts_of(table, "origin")),
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
        name = f"{texts_of(row, 'market')[0]} {texts_of(row, 'metric')[0]}"
        raise PermanentError(
            f"{name} at {instants(row['minute'])[0]}: {float(values[bad[0]])!r} is not a value of a whole minute "
            f"(finite, {LEAST:g} to {MOST:g}{', or 0' if not price[bad[0]] else ''}); nothing was written"
        )


def merged(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables of samples together: sorted by market, metric, minute, one row per (series, minute).

    There a poll wins over a candle, and a later table over an earlier one. The result does not depend on how the
    rows were split, and its dictionaries hold what its rows use, sorted: equal rows give equal bytes. All tables
    may lack the same columns but market, metric and minute; without origin, the later table wins.
    """
    schema = pa.schema([field for field in SAMPLES if not tables or field.name in tables[0].schema.names])
    table = pa.concat_tables([one for one in tables if one.num_rows] or [NO_SAMPLES])
    table = table.select(schema.names).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        return NO_SAMPLES.select(schema.names)
    columns = {one.name: sorted_words(table[one.name].chunk(0)) for one in schema if pa.types.is_dictionary(one.type)}
    codes = {name: codes_of(column) for name, column in columns.items()}
    series = codes["market"].astype(np.int64) * len(columns["metric"].dictionary) + codes["metric"]
    minute = micros_of(table["minute"])
    arrays = [columns[name] if name in columns else table[name].chunk(0) for name in schema.names]
    if not _in_order(series, minute):
        order = _order(series, minute)
        series, minute = series[order], minute[order]
        same = (series[1:] == series[:-1]) & (minute[1:] == minute[:-1])
        if same.any():
            polled = is_word(columns["origin"], Origin.POLL)[order] if "origin" in columns else same[:0]
            order = order[_winners(same, polled)]
        arrays = [one.take(int64s(order)) for one in arrays]
    arrays = [compact(one) if pa.types.is_dictionary(one.type) else one for one in arrays]
    return pa.Table.from_arrays(arrays, schema=schema)


def between(table: pa.Table, start: datetime, end: datetime, markets: Iterable[Market] | None = None) -> pa.Table:
    """Keep the rows stamped in (start, end], of `markets` only where given."""
    minute = micros_of(table["minute"])
    if markets is None and (not len(minute) or (micros(start) < minute.min() and minute.max() <= micros(end))):
        return table  # as nearly always, at a fifth of the cost
    keep = (minute > micros(start)) & (minute <= micros(end))
    if markets is not None:
        wanted = {str(market) for market in markets}
        keep &= np.fromiter((one in wanted for one in texts_of(table, "market")), bool, table.num_rows)
    return table if keep.all() else table.take(int64s(np.flatnonzero(keep)))


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
    return table if keep.all() else table.take(int64s(np.flatnonzero(keep)))


def one(table: pa.Table, series: Series) -> pa.Table:
    """Keep the rows of one series of a table of samples."""
    market, metric = str(series.market), series.metric.value
    pairs = zip(texts_of(table, "market"), texts_of(table, "metric"), strict=True)
    return table.take(int64s([row for row, pair in enumerate(pairs) if pair == (market, metric)]))


def minutes_of(table: pa.Table) -> list[datetime]:
    """Give the stamps that occur in a table, oldest first, each once."""
    return [instant(us) for us in np.unique(micros_of(table["minute"])).tolist()]


def _in_order(series: np.ndarray[Any, Any], minute: np.ndarray[Any, Any], *, strictly: bool = True) -> bool:
    later = minute[1:] > minute[:-1] if strictly else minute[1:] >= minute[:-1]
    return bool(((series[1:] > series[:-1]) | (series[1:] == series[:-1]) & later).all())


def _order(series: np.ndarray[Any, Any], minute: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Sort by series, then minute; stable, so that of equal keys the later table stays behind."""
    narrow = series.astype(np.uint16) if series.max() < 2**16 else series  # 16 bits are sorted in linear time
    order = np.argsort(narrow, kind="stable")
    if _in_order(series[order], minute[order], strictly=False):  # as it is when hours are given in their order
        return order
    return np.lexsort((minute, series))


def _winners(same: np.ndarray[Any, Any], polled: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Choose one position of each run of equal keys: the last poll, else the last. `same[i]`: i and i+1 are equal."""
    starts = np.flatnonzero(np.concatenate(([True], ~same)))
    last = np.append(starts[1:], len(same) + 1) - 1
    if not len(polled):
        return last
    last_poll = np.maximum.reduceat(np.where(polled, np.arange(len(polled)), -1), starts)
    return np.where(last_poll >= 0, last_poll, last)


NO_SAMPLES = samples_table([])
"""A table of samples without rows; `SAMPLES.empty_table()` would import pandas."""
