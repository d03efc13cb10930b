"""Arrow tables: the one place that names a column, and the way in and out of them.

Importing and using this module imports pyarrow and numpy, never pandas: `pa.array`, `pa.scalar`, `to_numpy` and
`to_pylist` of times would, at a second of import in every task process. Times go through int64 microseconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from tracker.errors import PermanentError
from tracker.model import Market, Metric, Origin, Sample, Series

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


LEAST, MOST = 1e-100, 1e100
"""A value that is not zero lies between these: its square is then a float too, and so is every statistic."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
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
        _words([key[0] for key in keys]),
        _words([key[1] for key in keys]),
        _times([key[2] for key in keys]),
        _floats([row.value for row in rows]),
        _times([micros(row.observed_at) for row in rows]),
        _words([row.origin.value for row in rows]),
    ]
    return pa.Table.from_arrays(columns, schema=SAMPLES)


def series_table(
    series: Series, stamps: np.ndarray[Any, np.dtype[np.int64]], values: np.ndarray[Any, Any], origin: Origin
) -> pa.Table:
    """Build the table (`SAMPLES`) of one series from columns, in their order: stamps in seconds since 1970, values.

    `observed_at` is the stamp.
    """
    times = pa.Array.from_buffers(_TIME, len(stamps), [None, pa.py_buffer(np.ascontiguousarray(stamps * 1_000_000))])
    numbers_ = pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])
    codes = _int32s(np.zeros(len(stamps), np.int32))
    words = [str(series.market), series.metric.value, origin.value] if len(stamps) else []
    market, metric, said = (pa.DictionaryArray.from_arrays(codes, _strings(words[n : n + 1])) for n in range(3))
    return pa.Table.from_arrays([market, metric, times, numbers_, times, said], schema=SAMPLES)


