"""Load the past of one exchange from its candles into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from tracker.errors import BadAnswer, PermanentError, RetriableError
from tracker.frames import samples_table
from tracker.history import LOOKBACK, hours, samples
from tracker.model import DAY, MINUTE, Candle, Market, Metric, Problem, Sample, iso, whole_hour
from tracker.ports import Source, Store

AT_ONCE = 8
"""Markets asked for at the same time; the source keeps to the exchange's rate."""

_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: `changed` are the hours whose object has other bytes than before."""

    hours: int
    rows: int
    changed: tuple[datetime, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Backfill:
    """History of one exchange for chosen markets and metrics."""

    source: Source
    store: Store
    markets: Sequence[Market]
    metrics: Sequence[Metric]
    sleep: Callable[[float], None]

    def load(self, start: datetime, end: datetime, progress: Progress) -> Loaded:
        """Store the samples stamped in (start, end], a day at a time: a killed load keeps its finished days.

        A market that the exchange does not know, or whose answer makes no sense, becomes a problem and does not
        hold up the others. When the exchange does not answer after several tries, that error is raised.
        """
        parts = list(_days(start, end))
        total, done = len(parts) * len(self.markets), 0
        problems: dict[str, Problem] = {}
        changed: list[datetime] = []
        rows = written = 0
        tails: dict[Market, list[Candle]] = {}
        for since, until in parts:
            found: list[Sample] = []
            with ThreadPoolExecutor(AT_ONCE) as pool:
                asked = pool.map(lambda market: self._candles(market, since, until, tails.get(market)), self.markets)  # noqa: B023 - used up in this turn of the loop
                for market, answer in zip(self.markets, asked, strict=True):
                    if isinstance(answer, Problem):
                        problems[answer.where] = answer
                        answer = []  # noqa: PLW2901 - absent is not an error of the others
                    tails[market] = answer
                    found += samples(answer, since, until, self.metrics)
                    done += 1
                    progress(f"{self.source.exchange} {since:%Y-%m-%d}", done, total)
            for hour, group in groupby(sorted(found, key=_stamp), key=lambda one: whole_hour(one.minute)):
                table = samples_table(list(group))
                rows, written = rows + table.num_rows, written + 1
                if self.store.write_candles(hour, self.source.exchange, table):
                    changed.append(hour)
        return Loaded(written, rows, tuple(changed), tuple(problems.values()))

    def _candles(
        self, market: Market, since: datetime, until: datetime, known: list[Candle] | None
    ) -> list[Candle] | Problem:
        """Give the candles that the samples of (since, until] depend on; `known` are those of the day before."""
        lookback = LOOKBACK if Metric.VOLUME_24H in self.metrics else DAY * 0
        oldest = next(hours(since, until)) - lookback
        kept = [one for one in known or () if one.minute > oldest]
        try:
            return kept + self._patiently(market, since if known is not None else oldest, until)
        except (PermanentError, BadAnswer) as error:
            return Problem(str(market), str(error))

    def _patiently(self, market: Market, start: datetime, end: datetime) -> list[Candle]:
        for wait in _WAITS:
            try:
                return self.source.candles(market, start, end)
            except RetriableError as error:
                self.sleep(max(wait, error.retry_after or 0.0))
        return self.source.candles(market, start, end)


def _stamp(sample: Sample) -> datetime:
    return sample.minute


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Cut (start, end] so that every hour's stamps, and so its object, lie in one part: after 23:59 UTC."""
    if start >= end:
        raise ValueError(f"{iso(start)} is not before {iso(end)}")
    while start < end:
        midnight = (start + MINUTE).replace(hour=0, minute=0) + DAY
        yield start, min(midnight - MINUTE, end)
        start = midnight - MINUTE
