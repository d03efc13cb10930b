"""Samples, summaries and reports as objects with speaking names; the layout is DESIGN.md, section 4."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from tracker.errors import Conflict, CorruptObject, PermanentError
from tracker.frames import SAMPLES, SUMMARY, between, check_samples, merged, minutes_of, words_of
from tracker.model import DAY, HOUR, MINUTE, Evidence, Listing, Market, MarketStatus, Origin, Retention, iso, whole_hour
from tracker.objects import Objects
from tracker.store import layout, parquet
from tracker.store.hours import Hours, Sealed
from tracker.store.ledger import Ledger
from tracker.store.upkeep import Expired, expire

KEY = ("market", "metric", "minute")
"""The columns that tell samples apart; with `value` all that statistics need."""

TRIES = 5

__all__ = ["KEY", "Expired", "ParquetStore", "Retention", "Sealed"]


class ParquetStore:
    """The Store (its promises: `tracker.ports.Store`) under `url`: a folder, `s3://…` or `memory://…`.

    Equal rows are equal bytes: sorted, one writer with fixed options, whose version stands in the file's metadata.
    """

    def __init__(self, url: str) -> None:
        self.objects = Objects(url)
        self._hours = Hours(self.objects)
        self.ledger = Ledger(self.objects)

    def write_minute(self, minute: datetime, exchange: str, samples: pa.Table) -> None:
        """Replace the object of this minute and exchange. PermanentError names the first row that is refused."""
        _own(samples, exchange, minute, minute)
        path, data = layout.minute_path(minute, exchange), parquet.encode(merged([samples]))
        self._written(whole_hour(minute), path, lambda: self.objects.put(path, data))

    def write_candles(self, hour: datetime, exchange: str, samples: pa.Table) -> bool:
        """Merge history rows stamped in [hour, hour+1h) into that hour's object; say whether its bytes changed."""
        path = layout.candles_path(hour, exchange)
        _own(samples, exchange, hour, hour + HOUR - MINUTE)
        changed = False

        def change(old: bytes | None) -> bytes:
            if old is not None:
                known = parquet.decode(old, path, SAMPLES)
            else:  # retention may have left the rows in the sealed hour only
                known = self._hours.sealed_rows(hour, exchange, Origin.CANDLE)
            return parquet.encode(merged([known, samples]))

        def write() -> None:
            nonlocal changed
            changed |= self.objects.update(path, change)

        self._written(hour, path, write)
        return changed

    def _written(self, hour: datetime, path: str, write: Callable[[], None]) -> None:
        """Write an input of an hour; if that is sealed already, seal it again before the write counts as done.

        It is written once more should retention have deleted it between the write and the seal.
        """
        for _ in range(TRIES):
            write()
            if not self._hours.is_marked(hour) or self._hours.is_current(hour) or path in self.seal(hour).inputs:
                return
        raise Conflict(f"{path} was deleted {TRIES} times while its hour was sealed; try again")

    def seal(self, hour: datetime) -> Sealed:
        """Build `hour/` of this hour from its minute and candle objects; a pure function of them, done again at will.

        Seal an hour that is over, 90 s or more: a write to a sealed hour seals it again, which costs more than the
        write. Rows whose minute or candle object retention has deleted are kept from the object that is there.
        """
        if whole_hour(hour) != hour:
            raise PermanentError(f"{hour} is not a whole hour")
        return self._hours.seal(hour)

    def read(
        self,
        start: datetime,
        end: datetime,
        *,
        markets: Iterable[Market] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Give the samples stamped in (start, end], sorted by market, metric, minute, a poll before a candle."""
        wanted = SAMPLES.names if columns is None else list(columns)
        table = merged(list(self.stream(start, end, markets=markets, columns=[*KEY, *set(wanted).difference(KEY)])))
        return table.select(wanted)

    def stream(
        self,
        start: datetime,
        end: datetime,
        *,
        markets: Iterable[Market] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pa.Table]:
        """Give the same rows hour by hour, oldest first, each hour sorted by market, metric, minute.

        Holds the objects of one day in memory, so that any range can be read. `columns` always include KEY.
        """
        wanted = [name for name in SAMPLES.names if columns is None or name in {*KEY, *columns}]
        chosen = None if markets is None else frozenset(markets)
        files = None if chosen is None else {layout.safe_name(market.exchange) for market in chosen}
        if start < end:
            for table in self._hours.read(start, end, wanted, files):
                yield between(table, start, end, chosen)

    def expire(self, now: datetime, keep: Retention) -> Expired:
        """Delete what `keep` no longer covers at `now`; the inputs of an hour only once it is sealed and verified."""
        return expire(self.objects, now, keep)

    def write_summary(self, minute: datetime, summary: pa.Table) -> None:
        """Replace the summary of this minute."""
        if not summary.schema.equals(SUMMARY):
            raise PermanentError(f"not a summary (frames.SUMMARY): {summary.schema.names}")
        self.objects.put(layout.named("summary", minute, ".parquet"), parquet.encode(summary))

    def read_summary(self, minute: datetime) -> pa.Table | None:
        """Give the summary of this minute, or None if it was never written."""
        path = layout.named("summary", minute, ".parquet")
        data = self.objects.get(path)
        return None if data is None else parquet.decode(data, path, SUMMARY)

    def evidence(self, minute: datetime, exchanges: Iterable[str]) -> list[Evidence]:
        """Give the objects of this minute with their SHA-256: its summary, and the samples of each exchange."""
        paths = {"": layout.named("summary", minute, ".parquet")}
        paths |= {exchange: layout.minute_path(minute, exchange) for exchange in exchanges}
        data = {exchange: self.objects.get(path) for exchange, path in paths.items()}
        return [
            Evidence(paths[exchange], hashlib.sha256(one).hexdigest(), exchange)
            for exchange, one in data.items()
            if one is not None
        ]

    def summary_minutes(self, start: datetime, end: datetime) -> list[datetime]:
        """Give the minutes of [start, end] that have a summary, oldest first."""
        found, at = [], start
        while at <= end:
            listed = self.objects.list(layout.day("summary", at), layout.before("summary", at))
            found += [layout.stamp(one.path) for one in listed]
            at = at.replace(hour=0, minute=0) + DAY
        return [minute for minute in found if minute and start <= minute <= end]

    def write_report(self, minute: datetime, step: str, report: Mapping[str, Any]) -> None:
        """Keep what a step says of its run, as JSON."""
        data = json.dumps(report, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
        self.objects.put(layout.named("runs", minute, f"-{layout.safe_name(step)}.json"), data.encode())

    def read_reports(self, minute: datetime) -> dict[str, dict[str, Any]]:
        """Give the reports of this minute by step; empty if there are none."""
        start = layout.named("runs", minute, "-")
        found = self.objects.list(layout.folder("runs", minute), after=start)
        paths = [one.path for one in found if one.path.startswith(start)]
        return {path[len(start) : -len(".json")]: _json(self.objects.get(path), path) for path in paths}

    def write_listings(self, exchange: str, listings: Sequence[Listing], at: datetime) -> None:
        """Remember which markets the exchange listed at `at`."""
        rows = [[str(one.market), one.symbol, one.status.value] for one in listings]
        text = json.dumps({"at": iso(at), "listings": sorted(rows)}, ensure_ascii=False, indent=0)
        self.objects.put(f"listings/{layout.safe_name(exchange)}.json", text.encode())

    def read_listings(self, exchange: str) -> tuple[datetime, list[Listing]] | None:
        """Give the remembered listings and their time, or None."""
        path = f"listings/{layout.safe_name(exchange)}.json"
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


def _own(samples: pa.Table, exchange: str, first: datetime, last: datetime) -> None:
    """Refuse samples that are not the exchange's, or not of the time, that the object is for."""
    check_samples(samples)
    for minute in minutes_of(samples):
        if not first <= minute <= last:
            raise PermanentError(f"{exchange}: a sample of {iso(minute)} does not belong to {iso(first)}")
    for market in words_of(samples, "market"):
        if Market.parse(market).exchange != exchange:
            raise PermanentError(f"{market} is not a market of {exchange}, whose object it was to go into")


def _json(data: bytes | None, path: str) -> dict[str, Any]:
    try:
        raw = json.loads(data or b"")
    except ValueError as error:
        raise CorruptObject(f"{path}: not JSON ({error}); delete it") from error
    if not isinstance(raw, dict):
        raise CorruptObject(f"{path}: not a JSON object; delete it")
    return raw
