"""Arrow's buffers in and out, without pandas: times go through int64 microseconds, texts through dictionaries."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

TEXT = pa.dictionary(pa.int32(), pa.string())
TIME = pa.timestamp("us", tz="UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMPY = {TIME: np.int64, pa.float64(): np.float64, pa.int32(): np.int32}


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
    found = [us for chunk in column.chunks for us in chunk.view(pa.int64()).to_pylist()]
    return [None if us is None else instant(us) for us in found]


def values_of(column: pa.ChunkedArray) -> list[Any]:
    """Give a column of any type as Python values, times as datetimes in UTC, null as None."""
    return instants(column) if pa.types.is_timestamp(column.type) else column.to_pylist()


def coded(table: pa.Table, name: str) -> tuple[np.ndarray[Any, np.dtype[np.int32]], list[str]]:
    """Give a dictionary column of a table as codes, and the words they stand for."""
    column = table[name].unify_dictionaries()
    return raw(column), column.chunk(0).dictionary.to_pylist() if column.num_chunks else []


def words_of(table: pa.Table, name: str) -> list[str]:
    """Give the words that occur in a dictionary column of a table, each once."""
    codes, words = coded(table, name)
    return [words[code] for code in np.flatnonzero(np.bincount(codes, minlength=len(words)))]


def raw(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Give what a column's buffers hold: the codes of texts, whose chunks must share their words, or 8-byte integers.

    All columns are texts by dictionary, or 8 bytes wide, and without nulls.
    """
    return _view(column, np.int32 if column.type == TEXT else np.int64)


def like(column: pa.ChunkedArray, found: np.ndarray[Any, Any]) -> pa.Array:
    """Give such buffers as an array of the column's type and words."""
    if column.type == TEXT:
        return pa.DictionaryArray.from_arrays(int32s(found), column.chunk(0).dictionary)
    return pa.Array.from_buffers(column.type, len(found), [None, pa.py_buffer(found)])


def chosen(table: pa.Table, rows: np.ndarray[Any, Any]) -> pa.Table:
    """Give the rows of those numbers.

    `take` does so too, and imports pyarrow.compute: a tenth of a second in a process that needs nothing else of it.
    """
    columns = table.unify_dictionaries().columns
    return pa.Table.from_arrays([like(column, raw(column)[rows]) for column in columns], schema=table.schema)


def instant(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND


def words_at(table: pa.Table, name: str) -> list[str]:
    """Give a dictionary column as strings, row by row."""
    found: list[str] = []
    for chunk in table[name].chunks:
        words = chunk.dictionary.to_pylist()
        found += [words[code] for code in chunk.indices.to_pylist()]
    return found


def codes_of(column: pa.DictionaryArray) -> np.ndarray[Any, np.dtype[np.int32]]:
    indices = column.indices
    return np.frombuffer(indices.buffers()[1], np.int32)[indices.offset : indices.offset + len(indices)]


def is_word(column: pa.DictionaryArray, word: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    matches = np.fromiter((one == word for one in column.dictionary.to_pylist()), bool)
    return matches[codes_of(column)]  # type: ignore[no-any-return]


def are_word(column: pa.ChunkedArray, word: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.concatenate([np.empty(0, bool), *(is_word(one, word) for one in column.chunks)])


def dictionary_column(codes: np.ndarray[Any, np.dtype[np.int32]], words: Sequence[str]) -> pa.DictionaryArray:
    """Give codes, and the words they stand for, as a column."""
    return pa.DictionaryArray.from_arrays(int32s(codes), string_column(words))


def text_column(texts: Sequence[str]) -> pa.DictionaryArray:
    words = sorted(set(texts))
    code = {word: index for index, word in enumerate(words)}
    return dictionary_column(np.array([code[text] for text in texts], np.int32), words)


def string_column(texts: Sequence[str]) -> pa.Array:
    data = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(data), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(data))])


def time_column(us: Sequence[int]) -> pa.Array:
    return pa.Array.from_buffers(TIME, len(us), [None, pa.py_buffer(array("q", us))])


def float_column(values: Sequence[float]) -> pa.Array:
    return pa.Array.from_buffers(pa.float64(), len(values), [None, pa.py_buffer(array("d", values))])


def number_column(values: np.ndarray[Any, Any], kind: pa.DataType) -> pa.Array:
    """Give numbers as a column of floats, times (from microseconds) or 32-bit integers; NaN becomes null."""
    known = ~np.isnan(values)
    numbers = np.where(known, values, 0).astype(_NUMPY[kind])
    bits = None if known.all() else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(numbers)])


def int32s(values: array[int] | np.ndarray[Any, Any]) -> pa.Array:
    return pa.Array.from_buffers(pa.int32(), len(values), [None, pa.py_buffer(values)])


def with_sorted_words(table: pa.Table) -> pa.Table:
    """Give the same rows, each column of texts with one dictionary, sorted: its codes compare as words do."""
    columns = [_by_word(one) if one.type == TEXT else one for one in table.unify_dictionaries().columns]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _by_word(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    words = column.chunk(0).dictionary.to_pylist()
    order = sorted(range(len(words)), key=words.__getitem__)
    if order == list(range(len(words))):
        return column
    rank = np.empty(len(words), np.int32)
    rank[order] = np.arange(len(words), dtype=np.int32)
    return dictionary_column(rank[raw(column)], [words[one] for one in order])


def compact(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Drop the words that no row uses."""
    codes, words = codes_of(column), column.dictionary.to_pylist()
    used = np.zeros(len(words), bool)
    used[codes] = True
    if used.all():
        return column
    new = (np.cumsum(used) - 1).astype(np.int32)
    kept = [word for word, keep in zip(words, used.tolist(), strict=True) if keep]
    return dictionary_column(new[codes], kept)


def _view(column: pa.ChunkedArray, kind: Any) -> np.ndarray[Any, Any]:
    """Look at the buffers of 8-byte values."""
    parts = [
        np.frombuffer(one.buffers()[1], kind)[one.offset : one.offset + len(one)] for one in column.chunks if len(one)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, kind), *parts])
