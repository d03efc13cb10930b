"""The samples of each hour, from its sealed object where that says what its inputs say, else from the inputs.

The inputs of an hour are its minute and candle objects. The sealed object notes a digest of their names and contents
as of its making; whoever reads compares it with what is listed now. So a sealed object that a killed writer left
behind is never believed, and locks and times have no part in being right. Rows whose input is gone (retention) live
on in the sealed object, which thereby is an input of the next one.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

import pyarrow as pa

from tracker.errors import Conflict, StoreUnavailable
from tracker.frames import NO_SAMPLES, SAMPLES, from_none_of, merged
from tracker.model import DAY, Market, Origin, iso, whole_hour
from tracker.objects import ObjectInfo, Objects
from tracker.store import layout, parquet

A = TypeVar("A")
B = TypeVar("B")

AT_ONCE = 16
"""Objects fetched at the same time."""

_FETCHED, _DECODED = 6, 1
"""Sealed hours fetched, and decoded, ahead of the one in use: the bound of what reading a range of any length holds."""

_DECODERS = 2
"""While the one in use is worked on, one more is decoded; while it is waited for, two."""

_TRIES = 20
_INPUTS = "inputs"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a seal left: `rows` and `bytes` of the hour's object, and the inputs it holds. No object: 0 rows."""

    hour: datetime
    rows: int
    bytes: int
    changed: bool
    inputs: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Hour:
    """What is listed of an hour: its inputs (candles before minutes), and whether it has a sealed object."""

    at: datetime
    inputs: tuple[ObjectInfo, ...]
    sealed: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which rows of which inputs are asked for."""

    start: datetime
    end: datetime
    columns: tuple[str, ...]
    exchanges: Collection[str] | None

    def may_be_in(self, path: str) -> bool:
        """Say whether an input may hold such rows."""
        at = layout.stamp(path)
        inside = at is not None and (not path.startswith("minute/") or self.start < at <= self.end)
        return inside and (self.exchanges is None or layout.exchange_file(path) in self.exchanges)


@dataclass(slots=True)
class _Made:
    """A sealed object as last built."""

    rows: int = 0
    bytes: int = 0
    digest: str = ""
    inputs: frozenset[str] = field(default_factory=frozenset)


class Hours:
    """The hours of a store."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def read(
        self, start: datetime, end: datetime, columns: Sequence[str], exchanges: Collection[str] | None = None
    ) -> Iterator[pa.Table]:
        """Give the samples of each hour that may hold rows of (start, end], oldest hour first.

        Each table is sorted, with one row per (series, minute); it has the `columns`, and may hold rows outside the
        range. `exchanges` (as `layout.safe_name`) leaves out the inputs of others, where inputs are read.
        """
        wanted, hours = _Wanted(start, end, tuple(columns), exchanges), self._listed(start, end)
        open_ = [hours.pop()] if hours and not hours[-1].sealed else []
        with ThreadPoolExecutor(_FETCHED) as fetchers, ThreadPoolExecutor(_DECODERS) as decoders:
            begun = [decoders.submit(self._table, one, None, wanted) for one in open_]  # the longest, so the first
            fetched = ahead(fetchers, self._with_sealed, hours, _FETCHED)
            yield from ahead(decoders, lambda one: self._table(*one, wanted), fetched, _DECODED)
            yield from (one.result() for one in begun)

    def seal(self, hour: datetime) -> Sealed:
        """Build the object of an hour from its inputs and check that they are still the same afterwards.

        The mark comes first: a writer that finds none afterwards has put its input before these are listed.
        """
        made, changed = _Made(), False
        if not self.is_marked(hour):
            if not self._inputs(hour):
                return Sealed(hour, 0, 0, changed=False, inputs=frozenset())
            self._objects.put(layout.mark_path(hour), b"")

        def build(old: bytes | None) -> bytes | None:
            nonlocal made
            made, data = self._built(hour, old)
            return data

        for _ in range(_TRIES):
            changed |= self._objects.update(layout.hour_path(hour), build)
            if self._digest(self._inputs(hour)) == made.digest:
                return Sealed(hour, made.rows, made.bytes, changed, made.inputs)
        raise Conflict(f"the hour {iso(hour)} was written to {_TRIES} times while it was sealed; try again")

    def is_marked(self, hour: datetime) -> bool:
        """Say whether the hour is sealed or being sealed: what is written to it must then be sealed too."""
        return self._objects.get(layout.mark_path(hour)) is not None

    def is_current(self, hour: datetime) -> bool:
        """Say whether the hour has an object that says what its inputs say."""
        data = self._objects.get(layout.hour_path(hour))
        return data is not None and self._says(data, _Hour(hour, self._inputs(hour), sealed=True))

    def is_verified(self, hour: datetime) -> bool:
        """Say whether building the object again from its inputs, all of them read, gives the bytes that are there."""
        data = self._objects.get(layout.hour_path(hour))
        return data is not None and self._built(hour, data)[1] == data

    def sealed_rows(self, hour: datetime, exchange: str, origin: Origin) -> pa.Table:
        """Give what the hour's object holds of an exchange and origin; empty if there is none."""
        path = layout.hour_path(hour)
        data = self._objects.get(path)
        if data is None:
            return NO_SAMPLES
        table = parquet.decode(data, path, SAMPLES)
        return from_none_of(table, lambda market, kind, _: market.exchange != exchange or kind is not origin)

    def _built(self, hour: datetime, old: bytes | None) -> tuple[_Made, bytes | None]:
        """Give the object of an hour as it should be; nothing to change if it has no inputs."""
        for _ in range(_TRIES):
            inputs = self._inputs(hour)
            if not inputs:
                return _Made(digest=self._digest(inputs)), None
            data = self._fetched([one.path for one in inputs])
            if None in data.values():
                continue  # deleted since it was listed
            table = merged([*self._kept(hour, old, inputs), *_decoded(data, SAMPLES.names)])
            digest = _digest_of({path: _md5(one or b"") for path, one in data.items()})
            encoded = parquet.encode(table, {_INPUTS: digest})
            return _Made(table.num_rows, len(encoded), digest, frozenset(data)), encoded
        raise StoreUnavailable(f"the inputs of the hour {iso(hour)} keep vanishing; is its retention shorter than it?")

    def _kept(self, hour: datetime, old: bytes | None, inputs: Iterable[ObjectInfo]) -> list[pa.Table]:
        """Give the rows of the sealed object whose input is gone, in a table if there are any."""
        if old is None:
            return []
        present = {one.path for one in inputs}

        def has_input(market: Market, origin: Origin, minute: datetime) -> bool:
            if origin is Origin.POLL:
                return layout.minute_path(minute, market.exchange) in present
            return layout.candles_path(hour, market.exchange) in present

        kept = from_none_of(parquet.decode(old, layout.hour_path(hour), SAMPLES), has_input)
        return [kept] if kept.num_rows else []

    def _with_sealed(self, hour: _Hour) -> tuple[_Hour, bytes | None]:
        return hour, self._objects.get(layout.hour_path(hour.at)) if hour.sealed else None

    def _table(self, hour: _Hour, sealed: bytes | None, wanted: _Wanted) -> pa.Table:
        if sealed is not None and self._says(sealed, hour):
            return parquet.decode(sealed, layout.hour_path(hour.at), _schema(wanted.columns))
        return self._from_inputs(hour, sealed, wanted)

    def _from_inputs(self, hour: _Hour, old: bytes | None, wanted: _Wanted) -> pa.Table:
        """Merge an hour without a current object; listed again when what was listed is gone."""
        names = [name for name in SAMPLES.names if name in {*wanted.columns, "origin"}]
        for _ in range(_TRIES):
            data = self._fetched([one.path for one in hour.inputs if wanted.may_be_in(one.path)])
            if None not in data.values() and (old is not None or not hour.sealed):
                kept = [one.select(names) for one in self._kept(hour.at, old, hour.inputs)]
                return merged([*kept, *_decoded(data, names)]).select(list(wanted.columns))
            old = self._objects.get(layout.hour_path(hour.at))
            hour = replace(hour, inputs=self._inputs(hour.at), sealed=old is not None)
        raise StoreUnavailable(f"the objects of the hour {iso(hour.at)} keep vanishing while they are read; try again")

    def _listed(self, start: datetime, end: datetime) -> list[_Hour]:
        """List what there is, day by day: three requests a day on S3."""
        first, last = whole_hour(start), whole_hour(end)
        days = [first.replace(hour=0) + n * DAY for n in range((last.replace(hour=0) - first.replace(hour=0)).days + 1)]
        folders = [(root, max(day, first)) for day in days for root in ("candles", "minute", "hour")]
        inputs: dict[datetime, list[ObjectInfo]] = {}
        sealed = set()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for infos in pool.map(lambda one: self._objects.list(layout.day(*one), layout.before(*one)), folders):
                for info in infos:
                    at = layout.stamp(info.path)
                    if at is None or not first <= whole_hour(at) <= last:
                        continue
                    if info.path.startswith("hour/"):
                        sealed.add(at)
                    inputs.setdefault(whole_hour(at), []).extend([] if info.path.startswith("hour/") else [info])
        return [_Hour(at, tuple(sorted(inputs[at])), at in sealed) for at in sorted(inputs)]

    def _inputs(self, hour: datetime) -> tuple[ObjectInfo, ...]:
        listed = [one for root in ("candles", "minute") for one in self._objects.list(layout.folder(root, hour))]
        return tuple(sorted(one for one in listed if layout.stamp(one.path)))

    def _says(self, data: bytes, hour: _Hour) -> bool:
        """Say whether a sealed object holds just what the listed inputs hold, or all that is left of them."""
        noted = parquet.note(data, layout.hour_path(hour.at), _INPUTS)
        return not hour.inputs or noted == self._digest(hour.inputs)

    def _digest(self, inputs: Sequence[ObjectInfo]) -> str:
        """Digest inputs as listed; the content is read where the list cannot tell it."""
        unknown = self._fetched([one.path for one in inputs if one.md5 is None])
        return _digest_of({one.path: one.md5 or _md5(unknown[one.path] or b"") for one in inputs})

    def _fetched(self, paths: Sequence[str]) -> dict[str, bytes | None]:
        if len(paths) < 2:
            return {path: self._objects.get(path) for path in paths}
        with ThreadPoolExecutor(min(AT_ONCE, len(paths))) as pool:
            return dict(zip(paths, pool.map(self._objects.get, paths), strict=True))


def ahead(pool: Executor, change: Callable[[A], B], items: Iterable[A], depth: int) -> Iterator[B]:
    """Change one item after the other in a pool, at most `depth` of them ahead of the one that is used."""
    waiting: deque[Future[B]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(change, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for one in waiting:
            one.cancel()


def _decoded(data: Mapping[str, bytes | None], columns: Sequence[str]) -> list[pa.Table]:
    return [parquet.decode(one, path, _schema(columns)) for path, one in data.items() if one is not None]


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([SAMPLES.field(name) for name in columns])


def _digest_of(contents: Mapping[str, str]) -> str:
    lines = "".join(f"{path} {md5}\n" for path, md5 in sorted(contents.items()))
    return _md5(lines.encode()) if lines else ""


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
