"""The window as plain arrays, cut into series. Reads Arrow buffers as they are, so pandas is never imported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracker.alerts.values import AlertRule
from tracker.frames import micros_of, numbers
from tracker.model import Market, Metric, Series

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MINUTE = 60_000_000  # microseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Columns:
    """Samples by series and minute; series i has the rows bounds[i] to bounds[i + 1]. Minutes count from 1970."""

    names: list[tuple[str, str]]
    bounds: Ints
    minutes: Ints
    values: Floats

    def series(self, index: int) -> Series:
        """Give the words of a series."""
        market, metric = self.names[index]
        return Series(Market.parse(market), Metric(metric))

    def after(self, minute: int) -> Columns:
        """Give the samples after a minute only; the series stay, also those that have none."""
        kept = self.minutes > minute
        if kept.all():
            return self
        before = np.concatenate([[0], np.cumsum(kept)])
        return Columns(self.names, before[self.bounds], self.minutes[kept], self.values[kept])

    def index(self, series: Series) -> int | None:
        """Give the number of a series; None if it has no sample here."""
        return self._places.get((str(series.market), series.metric.value))

    @cached_property
    def _places(self) -> dict[tuple[str, str], int]:
        return {name: index for index, name in enumerate(self.names)}

    def chosen(self, rule: AlertRule) -> Ints:
        """Give the indexes of the series that a rule judges."""
        names = enumerate(self.names)
        return np.array([i for i, name in names if name[1] == rule.metric and rule.watches(name[0])], dtype=np.int64)

    def rows(self, chosen: Ints) -> tuple[Ints, Ints]:
        """Give the rows of the chosen series one after another, and the series of each."""
        lengths = self.bounds[chosen + 1] - self.bounds[chosen]
        before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        rows = np.arange(lengths.sum()) + np.repeat(self.bounds[chosen] - before, lengths)
        return rows, np.repeat(chosen, lengths)

    def blocks(self, chosen: Ints, most_rows: int) -> Iterator[Ints]:
        """Cut the chosen series into blocks of at most `most_rows` rows (a longer series is a block of its own)."""
        lengths = self.bounds[chosen + 1] - self.bounds[chosen]
        block = np.cumsum(lengths) // most_rows
        yield from np.split(chosen, np.flatnonzero(np.diff(block)) + 1)


def columns(window: pa.Table, since: datetime | None, until: datetime) -> Columns:
    """Read the samples of (since, until] from a table of schema `frames.SAMPLES`, in whatever order its rows are."""
    table = window.select(["market", "metric", "minute", "value"]).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        empty = np.array([], dtype=np.int64)
        return Columns([], np.array([0], dtype=np.int64), empty, empty.astype(np.float64))
    markets, market_names = _words(table.column("market"))
    metrics, metric_names = _words(table.column("metric"))
    minutes = micros_of(table.column("minute")) // _MINUTE
    values = numbers(table.column("value"))
    ids = markets.astype(np.int64) * len(metric_names) + metrics
    inside = minutes <= number_of(until)
    if since is not None:
        inside &= minutes > number_of(since)
    if not inside.all():
        ids, minutes, values = ids[inside], minutes[inside], values[inside]
    new = np.flatnonzero(np.diff(ids))
    grouped = len(new) + 1 == len(np.unique(ids[np.concatenate([[0], new + 1])])) if len(ids) else True
    if not grouped or (np.diff(minutes)[np.diff(ids) == 0] < 0).any():
        order = np.lexsort((minutes, ids))
        ids, minutes, values = ids[order], minutes[order], values[order]
        new = np.flatnonzero(np.diff(ids))
    firsts = np.concatenate([[0], new + 1]) if len(ids) else np.array([], dtype=np.int64)
    words = [divmod(int(one), len(metric_names)) for one in ids[firsts]]
    names = [(market_names[market], metric_names[metric]) for market, metric in words]
    return Columns(names, np.append(firsts, len(ids)).astype(np.int64), minutes, values)


def number_of(minute: datetime) -> int:
    """Count the whole minutes from 1970."""
    return (minute - _EPOCH) // timedelta(minutes=1)


def minute_of(number: int) -> datetime:
    """Give the minute of a count from 1970."""
    return _EPOCH + timedelta(minutes=number)


def _words(column: pa.ChunkedArray) -> tuple[NDArray[Any], list[str]]:
    """Give a text column as indexes into its words."""
    array = column.chunk(0) if pa.types.is_dictionary(column.type) else column.chunk(0).dictionary_encode()
    indices = array.indices
    codes = np.frombuffer(indices.buffers()[1], np.dtype(str(indices.type)))[indices.offset :][: len(indices)]
    return codes, array.dictionary.to_pylist()
