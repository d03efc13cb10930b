"""Many series' statistics at once: one pass over the minutes, each a few operations on an array of all series.

The arithmetic is DuckDB's, operation for operation: Welford's for the deviation, plain sums for the means, one sample
after the other. Going through time for all series side by side is what makes it fast; nothing is added up in
parallel, so that no digit depends on how the rows were cut, on threads, or on the width of a processor's registers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tracker.frames import between, micros, micros_of, numbers, raw, summary_table
from tracker.model import DAY, Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]

_MINUTE = 60_000_000  # microseconds
_CELLS = 2_000_000  # of a grid: bounds the memory for tables of a whole day
_METRICS = sorted(metric.value for metric in Metric)


class _Row(IntEnum):
    """The rows of the state; each holds one number for every series. Minutes count from 1970."""

    N = 0
    MEAN = 1
    SQUARES = 2  # the sum of squared distances from the mean so far
    SUM = 3
    N_1H = 4
    ANCHOR_1H = 5  # the oldest sample of the hour, and the sum of the distances from it
    SUM_1H = 6
    LOW = 7
    HIGH = 8
    LATEST = 9
    LATEST_MINUTE = 10
    ANCHOR = 11  # the oldest sample of the window: MEAN and SQUARES are of distances from it
    DAY_BEFORE = 12  # the oldest sample, if it is of the window's first hour


_START = np.zeros((len(_Row), 1))
_START[_Row.LOW], _START[_Row.HIGH] = np.inf, -np.inf
_START[_Row.DAY_BEFORE] = np.nan


class Running:
    """The statistics of (minute - 24 h, minute] so far."""

    def __init__(self, minute: datetime) -> None:
        self._at = minute
        self._minute = micros(minute) // _MINUTE
        self._markets: dict[str, int] = {}
        self._words: tuple[pa.Array, Ints] = (pa.nulls(0), np.empty(0, np.int64))
        self._state = _START[:, :0]  # series number: that of its market * number of metrics + that of its metric

    def add(self, table: pa.Table) -> None:
        """Take in samples, later than all before, sorted by market, metric and minute, one for each."""
        if not table.num_rows:
            return
        rows = _Rows.of(table)
        if rows.first <= self._minute - 1440 or rows.first + rows.width > self._minute + 1:
            self.add(between(table, self._at - DAY, self._at))
            return
        firsts = rows.bounds[:-1]
        series = self._numbers(rows.markets)[rows.market[firsts]] * len(_METRICS)
        series += np.array([_METRICS.index(one) for one in rows.metrics.to_pylist()])[rows.metric[firsts]]
        for block in rows.blocks(series):
            where = _neighbours(block.series)
            state = self._state[:, where]
            _take_in(state, block, self._minute)
            if not isinstance(where, slice):
                self._state[:, where] = state

    def _numbers(self, markets: pa.Array) -> Ints:
        """Give the number of each market, with room in the state for the new ones."""
        known, numbers_ = self._words
        if not markets.equals(known):
            words = markets.to_pylist()
            for word in words:
                self._markets.setdefault(word, len(self._markets))
            numbers_ = np.array([self._markets[word] for word in words])
            more = len(self._markets) * len(_METRICS) - self._state.shape[1]
            self._state = np.concatenate([self._state, np.repeat(_START, more, axis=1)], axis=1)
            self._words = markets, numbers_
        return numbers_

    def summary(self) -> pa.Table:
        """Give the summary (`frames.SUMMARY`)."""
        known = np.flatnonzero(self._state[_Row.N])
        every = [(market, metric) for market in self._markets for metric in _METRICS]
        names = [every[one] for one in known.tolist()]
        columns = _statistics(self._state[:, known], self._minute)
        metric = known % len(_METRICS)
        columns["rank"] = _ranks(metric, columns["stdev_24h"])
        place = np.argsort(sorted(range(len(names)), key=names.__getitem__))
        order = np.lexsort((place, columns["rank"], metric))
        return summary_table(self._at, [names[one] for one in order], {k: v[order] for k, v in columns.items()})


@dataclass(frozen=True, slots=True)
class _Block:
    """The samples of some series as a grid of minutes by series; `absent` is None, or True where there is none."""

    series: Ints
    first: int  # the minute of row 0
    grid: Floats
    absent: Flags | None


@dataclass(frozen=True, slots=True)
class _Rows:
    """Sorted rows as arrays; series i has the rows bounds[i] to bounds[i + 1]."""

    market: Codes
    metric: Codes
    markets: pa.Array  # the words that the codes stand for
    metrics: pa.Array
    first: int  # minute, from 1970
    width: int  # minutes from the first to the last
    bounds: Ints
    minutes: Ints  # in microseconds
    values: Floats

    @classmethod
    def of(cls, table: pa.Table) -> _Rows:
        """Look at a table that is sorted by market, metric and minute, with one row for each."""
        table = table.unify_dictionaries()
        market, metric = raw(table["market"]), raw(table["metric"])
        minutes, values = micros_of(table["minute"]), numbers(table["value"])
        first, last, width = int(minutes[0]), int(minutes[-1]), _width(market, metric, minutes)
        if width:
            bounds = np.arange(0, len(minutes) + 1, width)
        else:
            edges = np.flatnonzero((market[1:] != market[:-1]) | (metric[1:] != metric[:-1])) + 1
            bounds = np.concatenate(([0], edges, [len(minutes)]))
            first, last = int(minutes[bounds[:-1]].min()), int(minutes[bounds[1:] - 1].max())
            width = (last - first) // _MINUTE + 1
        markets, metrics = (table[name].chunk(0).dictionary for name in ("market", "metric"))
        return cls(market, metric, markets, metrics, first // _MINUTE, width, bounds, minutes, values)

    def blocks(self, series: Ints) -> Iterator[_Block]:
        """Cut the rows into grids of bounded size. `series` has the number of each."""
        step = max(1, _CELLS // self.width)
        for begin in range(0, len(series), step):
            bounds = self.bounds[begin : begin + step + 1]
            yield _Block(series[begin : begin + step], self.first, *self._grid(np.diff(bounds), bounds[0], bounds[-1]))

    def _grid(self, lengths: Ints, begin: int, end: int) -> tuple[Floats, Flags | None]:
        shape, values = (len(lengths), self.width), self.values[begin:end]
        if len(values) == len(lengths) * self.width:
            return np.ascontiguousarray(values.reshape(shape).T), None
        places = self.minutes[begin:end] // _MINUTE - self.first
        places += np.repeat(np.arange(len(lengths)) * self.width, lengths)
        grid, absent = np.zeros(len(lengths) * self.width), np.ones(len(lengths) * self.width, bool)
        grid[places], absent[places] = values, False
        return np.ascontiguousarray(grid.reshape(shape).T), np.ascontiguousarray(absent.reshape(shape).T)


def _width(market: Codes, metric: Codes, minutes: Ints) -> int:
    """Give the number of minutes from the first row to the last if each series has all of them, else 0.

    As the rows are sorted, with one for each series and minute, every so many of them tell.
    """
    width = int(minutes[-1] - minutes[0]) // _MINUTE + 1
    if width < 1 or len(minutes) % width:
        return 0
    first, last = slice(None, None, width), slice(width - 1, None, width)
    same = (market[first] == market[last]) & (metric[first] == metric[last])
    same &= (minutes[first] == minutes[0]) & (minutes[last] == minutes[-1])
    return width if same.all() else 0


def _take_in(state: Floats, block: _Block, minute: int) -> None:
    """Bring the state of the block's series up to date, in place."""
    _edges(state, block, minute)
    gaps: Flags = (
        np.zeros(len(block.grid), bool) if block.absent is None else np.logical_or.reduce(block.absent, axis=1)
    )
    spare = np.empty((3, len(block.series)))
    for row, values in enumerate(block.grid):
        absent = block.absent[row] if gaps[row] and block.absent is not None else None
        _welford(state, values, absent, spare)
        state[_Row.SUM] += values  # 0 where there is no sample
        if minute - 60 <= block.first + row < minute:
            _add_to_hour(state, values, absent)


