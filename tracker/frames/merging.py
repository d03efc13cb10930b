"""Put tables of samples together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tracker.frames.buffers import (
    TEXT,
    are_word,
    chosen,
    compact,
    like,
    micros_of,
    raw,
    with_sorted_words,
)
from tracker.frames.samples import NO_SAMPLES, SAMPLES
from tracker.model import Origin

Ints = np.ndarray[Any, np.dtype[np.int64]]


def merged(tables: Sequence[pa.Table]) -> pa.Table:
    """Put tables of samples together: sorted by market, metric, minute, one row per (series, minute).

    There a poll wins over a candle, and a later table over an earlier one. The result does not depend on how the
    rows were split, and its dictionaries hold what its rows use, sorted: equal rows give equal bytes. All tables
    may lack the same columns but market, metric and minute; without origin, the later table wins.
    """
    schema = pa.schema([field for field in SAMPLES if not tables or field.name in tables[0].schema.names])
    parts = [one.select(schema.names) for one in tables if one.num_rows]
    if not parts:
        return NO_SAMPLES.select(schema.names)
    table = with_sorted_words(pa.concat_tables(parts))
    runs = _runs(table, [one.num_rows for one in parts])
    table = (_sorted(table) if runs is None else _spliced(table, runs)).combine_chunks()
    arrays = [compact(one.chunk(0)) if one.type == TEXT else one for one in table.columns]
    return pa.Table.from_arrays(arrays, schema=schema)


def _series(table: pa.Table) -> Ints:
    """Give a number for the series of each row; numbers compare as names do."""
    metrics = len(table["metric"].chunk(0).dictionary)
    found: Ints = raw(table["market"]).astype(np.int64) * metrics + raw(table["metric"])
    return found


def _sorted(table: pa.Table) -> pa.Table:
    """Sort rows of whatever order, and choose of those with equal keys."""
    series, minute = _series(table), micros_of(table["minute"])
    if _in_order(series, minute):
        return table
    order = _order(series, minute)
    series, minute = series[order], minute[order]
    same = (series[1:] == series[:-1]) & (minute[1:] == minute[:-1])
    if same.any():
        polled = are_word(table["origin"], Origin.POLL)[order] if "origin" in table.column_names else same[:0]
        order = order[_winners(same, polled)]
    return chosen(table, order)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Where each series lies in a part of a table in which it is one run, rising in time, and the runs rise too."""

    bounds: Ints  # run i has the rows bounds[i] to bounds[i + 1] of the part
    series: Ints  # the number of each


def _runs(table: pa.Table, lengths: Sequence[int]) -> list[_Runs] | None:
    """Find the runs of parts that are sorted and each later than the one before, as hours are; None for others."""
    found: list[_Runs] = []
    begin, latest = 0, -1
    for length in lengths:
        part = table.slice(begin, length)
        series, minute = _series(part), micros_of(part["minute"])
        if minute.min() <= latest or not _in_order(series, minute):
            return None
        begin, latest = begin + length, minute.max()
        bounds = np.concatenate(([0], np.flatnonzero(series[1:] != series[:-1]) + 1, [length]))
        found.append(_Runs(bounds, series[bounds[:-1]]))
    return found


def _spliced(table: pa.Table, runs: Sequence[_Runs]) -> pa.Table:
    """Put the runs of each series one behind the other: no row is compared, each is copied once to its place."""
    counts = np.zeros((len(runs), 1 + max(int(one.series[-1]) for one in runs)), np.int64)
    for count, one in zip(counts, runs, strict=True):
        count[one.series] = np.diff(one.bounds)
    totals = counts.sum(axis=0)
    begins = np.cumsum(totals) - totals + np.cumsum(counts, axis=0) - counts
    places = []
    for begin, one in zip(begins, runs, strict=True):
        shift = begin[one.series] - one.bounds[:-1]
        places.append(np.repeat(shift, np.diff(one.bounds)) + np.arange(one.bounds[-1]))
    return pa.Table.from_arrays([_scattered(column, places) for column in table.columns], schema=table.schema)


def _scattered(column: pa.ChunkedArray, places: Sequence[Ints]) -> pa.Array:
    """Copy the rows of a column to their places, part by part."""
    found, begin = np.empty(len(column), raw(column.slice(0, 1)).dtype), 0
    for place in places:
        found[place] = raw(column.slice(begin, len(place)))
        begin += len(place)
    return like(column, found)


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
