"""Load the past of one exchange from its candles into the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

import pyarrow as pa

from tracker.candles import Candles, Traded
from tracker.errors import BadAnswer, NotServed, PermanentError, RetriableError, SourceUnavailable, TrackerError
from tracker.frames import between, merged
from tracker.history import LOOKBACK, hours, samples
from tracker.model import DAY, HOUR, MINUTE, Market, Metric, Problem, iso, whole_hour, whole_minute
from tracker.ports import Source, Store

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Markets asked for at the same time; the source keeps to the exchange's rate."""

SETTLED = timedelta(minutes=10)
"""Candles appear up to 7 minutes late: only an hour that ended this long ago is finished when it is loaded."""

PART = timedelta(hours=16)
"""How much is asked of all markets before it is stored: what a killed load asks for again, at most."""

LONGEST_WAIT = 120.0
"""Seconds: an exchange that asks for a longer quiet (a ban lasts up to three days) ends the load."""

Loads = Mapping[datetime, Mapping[Metric, frozenset[Market]]]

_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class Together:
    """Several loads at the same time as one progress: what moved last, and the sums."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = Lock()
        self._counts: dict[str, tuple[int, int]] = {}
        self._stopped = False

    def of(self, name: str) -> Progress:
        """Give the progress of one of them; after `stop` its next step is a KeyboardInterrupt."""

        def step(what: str, done: int, total: int) -> None:
            with self._lock:
                if self._stopped:
                    raise KeyboardInterrupt
                self._counts[name] = (done, total)
                self._progress(what, *map(sum, zip(*self._counts.values(), strict=True)))

        return step

    def stop(self) -> None:
        """End those that are still at work, each at its next step."""
        with self._lock:
            self._stopped = True


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
    progress: Progress
    exchange: str
    total: int
    done: int = 0
    hours: int = 0
    rows: int = 0
    skipped: int = 0
    changed: list[datetime] = field(default_factory=list)
    problems: dict[str, Problem] = field(default_factory=dict)

    def step(self, since: datetime, count: int = 1) -> None:
        self.done += count
        self.progress(f"{self.exchange} {since:%Y-%m-%d %H:%M}", self.done, self.total)

    def result(self) -> Loaded:
        return Loaded(self.hours, self.rows, self.skipped, tuple(self.changed), tuple(self.problems.values()))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a market's candles of a part gave: its samples, and the volumes that sums of the next part need."""

    samples: Sequence[pa.Table]
    traded: Traded


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch (since, until] whose answers are there and not stored yet."""

    since: datetime
    until: datetime
    answers: Mapping[Market, _Answer]


@dataclass(frozen=True, slots=True)
class Backfill:
    """History of one exchange for chosen markets and metrics."""

    source: Source
    store: Store
    markets: Sequence[Market]
    metrics: Sequence[Metric]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    part: timedelta = PART

    def load(self, start: datetime, end: datetime, progress: Progress, *, again: bool = False) -> Loaded:
        """Store the samples stamped in (start, end], a page of the exchange at a time.

        Finished hours go into the ledger and are not asked for again (unless `again`), so a killed load goes on
        where it was. What the source's candles no longer reach is not asked for, not entered, and a problem says so.
        A market that the exchange does not know, whose answer makes no sense, or that alone has none after several
        tries, becomes a problem and does not hold up the others. When no market is answered, or nobody here is
        served, that error is raised; what had come before is stored.
        """
        if start >= end:
            raise ValueError(f"{iso(start)} is not before {iso(end)}")
        tally = _Tally(progress, self.source.exchange, 0)
        tally.problems = {one.what: one for one in self._out_of_reach(start, end)}
        start = max(start, self._oldest() or start)
        if start >= end:
            return tally.result()
        known: Loads = {} if again else self.store.ledger.loaded(self.source.exchange, whole_hour(start), end)
        parts = list(_parts(start, end, max(self.source.page, HOUR), self.part))
        tally.total = len(parts) * len(self.markets)
        answers: dict[Market, _Answer] = {}
        waiting: _Part | None = None
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            for since, until in parts:
                left = [market for market in self.markets if not self._is_loaded(known, since, until, market)]
                tally.step(since, len(self.markets) - len(left))
                if not left:
                    tally.skipped += len(list(hours(since, until)))
                tails = {market: answer.traded for market, answer in answers.items()}
                if left and not tails and not again:
                    tails = dict(self.store.ledger.tail(self.source.exchange, since))
                asked = {one: pool.submit(self._ask, one, since, until, tails.get(one)) for one in left}
                self._store(waiting, tally)  # while the exchange is at work
                answers = _gathered(asked, since, tally)
                waiting = _Part(since, until, answers)
            self._store(waiting, tally)
        finally:
            pool.shutdown(cancel_futures=True)
        return tally.result()

    def _store(self, part: _Part | None, tally: _Tally) -> None:
        """Write the hours of a part that have samples, then enter those that are finished."""
        if part is None or not part.answers:
            return
        found = merged([table for answer in part.answers.values() for table in answer.samples])
        for hour in hours(part.since, part.until):
            table = between(found, hour - MINUTE, hour + HOUR - MINUTE)
            if not table.num_rows:
                continue
            tally.hours, tally.rows = tally.hours + 1, tally.rows + table.num_rows
            if self.store.write_candles(hour, self.source.exchange, table):
                tally.changed.append(hour)
        self._mark(part)
        log.info(
            "%s, %s to %s: %d samples of %d markets",
            self.source.exchange,
            iso(part.since),
            iso(part.until),
            found.num_rows,
            len(part.answers),
        )

    def _mark(self, part: _Part) -> None:
        """Enter the hours that were loaded from their first to their last stamp, and long enough after their end.

        An hour that went out of the source's reach meanwhile is not: who was asked last may lack its beginning. What
        was traded before a part stays until all of it is entered: killed here, the next load finds either point.
        """
        name, ledger, oldest = self.source.exchange, self.store.ledger, self._oldest()
        tail = self._sums and self._is_settled(part.until)
        if tail:
            ledger.keep_tail(name, part.until, {market: answer.traded for market, answer in part.answers.items()})
        for hour in hours(part.since, part.until):
            last = hour + HOUR - MINUTE
            reached = oldest is None or hour > oldest + MINUTE  # the unfinished candle takes one of the places
            if part.since < hour and last <= part.until and self._is_settled(last) and reached:
                ledger.mark(hour, name, self.metrics, part.answers)
        if tail:
            ledger.drop_tails(name, part.until)

    def _is_settled(self, minute: datetime) -> bool:
        return self.clock() - minute >= SETTLED

    def _oldest(self) -> datetime | None:
        """Give the minute after which the source's candles begin at present; None where they have no such limit."""
        return None if self.source.reach is None else whole_minute(self.clock()) - self.source.reach

    def _out_of_reach(self, start: datetime, end: datetime) -> Iterator[Problem]:
        """Say what of (start, end] no candle of the source can give."""
        reach, oldest = self.source.reach, self._oldest()
        if reach is None or oldest is None:
            return
        why = f"{self.source.exchange} gives 1-minute candles of the last {reach // HOUR} hours only"
        if start < oldest:
            what = f"{iso(start)} to {iso(min(oldest, end))} is not available: {why}"
            yield Problem(self.source.exchange, what)
        if end > oldest and Metric.VOLUME_24H in self.metrics and not self._sums:
            what = f"volume_24h of minutes that were not polled is not available: {why}, and it is a sum over 24"
            yield Problem(self.source.exchange, what)

    def _is_loaded(self, known: Loads, since: datetime, until: datetime, market: Market) -> bool:
        return all(is_loaded(known, hour, self.metrics, market) for hour in hours(since, until))

    @property
    def _sums(self) -> bool:
        """Whether 24 h volumes are wanted, and the candles reach far enough to sum them up."""
        reach = self.source.reach
        return Metric.VOLUME_24H in self.metrics and (reach is None or reach > DAY)

    def _ask(self, market: Market, since: datetime, until: datetime, before: Traded | None) -> _Answer | TrackerError:
        """Ask for the candles that the samples of (since, until] depend on; of those before, `before` is known.

        What concerns the market, or may, is given; an error that concerns all is raised.
        """
        first = since
        if before is None and self._sums:
            first = min(next(hours(since, until)) - LOOKBACK, since)
        try:
            candles = self._patiently(market, first, until)
        except NotServed:
            raise
        except (PermanentError, BadAnswer, SourceUnavailable) as error:
            return error
        traded = before.then(candles.traded) if before else candles.traded
        needed = next(hours(until, until + HOUR)) - LOOKBACK
        return _Answer(samples(candles, traded, since, until, self.metrics), traded.after(needed))

    def _patiently(self, market: Market, start: datetime, end: datetime) -> Candles:
        for wait in _WAITS:
            try:
                return self.source.candles(market, start, end)
            except RetriableError as error:
                if (error.retry_after or 0.0) > LONGEST_WAIT:
                    raise
                self.sleep(max(wait, error.retry_after or 0.0))
        return self.source.candles(market, start, end)