def _edges(state: Floats, block: _Block, minute: int) -> None:
    """Note the extremes, and the first and last samples."""
    grid, absent, every = block.grid, block.absent, np.arange(len(block.series))
    low = grid if absent is None else np.where(absent, np.inf, grid)
    high = grid if absent is None else np.where(absent, -np.inf, grid)
    np.minimum(state[_Row.LOW], low.min(axis=0), out=state[_Row.LOW])
    np.maximum(state[_Row.HIGH], high.max(axis=0), out=state[_Row.HIGH])
    first = np.zeros(len(every), np.int64) if absent is None else absent.argmin(axis=0)
    last = len(grid) - 1 - (np.zeros_like(first) if absent is None else absent[::-1].argmin(axis=0))
    new = np.flatnonzero(state[_Row.N] == 0)
    state[_Row.ANCHOR, new] = grid[first[new], new]
    oldest = new[block.first + first[new] <= minute - 23 * 60]
    state[_Row.DAY_BEFORE, oldest] = grid[first[oldest], oldest]
    state[_Row.LATEST], state[_Row.LATEST_MINUTE] = grid[last, every], block.first + last


def _welford(state: Floats, values: Floats, absent: Flags | None, spare: Floats) -> None:
    """Add a sample of each series to its mean and its sum of squared distances."""
    n, mean, squares = state[_Row.N], state[_Row.MEAN], state[_Row.SQUARES]
    apart, distance, step = spare
    np.subtract(values, state[_Row.ANCHOR], out=apart)
    if absent is None:
        n += 1
    else:
        n += ~absent
        np.copyto(apart, mean, where=absent)  # no distance, so no step
    np.subtract(apart, mean, out=distance)
    np.divide(distance, n if absent is None else np.maximum(n, 1), out=step)
    mean += step
    np.subtract(apart, mean, out=step)
    step *= distance
    squares += step


