"""Load the past from candles, close gaps, and derive again what depends on what changed."""

from __future__ import annotations

from datetime import datetime

from tracker.alerts import history as alert_history
from tracker.backfill import Backfill, Progress, is_loaded
from tracker.errors import ConfigError
from tracker.frames import MEASURED, minutes_of
from tracker.history import gaps, hours, stretches
from tracker.model import DAY, HOUR, MINUTE, Problem, iso, whole_hour, whole_minute
from tracker.pipeline.parts import Parts, Report, silent
from tracker.stats import summarise


class Load(Parts):
    __slots__ = ()

    def load(
        self,
        start: datetime,
        end: datetime,
        *,
        exchange: str | None = None,
        again: bool = False,
        progress: Progress = silent,
    ) -> Report:
        """Load the history of (start, end] from candles, derive again what depends on it, record what would have fired.

        Hours that were loaded before are not asked for again, unless `again`. Doing it twice changes nothing. What a
        killed load left underived is derived now. It never mails.
        """
        if exchange is not None and exchange not in self.sources:
            raise ConfigError(f"{exchange} is not watched; watched: {', '.join(self.sources)}")
        end = min(end, whole_minute(self.clock()))
        problems: list[Problem] = []
        changed: set[datetime] = set()
        written = rows = skipped = 0
        left = self.store.ledger.begun()
        self.store.ledger.begin(start, end)
        for name in [exchange] if exchange else self.sources:
            markets, unchosen = self.markets_of(name)
            backfill = Backfill(self.sources[name], self.store, markets, self.watchlist.metrics, self.clock, self.sleep)
            loaded = backfill.load(start, end, progress, again=again)
            problems += [*unchosen, *loaded.problems]
            changed |= set(loaded.changed)
            written, rows, skipped = written + loaded.hours, rows + loaded.rows, skipped + loaded.skipped
        if changed:
            left.append((min(changed), max(changed) + HOUR))
        analyzed = sum(self._derive_again(since, until, progress) for since, until in left)
        fired = sum(self._record_past(since - MINUTE, min(until, end)) for since, until in left)
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
        """Find the minutes of the last 24 h in which an exchange has no sample, and load their hours from candles.

        An hour that was loaded already is left alone: what is missing then cannot be had, and asking again for ever
        would not bring it. Nor is what the exchange's candles no longer reach.
        """
        reports = []
        for name, source in self.sources.items():
            markets, _problems = self.markets_of(name)
            start = max(until - DAY, until - (source.reach or DAY))
            stored = self.store.read(start, until, markets=markets, columns=("minute",))
            missing = {hour for since, to in gaps(minutes_of(stored), start, until) for hour in hours(since, to)}
            known = self.store.ledger.loaded(name, whole_hour(start), until)
            metrics = self.watchlist.metrics
            open_ = {hour for hour in missing if not all(is_loaded(known, hour, metrics, one) for one in markets)}
            reports += [
                self.load(since, min(to, until), exchange=name, progress=progress) for since, to in stretches(open_)
            ]
        return {"gaps": len(reports), "rows": sum(report["rows"] for report in reports), "loads": reports}

    def _derive_again(self, since: datetime, until: datetime, progress: Progress) -> int:
        """Write again the summaries whose window the changed samples touch."""
        minutes = self.store.summary_minutes(since, until + DAY)
        for done, minute in enumerate(minutes):
            progress("analyzing again", done, len(minutes))
            window = self.store.stream(minute - DAY, minute, columns=MEASURED)
            self.store.write_summary(minute, summarise(window, minute))
        return len(minutes)

    def _record_past(self, start: datetime, end: datetime) -> int:
        """Record what would have fired in (start, end], a day at a time."""
        new = 0
        while start < end:
            until = min(start + DAY, end)
            window = self.store.read(start - DAY, until, columns=MEASURED)
            new += self.outbox.record(alert_history(self.rules, window, start, until), live=False)
            start = until
        return new
