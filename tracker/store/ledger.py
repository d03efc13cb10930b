"""Which hours of an exchange's history were loaded, and for which series: so that none is asked for twice.

`loads/date=YYYY-MM-DD/hour=HH/<exchange>.json`: {metric: [markets]}. What a load found nothing for was asked for as
well: no trade, or an outage of the exchange. Deleting the folder makes every hour be loaded again.

`loads/tail/<exchange>/<time>.parquet`: what was traded before the point a load has come to. The 24 h volumes that
follow are sums of it; without it, it is asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache

from tracker.candles import Traded
from tracker.errors import CorruptObject
from tracker.frames import TRADED, traded_of, traded_table
from tracker.model import DAY, Market, Metric, iso
from tracker.objects import Objects
from tracker.store import layout, parquet

Series = Mapping[Metric, frozenset[Market]]


class Ledger:
    """The loads of history under a store's root."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def mark(self, hour: datetime, exchange: str, metrics: Iterable[Metric], markets: Iterable[Market]) -> None:
        """Add markets to what is loaded of an hour."""
        path, new = f"{layout.folder('loads', hour)}/{layout.safe_name(exchange)}.json", list(markets)

        def change(old: bytes | None) -> bytes:
            known = _read(old, path)
            both = {**known, **{metric: known.get(metric, frozenset()).union(new) for metric in metrics}}
            rows = {metric.value: sorted(map(str, found)) for metric, found in sorted(both.items())}
            return json.dumps(rows, indent=0, ensure_ascii=False).encode()

        self._objects.update(path, change)

    def begin(self, start: datetime, end: datetime) -> None:
        """Write down that (start, end] is about to change and what is derived from it is not made again yet."""
        self._objects.put(f"loads/open/{start:%Y%m%dT%H%M}-{end:%Y%m%dT%H%M}.json", _span(start, end))

    def begun(self) -> list[tuple[datetime, datetime]]:
        """Give the ranges of loads that have begun and not ended: of those at work, and of those that were killed."""
        found = []
        for one in self._objects.list("loads/open"):
            span = json.loads(self._objects.get(one.path) or b"{}")
            if span:
                found.append((datetime.fromisoformat(span["start"]), datetime.fromisoformat(span["end"])))
        return found

    def end(self, start: datetime, end: datetime) -> None:
        """Write down that what is derived from (start, end] is made again."""
        self._objects.delete([f"loads/open/{start:%Y%m%dT%H%M}-{end:%Y%m%dT%H%M}.json"])

    def keep_tail(self, exchange: str, until: datetime, traded: Mapping[Market, Traded]) -> None:
        """Keep what was traded up to `until`, beside what was kept for other points."""
        self._objects.put(_tail(exchange, until), parquet.encode(traded_table(traded)))

    def tail(self, exchange: str, until: datetime) -> dict[Market, Traded]:
        """Give what was kept for exactly this point; nothing if there is nothing, or it cannot be read."""
        path = _tail(exchange, until)
        data = self._objects.get(path)
        try:
            return traded_of(parquet.decode(data, path, TRADED)) if data else {}
        except CorruptObject:
            return {}

    def drop_tails(self, exchange: str, but: datetime) -> None:
        """Forget what was kept for any other point than `but`."""
        kept = _tail(exchange, but)
        found = [one.path for one in self._objects.list(kept.rpartition("/")[0])]
        self._objects.delete([path for path in found if path != kept])

    def loaded(self, exchange: str, start: datetime, end: datetime) -> dict[datetime, Series]:
        """Give, by hour of [start, end], the markets whose metrics were loaded."""
        found: dict[datetime, Series] = {}
        name, at = f"/{layout.safe_name(exchange)}.json", start
        while at.date() <= end.date():
            for one in self._objects.list(layout.day("loads", at)):
                hour = layout.stamp(one.path)
                if hour and start <= hour <= end and one.path.endswith(name):
                    found[hour] = _read(self._objects.get(one.path), one.path)
            at += DAY
        return found


def _tail(exchange: str, until: datetime) -> str:
    return f"loads/tail/{layout.safe_name(exchange)}/{until:%Y%m%dT%H%M}.parquet"


def _span(start: datetime, end: datetime) -> bytes:
    return json.dumps({"start": iso(start), "end": iso(end)}).encode()


_market = lru_cache(maxsize=16_384)(Market.parse)  # each stands in every hour of a day


def _read(data: bytes | None, path: str) -> dict[Metric, frozenset[Market]]:
    try:
        rows = json.loads(data or b"{}")
        return {Metric(metric): frozenset(map(_market, markets)) for metric, markets in rows.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise CorruptObject(f"{path} is not a list of loaded markets ({error}); delete it, and load again") from error