def _add_to_hour(state: Floats, values: Floats, absent: Flags | None) -> None:
    """Add a sample of each series to the number and the sum of the hour before the minute."""
    there = np.full(len(values), fill_value=True) if absent is None else ~absent
    np.copyto(state[_Row.ANCHOR_1H], values, where=there & (state[_Row.N_1H] == 0))
    state[_Row.N_1H] += there
    state[_Row.SUM_1H] += np.where(there, values - state[_Row.ANCHOR_1H], 0)


def _statistics(state: Floats, minute: int) -> dict[str, Floats]:
    """Give the columns of `frames.SUMMARY` that come from one series alone, NaN for null."""
    row = dict(zip(_Row, state, strict=True))
    n, n_1h, latest, low, high = (row[one] for one in (_Row.N, _Row.N_1H, _Row.LATEST, _Row.LOW, _Row.HIGH))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_1h = row[_Row.ANCHOR_1H] + row[_Row.SUM_1H] / n_1h
        mean_24h = row[_Row.SUM] / n
        stdev = np.where(n < 2, np.nan, np.where(low == high, 0, np.sqrt(row[_Row.SQUARES] / n)))
        now = (row[_Row.LATEST_MINUTE] == minute) & (mean_1h > 0)
        return {
            "latest": latest,
            "latest_minute": row[_Row.LATEST_MINUTE] * _MINUTE,
            "change_24h": np.where(row[_Row.DAY_BEFORE] == 0, np.nan, latest / row[_Row.DAY_BEFORE] - 1),
            "mean_1h": mean_1h,
            "ratio_1h": np.where(now, latest / mean_1h, np.nan),
            "stdev_24h": stdev,
            "cv_24h": np.where(mean_24h == 0, np.nan, stdev / mean_24h),
            "n_1h": n_1h,
            "n_24h": n,
            "min_24h": low,
            "max_24h": high,
        }


def _ranks(metric: Ints, stdev: Floats) -> Floats:
    """Give 1 to the largest deviation of each metric; ties share a rank, NaN has none."""
    ranks = np.full(len(stdev), np.nan)
    for one in range(len(_METRICS)):
        ranked = np.flatnonzero((metric == one) & ~np.isnan(stdev))
        falling = -stdev[ranked]
        ranks[ranked] = np.searchsorted(np.sort(falling), falling) + 1
    return ranks


def _neighbours(series: Ints) -> slice | Ints:
    """Give a run of numbers as a slice, which makes a view; others as they are, which makes a copy."""
    run = len(series) == series[-1] - series[0] + 1 and bool((np.diff(series) == 1).all())
    return slice(series[0], series[-1] + 1) if run else series
