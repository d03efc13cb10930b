"""Load the past from candles, close gaps, and derive again what depends on what changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from tracker.alerts import TOLD
from tracker.alerts import history as alert_history
from tracker.backfill import Backfill, Loaded, Progress, Together, loaded_markets
from tracker.coverage import missing
from tracker.errors import ConfigError, TrackerError
from tracker.frames import MEASURED
from tracker.history import hours, stretches
from tracker.model import DAY, HOUR, MINUTE, Market, Problem, iso, whole_hour, whole_minute
from tracker.pipeline.parts import Parts, Report, first, silent
from tracker.stats import summarise


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch (start, end] of an exchange's history to load: of `markets`, None for all that are watched."""

    exchange: str
    start: datetime
    end: datetime
    markets: Collection[Market] | None = None


@dataclass(slots=True)
class _Found:
    """What the stretches of one exchange gave, up to an error if there was one."""

    loaded: list[Loaded] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    error: TrackerError | None = None


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

        Exchanges are asked side by side. Hours that were loaded before are not asked for again, unless `again`. Doing
        it twice changes nothing. What a killed load left underived is derived now. An exchange that fails does not
        keep the others from being loaded; its error is raised when they are. It never mails.
        """
        if exchange is not None and exchange not in self.sources:
            raise ConfigError(f"{exchange} is not watched; watched: {', '.join(self.sources)}")
        now = whole_minute(self.clock())
        end = min(end, now)
        if start >= end:
            raise ConfigError(f"there is no history after {iso(start)} yet; it is {iso(now)}")
        names = [exchange] if exchange else list(self.sources)
        report = self._fill([_Stretch(name, start, end) for name in names], again=again, progress=progress)
        return {"start": iso(start), "end": iso(end), **report}

    def repair(self, until: datetime, *, progress: Progress = silent) -> Report:
        """Find the minutes of the last 24 h in which a watched market has no sample, and load their hours from candles.

        An hour that was loaded already is left alone: what is missing then cannot be had, and asking again for ever
        would not bring it. Nor is what the exchange's candles no longer reach. An exchange that fails does not keep
        the others from being repaired; its error is raised when they are.
        """
        wanted: list[_Stretch] = []
        failures: list[TrackerError] = []
        for name in self.sources:
            try:
                open_ = self._missing(name, until)
            except TrackerError as error:
                failures.append(error)
                continue
            for since, to in stretches(open_):
                markets = frozenset[Market]().union(*(open_[hour] for hour in hours(since, to)))
                wanted.append(_Stretch(name, since, min(to, until), markets))
        rows = self._fill(wanted, progress=progress)["rows"] if wanted else 0
        if failures:
            raise first(failures)
        loads = [{"exchange": one.exchange, "start": iso(one.start), "end": iso(one.end)} for one in wanted]
        return {"gaps": len(wanted), "rows": rows, "loads": loads}

    def _fill(self, wanted: Sequence[_Stretch], *, again: bool = False, progress: Progress) -> Report:
        """Load stretches, then derive again what depends on any of them."""
        now, ledger = whole_minute(self.clock()), self.store.ledger
        left, spans = ledger.begun(), {(one.start, one.end) for one in wanted}
        for span in spans:
            ledger.begin(*span)
        found = self._ask_all(wanted, again, progress)
        loaded = [one for of_exchange in found for one in of_exchange.loaded]
        changed = {hour for one in loaded for hour in one.changed}
        if changed:
            left.append((min(changed), max(changed) + HOUR))
        analyzed = sum(self._derive_again(since, until, progress) for since, until in left)
        fired = sum(self._record_past(since - MINUTE, min(until, now)) for since, until in left)
        failures = [one.error for one in found if one.error]
        if failures:  # what they had stored before is derived by the next load: the marks of this one stay
            raise first(failures)
        for span in {*spans, *left}:
            ledger.end(*span)
        problems = [one for of_exchange in found for one in of_exchange.problems]
        return {
            "hours": sum(one.hours for one in loaded),
            "rows": sum(one.rows for one in loaded),
            "skipped": sum(one.skipped for one in loaded),
            "changed": len(changed),
            "analyzed": analyzed,
            "would_have_fired": fired,
            "problems": [{"where": one.where, "what": one.what} for one in problems],
        }

    def _ask_all(self, wanted: Sequence[_Stretch], again: bool, progress: Progress) -> list[_Found]:
        """Load the stretches of each exchange one after the other, the exchanges side by side: each has its limit."""
        together, names = Together(progress), list(dict.fromkeys(one.exchange for one in wanted))

        def ask(name: str) -> _Found:
            return self._ask_one([one for one in wanted if one.exchange == name], again, together.of(name))

        if len(names) == 1:
            return [ask(names[0])]
        pool = ThreadPoolExecutor(len(names))
        try:
            return list(pool.map(ask, names))
        finally:  # after Ctrl-C none goes on alone
            together.stop()
            pool.shutdown()

    def _ask_one(self, wanted: Sequence[_Stretch], again: bool, progress: Progress) -> _Found:
        found = _Found()
        try:
            for one in wanted:
                watched, unchosen = self.markets_of(one.exchange)
                chosen = watched if one.markets is None else [each for each in watched if each in one.markets]
                source = self.sources[one.exchange]
                backfill = Backfill(source, self.store, chosen, self.watchlist.metrics, self.clock, self.sleep)
                loaded = backfill.load(one.start, one.end, progress, again=again)
                found.loaded.append(loaded)
                found.problems += [*unchosen, *loaded.problems]
        except TrackerError as error:
            found.error = error
        return found

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
