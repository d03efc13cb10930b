"""Samples, summaries and reports as objects with speaking names; the layout is DESIGN.md, section 4."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from tracker import parquet
from tracker.errors import CorruptObject, PermanentError
from tracker.frames import SAMPLES, SUMMARY, between, check_samples, merged, minutes_of
from tracker.model import DAY, HOUR, Listing, Market, MarketStatus, iso, whole_hour, whole_minute
from tracker.objects import Objects

AT_ONCE = 16
"""Objects fetched at the same time."""

_NAME = re.compile(r"\w+/date=(\d{4}-\d\d-\d\d)/hour=\d\d/(\d\d)(\d\d)(?:-.+)?\.\w+")


class ParquetStore:
    """The Store (its promises: `tracker.ports.Store`) under `url`: a folder, `s3://…` or `memory://…`.

    Equal rows are equal bytes: sorted, one writer with fixed options, whose version stands in the file's metadata.
    """

    def __init__(self, url: str) -> None:
        self.objects = Objects(url)

    def write_minute(self, minute: datetime, exchange: str, samples: pa.Table) -> None:
        """Replace the object of this minute and exchange. PermanentError names the first row that is refused."""
        _own(samples, exchange, minute, minute)
        self.objects.put(_minute_path(minute, exchange), parquet.encode(merged([samples])))

    def write_candles(self, hour: datetime, exchange: str, samples: pa.Table) -> bool:
        """Merge history rows stamped in [hour, hour+1h) into that hour's object; say whether its bytes changed."""
        if whole_hour(hour) != hour:
            raise PermanentError(f"{hour} is not a whole hour")
        _own(samples, exchange, hour, hour + HOUR - timedelta(microseconds=1))
        path = f"{_folder('candles', hour)}/{safe_name(exchange)}.parquet"

        def change(old: bytes | None) -> bytes:
            known = [] if old is None else [parquet.decode(old, path, SAMPLES)]
            return parquet.encode(merged([*known, samples]))

        return self.objects.update(path, change)

    def read(
        self,
        start: datetime,
        end: datetime,
        *,
        markets: Iterable[Market] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Give the samples stamped in (start, end], sorted by market, metric, minute, a poll before a candle."""
        chosen = None if markets is None else frozenset(markets)
        files = None if chosen is None else {safe_name(market.exchange) for market in chosen}
        paths = [
            *self._listed("candles", start, end, files),
            *self._listed("minute", start, end, files),
        ]
        tables = [between(table, start, end, chosen) for table in self._tables(paths)]
        table = merged(tables) if tables else SAMPLES.empty_table()
        return table if columns is None else table.select(list(columns))

    def write_summary(self, minute: datetime, summary: pa.Table) -> None:
        """Replace the summary of this minute."""
        if not summary.schema.equals(SUMMARY):
            raise PermanentError(f"not a summary (frames.SUMMARY): {summary.schema.names}")
        self.objects.put(_path("summary", minute, ".parquet"), parquet.encode(summary))

    def read_summary(self, minute: datetime) -> pa.Table | None:
        """Give the summary of this minute, or None if it was never written."""
        path = _path("summary", minute, ".parquet")
        data = self.objects.get(path)
        return None if data is None else parquet.decode(data, path, SUMMARY)

    def summary_minutes(self, start: datetime, end: datetime) -> list[datetime]:
        """Give the minutes of [start, end] that have a summary, oldest first."""
        minutes = (_stamp(path) for path in self._days("summary", start, end))
        return [minute for minute in minutes if minute and start <= minute <= end]

    def write_report(self, minute: datetime, step: str, report: Mapping[str, Any]) -> None:
        """Keep what a step says of its run, as JSON."""
        data = json.dumps(report, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
        self.objects.put(_path("runs", minute, f"-{safe_name(step)}.json"), data.encode())

    def read_reports(self, minute: datetime) -> dict[str, dict[str, Any]]:
        """Give the reports of this minute by step; empty if there are none."""
        start = _path("runs", minute, "-")
        found = self.objects.list(_folder("runs", minute), after=start)
        paths = [one.path for one in found if one.path.startswith(start)]
        return {path[len(start) : -len(".json")]: _json(self.objects.get(path), path) for path in paths}

    def write_listings(self, exchange: str, listings: Sequence[Listing], at: datetime) -> None:
        """Remember which markets the exchange listed at `at`."""
        rows = [[str(one.market), one.symbol, one.status.value] for one in listings]
        text = json.dumps({"at": iso(at), "listings": sorted(rows)}, ensure_ascii=False, indent=0)
        self.objects.put(f"listings/{safe_name(exchange)}.json", text.encode())

    def read_listings(self, exchange: str) -> tuple[datetime, list[Listing]] | None:
        """Give the remembered listings and their time, or None."""
        path = f"listings/{safe_name(exchange)}.json"
        data = self.objects.get(path)
        if data is None:
            return None
        raw = _json(data, path)
        try:
            rows = [
                Listing(Market.parse(name), symbol, MarketStatus(status)) for name, symbol, status in raw["listings"]
            ]
            return datetime.fromisoformat(raw["at"]), rows
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptObject(f"{path}: not listings ({error}); delete it, it is written again") from error

    def _tables(self, paths: Sequence[str]) -> list[pa.Table]:
        """Read objects in the order of their paths; one that was deleted meanwhile has no rows."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            data = pool.map(self.objects.get, paths)
            return [
                parquet.decode(one, path, SAMPLES) for path, one in zip(paths, data, strict=True) if one is not None
            ]

    def _listed(self, root: str, start: datetime, end: datetime, files: set[str] | None) -> Iterator[str]:
        """Give the objects of a root that may hold rows of (start, end]."""
        first, last = _folder(root, start), _folder(root, end) + "/~"
        for path in self._days(root, start, end):
            exchange = path.rsplit("/", 1)[-1].removesuffix(".parquet").split("-", 1)[-1]
            minute = _stamp(path) if root == "minute" else None
            inside = first <= path <= last and (minute is None or start < minute <= end)
            if inside and (files is None or exchange in files):
                yield path

    def _days(self, root: str, start: datetime, end: datetime) -> Iterator[str]:
        day = start.replace(hour=0, minute=0, second=0, microsecond=0)
        while day <= end:
            # Not after the hour's own folder: SeaweedFS then leaves out all that lies in it.
            before = max(day, start) - HOUR
            after = _folder(root, before) + "/~" if before >= day else ""
            yield from (one.path for one in self.objects.list(_folder(root, day).rsplit("/", 1)[0], after=after))
            day += DAY


def safe_name(text: str) -> str:
    """Give a name that every file system and partition reader takes, different for different texts.

    >>> safe_name("ccxt:OKX")
    'ccxt_3a__4f__4b__58_'
    """
    return re.sub(r"[^a-z0-9]", lambda found: f"_{ord(found.group()):x}_", text)


def _own(samples: pa.Table, exchange: str, first: datetime, last: datetime) -> None:
    """Refuse samples that are not the exchange's, or not of the time, that the object is for."""
    check_samples(samples)
    for minute in minutes_of(samples):
        if not first <= minute <= last:
            raise PermanentError(f"{exchange}: a sample of {iso(minute)} does not belong to {iso(first)}")
    for market in samples["market"].unique().to_pylist():
        if Market.parse(market).exchange != exchange:
            raise PermanentError(f"{market} is not a market of {exchange}, whose object it was to go into")


def _folder(root: str, at: datetime) -> str:
    return f"{root}/date={at:%Y-%m-%d}/hour={at:%H}"


def _path(root: str, minute: datetime, ending: str) -> str:
    if whole_minute(minute) != minute:
        raise PermanentError(f"{minute} is not a whole minute")
    return f"{_folder(root, minute)}/{minute:%H%M}{ending}"


def _minute_path(minute: datetime, exchange: str) -> str:
    return _path("minute", minute, f"-{safe_name(exchange)}.parquet")


def _stamp(path: str) -> datetime | None:
    found = _NAME.fullmatch(path)
    return datetime.fromisoformat(f"{found[1]}T{found[2]}:{found[3]}:00+00:00") if found else None


def _json(data: bytes | None, path: str) -> dict[str, Any]:
    try:
        raw = json.loads(data or b"")
    except ValueError as error:
        raise CorruptObject(f"{path}: not JSON ({error}); delete it") from error
    if not isinstance(raw, dict):
        raise CorruptObject(f"{path}: not a JSON object; delete it")
    return raw
