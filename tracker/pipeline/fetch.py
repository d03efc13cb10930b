"""Poll every exchange once and store what it gave."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from tracker.errors import TrackerError
from tracker.frames import samples_table
from tracker.model import POLL_WITHIN, Market, Problem, iso
from tracker.pipeline.parts import Parts, Report, first, seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Polled:
    """What one exchange gave at one minute."""

    exchange: str
    markets: int
    got: int
    problems: tuple[Problem, ...]
    seconds: float
    error: TrackerError | None
    rows: int = 0

    def report(self) -> Report:
        return {
            "exchange": self.exchange,
            "markets": self.markets,
            "got": self.got,
            "rows": self.rows,
            "seconds": self.seconds,
            "error": str(self.error) if self.error else None,
            "problems": [{"where": one.where, "what": one.what} for one in self.problems],
        }


class Fetch(Parts):
    __slots__ = ()

    def fetch(self, minute: datetime) -> Report:
        """Poll every exchange once and store the samples of `minute`.

        More than POLL_WITHIN after the minute nothing is polled and nothing written: `late` is then true, and
        candles fill the minute (`repair`, `load`). An exchange that fails does not keep the others from being
        stored; when all fail the error of the first is raised, after the report is written.
        """
        began = self.begin(minute)
        late = began - minute > POLL_WITHIN
        exchanges = list(self.sources)
        if late:
            feeds = [_Polled(name, 0, 0, (Problem(name, _late(minute, began)),), 0.0, None) for name in exchanges]
        else:
            with ThreadPoolExecutor(len(exchanges)) as pool:
                feeds = list(pool.map(lambda name: self._poll(name, minute), exchanges))
        report = {
            "minute": iso(minute),
            "began": iso(began),
            "seconds": seconds(self.clock() - began),
            "late": late,
            "rows": sum(feed.rows for feed in feeds),
            "feeds": [feed.report() for feed in feeds],
        }
        self.store.write_report(minute, "fetch", report)
        errors = [feed.error for feed in feeds if feed.error is not None]
        if errors and len(errors) == len(feeds):
            raise first(errors)
        for error in errors:
            log.warning("%s", error)
        return report

    def _poll(self, exchange: str, minute: datetime) -> _Polled:
        began = self.clock()
        markets: Sequence[Market] = ()
        try:
            markets, problems = self.markets_of(exchange)
            poll = self.sources[exchange].latest(markets, minute)
            wanted = [one for one in poll.samples if one.series.metric in self.watchlist.metrics]
            if wanted:
                self.store.write_minute(minute, exchange, samples_table(wanted))
            found = (*problems, *poll.problems)
            got, error = len({one.series.market for one in wanted}), None
        except TrackerError as failure:
            wanted, got, found, error = [], 0, (Problem(exchange, str(failure)),), failure
        spent = seconds(self.clock() - began)
        return _Polled(exchange, len(markets), got, found, spent, error, rows=len(wanted))


def _late(minute: datetime, now: datetime) -> str:
    seconds = (now - minute).total_seconds()
    return f"{iso(minute)} is {seconds:.0f} s ago: not polled; its candles fill it (`tracker backfill`, hourly repair)"