def _gathered(
    asked: Mapping[Market, Future[_Answer | TrackerError]], since: datetime, tally: _Tally
) -> dict[Market, _Answer]:
    """Wait for the answers of a part; one that failed is a problem of its market, unless too many in a row did."""
    found: dict[Market, _Answer] = {}
    away = 0
    for market, future in asked.items():
        answer = future.result()
        tally.step(since)
        if isinstance(answer, _Answer):
            found[market], away = answer, 0
            continue
        away += isinstance(answer, SourceUnavailable)
        if away == min(AT_ONCE, len(asked)):
            raise answer
        tally.problems[str(market)] = Problem(str(market), str(answer))
    return found


def is_loaded(known: Loads, hour: datetime, metrics: Sequence[Metric], market: Market) -> bool:
    """Say whether the ledger has the hour for all metrics of a market."""
    return all(market in known.get(hour, {}).get(metric, ()) for metric in metrics)


def loaded_markets(known: Loads, metrics: Sequence[Metric]) -> dict[datetime, frozenset[Market]]:
    """Give, by hour, the markets of which the ledger has all metrics."""
    return {
        hour: frozenset.intersection(*(series.get(metric, frozenset()) for metric in metrics))
        for hour, series in known.items()
    }


def _parts(start: datetime, end: datetime, page: timedelta, part: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Cut (start, end] into parts of one page, or of as many as `part` holds; an hour's stamps, and so its object,
    lie in one part.
    """
    whole = timedelta(hours=page * max(part // page, 1) // HOUR)
    while start < end:
        until = whole_hour(start + MINUTE) + whole - MINUTE
        yield start, min(until, end)
        start = until
