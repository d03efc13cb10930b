"""Load the past of one exchange from its candles into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa

from tracker.candles import Candles
from tracker.errors import BadAnswer, PermanentError, RetriableError
from tracker.frames import between, merged
from tracker.history import LOOKBACK, hours, samples
from tracker.model import HOUR, MINUTE, Market, Metric, Problem, iso, whole_hour, whole_minute
from tracker.ports import Source, Store

AT_ONCE = 8
"""Markets asked for at the same time; the source keeps to the exchange's rate."""

SETTLED = timedelta(minutes=10)
"""Candles appear up to 7 minutes late: only an hour that ended this long ago is finished when it is loaded."""

LONGEST_WAIT = 120.0
"""Seconds: an exchange that asks for a longer quiet (a ban lasts up to three days) ends the load."""

Loads = Mapping[datetime, Mapping[Metric, frozenset[Market]]]

_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did. `changed`: hours whose object has other bytes than before; `skipped`: hours loaded earlier."""

    hours: int
    rows: int
    skipped: int
    changed: tuple[datetime, ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Tally:
    hours: int = 0
    rows: int = 0
    skipped: int = 0
    changed: list[datetime] = field(default_factory=list)
    problems: dict[str, Problem] = field(default_factory=dict)

    def result(self) -> Loaded:
        return Loaded(self.hours, self.rows, self.skipped, tuple(self.changed), tuple(self.problems.values()))


@dataclass(frozen=True, slots=True)
class Backfill:
    """History of one exchange for chosen markets and metrics."""

    source: Source
    store: Store
    markets: Sequence[Market]
    metrics: Sequence[Metric]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]

    def load(self, start: datetime, end: datetime, progress: Progress, *, again: bool = False) -> Loaded:
        """Store the samples stamped in (start, end], a page of the exchange at a time.

        Finished hours go into the ledger and are not asked for again (unless `again`), so a killed load goes on
        where it was. What the source's candles no longer reach is not asked for, not entered, and a problem says so.
        A market that the exchange does not know, or whose answer makes no sense, becomes a problem and does not hold
        up the others. When the exchange does not answer after several tries, that error is raised.
        """
        tally = _Tally()
        oldest = self._oldest()
        if oldest is not None and start < min(oldest, end):
            tally.problems[self.source.exchange] = self._beyond(start, min(oldest, end))
            start = oldest
            if start >= end:
                return tally.result()
        known: Loads = {} if again else self.store.ledger.loaded(self.source.exchange, whole_hour(start), end)
        parts = list(_parts(start, end, max(self.source.page, HOUR)))
        total, done = len(parts) * len(self.markets), 0
        tails: dict[Market, Candles] = {}
        for since, until in parts:
            left = [market for market in self.markets if not self._is_loaded(known, since, until, market)]
            done += len(self.markets) - len(left)
            progress(f"{self.source.exchange} {since:%Y-%m-%d %H:%M}", done, total)
            tails = {market: tail for market, tail in tails.items() if market in left}
            if not left:
                tally.skipped += len(list(hours(since, until)))
                continue
            found: list[pa.Table] = []
            for market, answer in self._candles(left, since, until, tails):
                done += 1
                progress(f"{self.source.exchange} {since:%Y-%m-%d %H:%M}", done, total)
                if isinstance(answer, Problem):
                    tally.problems[answer.where] = answer
                    tails.pop(market, None)
                else:
                    tails[market] = answer
                    found.append(samples(answer, since, until, self.metrics))
            self._store(merged(found), since, until, tally)
            self._mark(since, until, tails)
        return tally.result()

    def _store(self, found: pa.Table, since: datetime, until: datetime, tally: _Tally) -> None:
        for hour in hours(since, until):
            table = between(found, hour - MINUTE, hour + HOUR - MINUTE)
            if not table.num_rows:
                continue
            tally.hours, tally.rows = tally.hours + 1, tally.rows + table.num_rows
            if self.store.write_candles(hour, self.source.exchange, table):
                tally.changed.append(hour)

    def _mark(self, since: datetime, until: datetime, answered: dict[Market, Candles]) -> None:
        """Enter the hours that were loaded from their first to their last stamp, and long enough after their end.

        An hour that went out of the source's reach meanwhile is not: who was asked last may lack its beginning.
        """
        oldest = self._oldest()
        for hour in hours(since, until):
            last = hour + HOUR - MINUTE
            reached = oldest is None or hour > oldest + MINUTE  # the unfinished candle takes one of the places
            if since < hour and last <= until and self.clock() - last >= SETTLED and reached:
                self.store.ledger.mark(hour, self.source.exchange, self.metrics, answered)

    def _oldest(self) -> datetime | None:
        """Give the minute after which the source's candles begin at present; None where they have no such limit."""
        return None if self.source.reach is None else whole_minute(self.clock()) - self.source.reach

    def _beyond(self, start: datetime, oldest: datetime) -> Problem:
        assert self.source.reach is not None
        name, hours_ = self.source.exchange, self.source.reach // HOUR
        why = f"{name} gives 1-minute candles of the last {hours_} hours only"
        return Problem(name, f"{iso(start)} to {iso(oldest)} is not available: {why}")

    def _is_loaded(self, known: Loads, since: datetime, until: datetime, market: Market) -> bool:
        return all(is_loaded(known, hour, self.metrics, market) for hour in hours(since, until))

    def _candles(
        self, markets: Sequence[Market], since: datetime, until: datetime, tails: dict[Market, Candles]
    ) -> Iterator[tuple[Market, Candles | Problem]]:
        """Ask for the candles that the samples of (since, until] depend on; `tails` are those of the part before."""
        lookback = LOOKBACK if Metric.VOLUME_24H in self.metrics else timedelta(0)
        oldest = next(hours(since, until)) - lookback

        def ask(market: Market) -> Candles | Problem:
            tail = tails.get(market)
            try:
                if tail is None:
                    return self._patiently(market, min(oldest, since), until)
                return Candles.joined(market, [tail.after(oldest), self._patiently(market, since, until)])
            except (PermanentError, BadAnswer) as error:
                return Problem(str(market), str(error))

        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from zip(markets, pool.map(ask, markets), strict=True)

    def _patiently(self, market: Market, start: datetime, end: datetime) -> Candles:
        for wait in _WAITS:
            try:
                return self.source.candles(market, start, end)
            except RetriableError as error:
                if (error.retry_after or 0.0) > LONGEST_WAIT:
                    raise
                self.sleep(max(wait, error.retry_after or 0.0))
        return self.source.candles(market, start, end)


def is_loaded(known: Loads, hour: datetime, metrics: Sequence[Metric], market: Market) -> bool:
    """Say whether the ledger has the hour for all metrics of a market."""
    return all(market in known.get(hour, {}).get(metric, ()) for metric in metrics)


def loaded_markets(known: Loads, metrics: Sequence[Metric]) -> dict[datetime, frozenset[Market]]:
    """Give, by hour, the markets of which the ledger has all metrics."""
    return {
        hour: frozenset.intersection(*(series.get(metric, frozenset()) for metric in metrics))
        for hour, series in known.items()
    }


def _parts(start: datetime, end: datetime, page: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Cut (start, end] so that every hour's stamps, and so its object, lie in one part of at most a page."""
    if start >= end:
        raise ValueError(f"{iso(start)} is not before {iso(end)}")
    whole = timedelta(hours=page // HOUR)
    while start < end:
        until = whole_hour(start + MINUTE) + whole - MINUTE
        yield start, min(until, end)
        start = until
