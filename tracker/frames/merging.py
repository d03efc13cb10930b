"""Put tables of samples together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tracker.frames.buffers import (
    TEXT,
    chosen,
    coded,
    coded_column,
    codes_of,
    compact,
    dictionary_column,
    is_word,
    micros_of,
    sorted_words,
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
    runs = _runs(parts) if len(parts) > 1 else None
    return _sorted(parts, schema) if runs is None else _spliced(parts, runs, schema)


def _sorted(parts: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """Merge tables of whatever order."""
    table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    columns = {one.name: sorted_words(table[one.name].chunk(0)) for one in schema if pa.types.is_dictionary(one.type)}
    codes = {name: codes_of(column) for name, column in columns.items()}
    series = codes["market"].astype(np.int64) * len(columns["metric"].dictionary) + codes["metric"]
    minute = micros_of(table["minute"])
    arrays = [columns[name] if name in columns else table[name].chunk(0) for name in schema.names]
    table = pa.Table.from_arrays(arrays, schema=schema)
    if not _in_order(series, minute):
        order = _order(series, minute)
        series, minute = series[order], minute[order]
        same = (series[1:] == series[:-1]) & (minute[1:] == minute[:-1])
        if same.any():
            polled = is_word(columns["origin"], Origin.POLL)[order] if "origin" in columns else same[:0]
            order = order[_winners(same, polled)]
        table = chosen(table, order)
    arrays = [compact(one.chunk(0)) if one.type == TEXT else one for one in table.columns]
    return pa.Table.from_arrays(arrays, schema=schema)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Where each series lies in a table in which it is one run, rising in time, and the runs rise too."""

    bounds: Ints  # run i has the rows bounds[i] to bounds[i + 1]
    market: list[str]
    metric: list[str]
    market_codes: Ints  # of each run
    metric_codes: Ints


def _runs(tables: Sequence[pa.Table]) -> list[_Runs] | None:
    """Find the runs of tables that are sorted and each later than the one before, as hours are; None for others."""
    found: list[_Runs] = []
    latest = -1
    for table in tables:
        (market, markets), (metric, metrics) = coded(table, "market"), coded(table, "metric")
        minute = micros_of(table["minute"])
        edge = (market[1:] != market[:-1]) | (metric[1:] != metric[:-1])
        if minute.min() <= latest or not (edge | (minute[1:] > minute[:-1])).all():
            return None
        latest = minute.max()
        bounds = np.concatenate(([0], np.flatnonzero(edge) + 1, [len(market)]))
        firsts = bounds[:-1]
        found.append(_Runs(bounds, markets, metrics, market[firsts].astype(np.int64), metric[firsts].astype(np.int64)))
    return found


def _spliced(tables: Sequence[pa.Table], runs: Sequence[_Runs], schema: pa.Schema) -> pa.Table:
    """Put the runs of each series one behind the other: no row is compared, each is copied once to its place."""
    markets, metrics = _union(one.market for one in runs), _union(one.metric for one in runs)
    keys = [
        _places(one.market, markets)[one.market_codes] * len(metrics) + _places(one.metric, metrics)[one.metric_codes]
        for one in runs
    ]
    if not all((key[1:] > key[:-1]).all() for key in keys):
        return _sorted(tables, schema)
    series = np.unique(np.concatenate(keys))
    counts = np.zeros((len(runs), len(series)), np.int64)
    for count, key, one in zip(counts, keys, runs, strict=True):
        count[np.searchsorted(series, key)] = np.diff(one.bounds)
    totals = counts.sum(axis=0)
    begins = np.cumsum(totals) - totals + np.cumsum(counts, axis=0) - counts
    columns = {
        "market": dictionary_column(np.repeat((series // len(metrics)).astype(np.int32), totals), markets),
        "metric": dictionary_column(np.repeat((series % len(metrics)).astype(np.int32), totals), metrics),
    }
    places = []
    for begin, key, one in zip(begins, keys, runs, strict=True):
        shift = begin[np.searchsorted(series, key)] - one.bounds[:-1]
        places.append(np.repeat(shift, np.diff(one.bounds)) + np.arange(one.bounds[-1]))
    arrays = [columns.get(one.name) or _scattered([table[one.name] for table in tables], places) for one in schema]
    return pa.Table.from_arrays([compact(one) if one.type == TEXT else one for one in arrays], schema=schema)


def _scattered(parts: Sequence[pa.ChunkedArray], places: Sequence[Ints]) -> pa.Array:
    """Copy the rows of columns to their places in one."""
    kind, size = parts[0].type, sum(map(len, places))
    if kind == TEXT:
        coded_parts = [coded_column(one) for one in parts]
        words = _union(one for _, one in coded_parts)
        codes = np.empty(size, np.int32)
        for (some, theirs), place in zip(coded_parts, places, strict=True):
            codes[place] = _places(theirs, words)[some]
        return dictionary_column(codes, words)
    found = np.empty(size, np.int64)  # any 8 bytes
    for one, place in zip(parts, places, strict=True):
        found[place] = micros_of(one)
    return pa.Array.from_buffers(kind, size, [None, pa.py_buffer(found)])


def _union(lists: Iterable[list[str]]) -> list[str]:
    return sorted({word for one in lists for word in one})


def _places(words: list[str], of: list[str]) -> Ints:
    """Say where each word stands in a sorted list that holds them all."""
    number = {word: index for index, word in enumerate(of)}
    return np.array([number[word] for word in words], np.int64)


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