def samples_of(table: pa.Table) -> list[Sample]:
    """Give the rows of a table of samples as values, in the order of the table."""
    series = [
        Series(Market.parse(market), Metric(metric))
        for market, metric in zip(_texts(table, "market"), _texts(table, "metric"), strict=True)
    ]
    rest = zip(
        series,
        instants(table["minute"]),
        table["value"].to_pylist(),
        instants(table["observed_at"]),
        map(Origin, _texts(table, "origin")),
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
    price = _are(table["metric"], Metric.PRICE)
    size_ok = (values >= LEAST) & (values <= MOST) | (values == 0) & ~price  # NaN is in no range
    bad = np.flatnonzero(~size_ok | (minutes % _MINUTE_US != 0))
    if len(bad):
        row = table.slice(int(bad[0]), 1)
        name = f"{_texts(row, 'market')[0]} {_texts(row, 'metric')[0]}"
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
    columns = {one.name: _sorted_words(table[one.name].chunk(0)) for one in schema if pa.types.is_dictionary(one.type)}
    codes = {name: _codes(column) for name, column in columns.items()}
    series = codes["market"].astype(np.int64) * len(columns["metric"].dictionary) + codes["metric"]
    minute = micros_of(table["minute"])
    arrays = [columns[name] if name in columns else table[name].chunk(0) for name in schema.names]
    if not _in_order(series, minute):
        order = _order(series, minute)
        series, minute = series[order], minute[order]
        same = (series[1:] == series[:-1]) & (minute[1:] == minute[:-1])
        if same.any():
            polled = _is(columns["origin"], Origin.POLL)[order] if "origin" in columns else same[:0]
            order = order[_winners(same, polled)]
        arrays = [one.take(_int64s(order)) for one in arrays]
    arrays = [_compact(one) if pa.types.is_dictionary(one.type) else one for one in arrays]
    return pa.Table.from_arrays(arrays, schema=schema)


def between(table: pa.Table, start: datetime, end: datetime, markets: Iterable[Market] | None = None) -> pa.Table:
    """Keep the rows stamped in (start, end], of `markets` only where given."""
    minute = micros_of(table["minute"])
    keep = (minute > micros(start)) & (minute <= micros(end))
    if markets is not None:
        wanted = {str(market) for market in markets}
        keep &= np.fromiter((one in wanted for one in _texts(table, "market")), bool, table.num_rows)
    return table if keep.all() else table.take(_int64s(np.flatnonzero(keep)))


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
    exchange = np.array([exchanges.index(market.exchange) for market in markets])[_codes(columns[0])]
    keys = np.stack([exchange, _codes(columns[1]), micros_of(table["minute"])])
    kinds, kind = np.unique(keys, axis=1, return_inverse=True)
    sample = {market.exchange: market for market in markets}
    asked = [not source(sample[exchanges[e]], origins[o], _instant(us)) for e, o, us in kinds.T.tolist()]
    keep = np.array(asked)[kind.reshape(-1)]
    return table if keep.all() else table.take(_int64s(np.flatnonzero(keep)))


def one(table: pa.Table, series: Series) -> pa.Table:
    """Keep the rows of one series of a table of samples."""
    market, metric = str(series.market), series.metric.value
    pairs = zip(_texts(table, "market"), _texts(table, "metric"), strict=True)
    return table.take(_int64s([row for row, pair in enumerate(pairs) if pair == (market, metric)]))


def minutes_of(table: pa.Table) -> list[datetime]:
    """Give the stamps that occur in a table, oldest first, each once."""
    return [_instant(us) for us in np.unique(micros_of(table["minute"])).tolist()]


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
        column = summary[field.name]
        if pa.types.is_timestamp(column.type):
            columns.append(instants(column))
        elif field.name == "market":
            columns.append([Market.parse(text) for text in column.to_pylist()])
        elif field.name == "metric":
            columns.append([Metric(text) for text in column.to_pylist()])
        else:
            columns.append(column.to_pylist())
    return [SummaryRow(*row) for row in zip(*columns, strict=True)]


def micros(at: datetime) -> int:
    """Give an instant as whole microseconds since 1970 in UTC. ValueError if it has no time zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return (at - _EPOCH) // _MICROSECOND


def micros_of(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Give a column of times without nulls as microseconds since 1970."""
    return _view(column, np.int64)


def numbers(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give a float64 column without nulls as a numpy array, without a copy where it is in one piece."""
    return _view(column, np.float64)


def instants(column: pa.ChunkedArray) -> list[Any]:
    """Give a column of times as datetimes in UTC, null as None."""
    return [None if us is None else _instant(us) for us in column.cast(pa.int64()).to_pylist()]


def coded(table: pa.Table, name: str) -> tuple[np.ndarray[Any, np.dtype[np.int32]], list[str]]:
    """Give a dictionary column without nulls as codes, and the words they stand for."""
    column = table[name].unify_dictionaries().combine_chunks()
    chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return _codes(chunk), chunk.dictionary.to_pylist()


def _instant(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND


def _view(column: pa.ChunkedArray, kind: Any) -> np.ndarray[Any, Any]:
    """Look at the buffers of 8-byte values."""
    parts = [
        np.frombuffer(one.buffers()[1], kind)[one.offset : one.offset + len(one)] for one in column.chunks if len(one)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, kind), *parts])


def _texts(table: pa.Table, name: str) -> list[str]:
    """Give a dictionary column as strings."""
    found: list[str] = []
    for chunk in table[name].chunks:
        words = chunk.dictionary.to_pylist()
        found += [words[code] for code in chunk.indices.to_pylist()]
    return found


def _codes(column: pa.DictionaryArray) -> np.ndarray[Any, np.dtype[np.int32]]:
    indices = column.indices
    return np.frombuffer(indices.buffers()[1], np.int32)[indices.offset : indices.offset + len(indices)]


def _is(column: pa.DictionaryArray, word: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    matches = np.fromiter((one == word for one in column.dictionary.to_pylist()), bool)
    return matches[_codes(column)]  # type: ignore[no-any-return]


def _are(column: pa.ChunkedArray, word: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.concatenate([np.empty(0, bool), *(_is(one, word) for one in column.chunks)])


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


def _sorted_words(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Give the same column with its dictionary sorted, so that codes compare as words do."""
    words = column.dictionary.to_pylist()
    order = sorted(range(len(words)), key=words.__getitem__)
    if order == list(range(len(words))):
        return column
    rank = np.empty(len(words), np.int32)
    rank[order] = np.arange(len(words), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(_int32s(rank[_codes(column)]), _strings([words[one] for one in order]))


def _compact(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Drop the words that no row uses."""
    codes, words = _codes(column), column.dictionary.to_pylist()
    used = np.zeros(len(words), bool)
    used[codes] = True
    if used.all():
        return column
    new = (np.cumsum(used) - 1).astype(np.int32)
    kept = [word for word, keep in zip(words, used.tolist(), strict=True) if keep]
    return pa.DictionaryArray.from_arrays(_int32s(new[codes]), _strings(kept))


def _words(texts: Sequence[str]) -> pa.DictionaryArray:
    words = sorted(set(texts))
    code = {word: index for index, word in enumerate(words)}
    return pa.DictionaryArray.from_arrays(_int32s(array("i", [code[text] for text in texts])), _strings(words))


def _strings(texts: Sequence[str]) -> pa.Array:
    data = [text.encode() for text in texts]
    ends = array("i", [0])
    for one in data:
        ends.append(ends[-1] + len(one))
    return pa.Array.from_buffers(pa.string(), len(data), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(data))])


def _times(us: Sequence[int]) -> pa.Array:
    return pa.Array.from_buffers(_TIME, len(us), [None, pa.py_buffer(array("q", us))])


def _floats(values: Sequence[float]) -> pa.Array:
    return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(array("d", values))])


def _int32s(values: array[int] | np.ndarray[Any, Any]) -> pa.Array:
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(values)])


def _int64s(values: Sequence[int] | np.ndarray[Any, Any]) -> pa.Array:
    numbers = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


NO_SAMPLES = samples_table([])
"""A table of samples without rows; `SAMPLES.empty_table()` would import pandas."""
