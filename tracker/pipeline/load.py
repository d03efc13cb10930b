"""Load the past from candles, close gaps, and derive again what depends on what changed."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from tracker.alerts import TOLD
from tracker.alerts import history as alert_history
from tracker.backfill import Backfill, Progress, loaded_markets
from tracker.coverage import missing
from tracker.errors import ConfigError, TrackerError
from tracker.frames import MEASURED
from tracker.history import hours, stretches
from tracker.model import DAY, HOUR, MINUTE, Market, Problem, iso, whole_hour, whole_minute
from tracker.pipeline.parts import Parts, Report, silent
from tracker.stats import summarise

log = logging.getLogger(__name__)


class Load(Parts):
    __slots__ = ()

    def load(
        self,
        start: datetime,
        end: datetime,
        *,
        exchange: str | None = None,
        markets: Collection[Market] | None = None,
        again: bool = False,
        progress: Progress = silent,
    ) -> Report:
        """Load the history of (start, end] from candles, derive again what depends on it, record what would have fired.

        Of the watched markets, or those of them in `markets`. Hours that were loaded before are not asked for again,
        unless `again`. Doing it twice changes nothing. What a killed load left underived is derived now. An exchange
        that fails does not keep the others from being loaded; its error is raised when they are. It never mails.
        """
        if exchange is not None and exchange not in self.sources:
            raise ConfigError(f"{exchange} is not watched; watched: {', '.join(self.sources)}")
        now = whole_minute(self.clock())
        end = min(end, now)
        if start >= end:
            raise ConfigError(f"there is no history after {iso(start)} yet; it is {iso(now)}")
        problems: list[Problem] = []
        failures: list[TrackerError] = []
        changed: set[datetime] = set()
        written = rows = skipped = 0
        left = self.store.ledger.begun()
        self.store.ledger.begin(start, end)
        for name in [exchange] if exchange else self.sources:
            try:
                watched, unchosen = self.markets_of(name)
                chosen = watched if markets is None else [one for one in watched if one in markets]
                backfill = Backfill(
                    self.sources[name], self.store, chosen, self.watchlist.metrics, self.clock, self.sleep
                )
                loaded = backfill.load(start, end, progress, again=again)
            except TrackerError as error:
                failures.append(error)
                continue
            problems += [*unchosen, *loaded.problems]
            changed |= set(loaded.changed)
            written, rows, skipped = written + loaded.hours, rows + loaded.rows, skipped + loaded.skipped
        if changed:
            left.append((min(changed), max(changed) + HOUR))
        analyzed = sum(self._derive_again(since, until, progress) for since, until in left)
        fired = sum(self._record_past(since - MINUTE, min(until, now)) for since, until in left)
        if failures:  # what they had stored before is derived by the next load: the mark of this one stays
            raise _first(failures)
        for span in {(start, end), *left}:
            self.store.ledger.end(*span)
        return {
            "start": iso(start),
            "end": iso(end),
            "hours": written,
            "rows": rows,
            "skipped": skipped,
            "changed": len(changed),
            "analyzed": analyzed,
            "would_have_fired": fired,
            "problems": [{"where": one.where, "what": one.what} for one in problems],
        }

    def repair(self, until: datetime, *, progress: Progress = silent) -> Report:
        """Find the minutes of the last 24 h in which a watched market has no sample, and load their hours from candles.

        An hour that was loaded already is left alone: what is missing then cannot be had, and asking again for ever
        would not bring it. Nor is what the exchange's candles no longer reach. An exchange that fails does not keep
        the others from being repaired; its error is raised when they are.
        """
        reports: list[Report] = []
        failures: list[TrackerError] = []
        for name in self.sources:
            try:
                open_ = self._missing(name, until)
                for since, to in stretches(open_):
                    markets = frozenset[Market]().union(*(open_[hour] for hour in hours(since, to)))
                    reports.append(self.load(since, min(to, until), exchange=name, markets=markets, progress=progress))
            except TrackerError as error:
                failures.append(error)
        if failures:
            raise _first(failures)
        return {"gaps": len(reports), "rows": sum(report["rows"] for report in reports), "loads": reports}

    def _missing(self, exchange: str, until: datetime) -> dict[datetime, frozenset[Market]]:
        """Give, by hour, the watched markets of which candles may bring back a minute of (until - 24h, until]."""
        markets, _problems = self.markets_of(exchange)
        stored = self.store.read(until - DAY, until, markets=markets, columns=("market", "metric", "minute", "origin"))
        known = self.store.ledger.loaded(exchange, whole_hour(until - DAY), until)
        loaded = loaded_markets(known, self.watchlist.metrics)
        return missing(stored, until, exchange, markets, loaded=loaded, reach=self.sources[exchange].reach)

    def _derive_again(self, since: datetime, until: datetime, progress: Progress) -> int:
        """Write again the summaries whose window the changed samples touch."""
        minutes = self.store.summary_minutes(since, until + DAY)
        for done, minute in enumerate(minutes):
            progress("analyzing again", done, len(minutes))
            window = self.store.stream(minute - DAY, minute, columns=MEASURED)
            self.store.write_summary(minute, summarise(window, minute))
        return len(minutes)

    def _record_past(self, start: datetime, end: datetime) -> int:
        """Record what would have fired in (start, end], a day at a time.

        The silence of a market or a feed is not judged: candles leave quiet minutes out.
        """
        new = 0
        while start < end:
            until = min(start + DAY, end)
            window = self.store.read(start - DAY, until, columns=MEASURED)
            told = self.outbox.transitions(start - TOLD, start)
            found = alert_history(self.rules, window, start, until, told=told, at_work=())
            new += self.outbox.record(found, live=False)
            start = until
        return new


def _first(failures: Sequence[TrackerError]) -> TrackerError:
    """Give the error to raise, and log the others."""
    for error in failures[1:]:
        log.warning("%s", error)
    return failures[0]
