"""The steps of a minute and of the past: each gathers, decides with pure functions, then acts.

Every step may be run again: it replaces what it wrote. Reports are small JSON-able dicts (counts, problems,
seconds), good for a log, an XCom and the status page.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any

from tracker.alerts import AlertRule, Evaluation, Event, Silence, State, Transition, audible, evaluate
from tracker.alerts import history as alert_history
from tracker.backfill import Backfill, Progress, is_loaded, loaded_markets
from tracker.coverage import ExchangeCoverage, cover
from tracker.errors import ConfigError, MailRefused, TrackerError
from tracker.frames import minutes_of, samples_table
from tracker.history import gaps, hours, stretches
from tracker.mail import compose
from tracker.model import DAY, HOUR, MINUTE, POLL_WITHIN, Market, Problem, Retention, iso, whole_hour, whole_minute
from tracker.ports import Bucket, Notifier, Outbox, Source, Store
from tracker.site import About, Feed, Status, Step, market_paths, render
from tracker.stats import summarise
from tracker.watchlist import Watchlist

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

LISTINGS_KEPT = HOUR
MARKETS_A_MINUTE = 75
"""About so many markets' pages are made each minute; with more markets each waits for its turn."""

LONGEST_CADENCE = 5
"""Minutes after which every market's pages are made anew, however many there are."""

OPEN = frozenset({State.FIRING, State.RESOLVING})
LIVE_WITHIN = HOUR
"""A minute evaluated later than this after itself is history: it is recorded, and no mail is sent."""

KEEP = Retention()
TRANSITIONS_SHOWN = 30 * DAY
STEPS = ("fetch", "analyze", "publish")

Report = dict[str, Any]


def silent(_what: str, _done: int, _total: int) -> None:
    """Take progress and show nothing."""


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


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps, over ports. `clock` gives the present as an aware UTC datetime."""

    watchlist: Watchlist
    rules: tuple[AlertRule, ...]
    sources: Mapping[str, Source]
    store: Store
    outbox: Outbox
    bucket: Bucket
    notifier: Notifier | None
    recipients: tuple[str, ...]
    sender: str
    about: About
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    silences: tuple[Silence, ...] = ()
    retention: Retention = KEEP

    # one minute ------------------------------------------------------------------------------

    def fetch(self, minute: datetime) -> Report:
        """Poll every exchange once and store the samples of `minute`.

        More than POLL_WITHIN after the minute nothing is polled and nothing written: `late` is then true, and
        candles fill the minute (`repair`, `load`). An exchange that fails does not keep the others from being
        stored; when all fail the error of the first is raised, after the report is written.
        """
        began = self.clock()
        if began < minute:
            raise ConfigError(f"{iso(minute)} has not begun; it is {iso(began)}")
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
            "seconds": _seconds(self.clock() - began),
            "late": late,
            "rows": sum(feed.rows for feed in feeds),
            "feeds": [feed.report() for feed in feeds],
        }
        self.store.write_report(minute, "fetch", report)
        errors = [feed.error for feed in feeds if feed.error is not None]
        if errors and len(errors) == len(feeds):
            raise errors[0]
        return report

    def _poll(self, exchange: str, minute: datetime) -> _Polled:
        began = self.clock()
        markets: Sequence[Market] = ()
        try:
            markets, problems = self._markets(exchange)
            poll = self.sources[exchange].latest(markets, minute)
            wanted = [one for one in poll.samples if one.series.metric in self.watchlist.metrics]
            if wanted:
                self.store.write_minute(minute, exchange, samples_table(wanted))
            found = (*problems, *poll.problems)
            got, error = len({one.series.market for one in wanted}), None
        except TrackerError as failure:
            log.warning("%s at %s: %s", exchange, iso(minute), failure)
            wanted, got, found, error = [], 0, (Problem(exchange, str(failure)),), failure
        spent = _seconds(self.clock() - began)
        return _Polled(exchange, len(markets), got, found, spent, error, rows=len(wanted))

    def _markets(self, exchange: str) -> tuple[list[Market], list[Problem]]:
        """Choose the watched markets from listings at most LISTINGS_KEPT old; older ones serve while asking fails."""
        kept = self.store.read_listings(exchange)
        now = self.clock()
        if kept and now - kept[0] < LISTINGS_KEPT:
            return self.watchlist.choose(exchange, kept[1])
        try:
            listings = self.sources[exchange].listings()
        except TrackerError as error:
            if kept is None:
                raise
            markets, problems = self.watchlist.choose(exchange, kept[1])
            return markets, [Problem(exchange, f"markets as listed at {iso(kept[0])}: {error}"), *problems]
        self.store.write_listings(exchange, listings, now)
        return self.watchlist.choose(exchange, listings)

    def analyze(self, minute: datetime, *, live: bool = True, run_url: str | None = None) -> Report:
        """Write the summary of `minute`, record what fired and resolved, and queue its mails.

        Mails are queued only when `live` and the minute is at most LIVE_WITHIN old: a backfill never mails.
        """
        began = self.clock()
        live = live and began - minute <= LIVE_WITHIN
        window = self.store.read(minute - DAY, minute)
        summary = summarise(window, minute)
        evaluation = evaluate(self.rules, window, summary, minute)
        self.store.write_summary(minute, summary)
        recorded = self.outbox.record(evaluation.transitions, live=live)
        told = audible(evaluation.transitions, self.silences) if live else ()
        queued = self.outbox.queue(told, self.recipients, run_url=run_url)
        report = {
            "minute": iso(minute),
            "began": iso(began),
            "seconds": _seconds(self.clock() - began),
            "series": summary.num_rows,
            "samples": window.num_rows,
            "live": live,
            "transitions": len(evaluation.transitions),
            "recorded": recorded,
            "queued": queued,
        }
        self.store.write_report(minute, "analyze", report)
        return report

    def publish(self, minute: datetime, *, run_id: str | None = None, run_url: str | None = None) -> Report:
        """Render the site as of `minute` and upload what changed; a later minute that is out stays out."""
        began = self.clock()
        window = self.store.read(minute - DAY, minute)
        summary = self.store.read_summary(minute)
        if summary is None:
            summary = summarise(window, minute)
        evaluation = evaluate(self.rules, window, summary, minute)
        markets = [Market.parse(name) for name in summary["market"].unique().to_pylist()]
        every = max(1, min(LONGEST_CADENCE, -(-len(markets) // MARKETS_A_MINUTE)))
        known = frozenset(self.bucket.known()) if every > 1 else frozenset()
        due = _due(markets, minute, every, evaluation, known)
        pages = render(
            summary,
            window,
            evaluation,
            minute,
            rules=self.rules,
            transitions=self.outbox.transitions(minute - TRANSITIONS_SHOWN, minute),
            status=self._status(minute, window),
            about=replace(self.about.of_run(run_id, run_url), market_seconds=60 * every),
            hour_ago=self.store.read_summary(minute - HOUR),
            due=due,
        )
        keep = known.intersection(path for market in markets if market not in due for path in market_paths(market))
        published = self.bucket.publish(pages, minute, keep)
        report = {
            "minute": iso(minute),
            "began": iso(began),
            "seconds": _seconds(self.clock() - began),
            "pages": len(pages),
            **published.report(),
        }
        self.store.write_report(minute, "publish", report)
        return report

    def _status(self, minute: datetime, window: pa.Table) -> Status:
        """Gather what the steps said of this minute, what became of the minutes before, what waits in the outbox."""
        reports = self.store.read_reports(minute)
        feeds = reports.get("fetch", {}).get("feeds", [])
        backlog = self.outbox.backlog(self.clock())
        problems = [Problem(one["where"], one["what"]) for feed in feeds for one in feed["problems"]]
        coverage = []
        for name in self.sources:
            try:
                coverage += self._coverage(name, minute, window)
            except TrackerError as error:
                problems.append(Problem(name, f"its coverage is not known: {error}"))
        return Status(
            problems=tuple(problems),
            coverage=tuple(coverage),
            feeds=tuple(
                Feed(one["exchange"], one["markets"], one["got"], one["rows"], one["seconds"], one["error"])
                for one in feeds
            ),
            steps=tuple(Step(name, reports[name]["seconds"]) for name in STEPS if name in reports),
            outbox_depth=backlog.waiting,
            oldest_unsent=backlog.oldest,
            failed_mails=backlog.undelivered,
            mail_configured=self.notifier is not None and bool(self.recipients),
        )

    def _coverage(self, exchange: str, minute: datetime, window: pa.Table) -> list[ExchangeCoverage]:
        """Say what became of the last 24 h of the markets last listed; nothing is asked of the exchange here."""
        kept = self.store.read_listings(exchange)
        if kept is None:
            return []
        markets, _problems = self.watchlist.choose(exchange, kept[1])
        known = self.store.ledger.loaded(exchange, whole_hour(minute - DAY), minute)
        loaded = loaded_markets(known, self.watchlist.metrics)
        return [cover(window, minute, exchange, markets, loaded=loaded, reach=self.sources[exchange].reach)]

    # mails -----------------------------------------------------------------------------------

    def pending(self) -> list[str]:
        """Give the ids of the mails that wait: one per recipient and minute.

        What was recorded live in the last LIVE_WITHIN is queued once more first (queueing twice is queueing once):
        an analyze killed between recording and queueing loses no mail.
        """
        now = self.clock()
        recorded = self.outbox.transitions(now - LIVE_WITHIN, now)
        live = [one for one in recorded if not one.would_have_fired]
        self.outbox.queue(audible(live, self.silences), self.recipients)
        return [waiting.id for waiting in self.outbox.pending(now)]

    def deliver(self, batch_id: str) -> Report:
        """Send one digest and mark it as sent; sent already, or being sent by another, it is left alone.

        Raises MailUnavailable when a later try may succeed. A mail refused for good is marked as failed.
        """
        if not self.outbox.claim(batch_id, self.clock()):
            return {"batch": batch_id, "sent": 0}
        try:
            return self._send(batch_id)
        finally:
            self.outbox.release(batch_id)

    def _send(self, batch_id: str) -> Report:
        batch = self.outbox.batch(batch_id)
        if batch is None:
            return {"batch": batch_id, "sent": 0}
        if self.notifier is None:
            raise ConfigError(
                "no mail server: set AIRFLOW_CONN_SMTP_DEFAULT, or the connection smtp_default in Airflow"
            )
        message = compose(batch, self.about.public_url, self.sender, self.rules)
        try:
            self.notifier.send(message)
        except MailRefused as error:
            self.outbox.mark_failed(batch, str(error), self.clock())
            raise
        self.outbox.mark_sent(batch, self.clock())
        return {"batch": batch_id, "sent": 1, "subject": str(message["Subject"])}

    # the past --------------------------------------------------------------------------------

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
            markets, unchosen = self._markets(name)
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
            markets, _problems = self._markets(name)
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

    def seal(self, until: datetime, *, hours_back: int = 26) -> Report:
        """Build the hour objects of the last hours that were over at `until`; those that are current stay.

        An hour is over POLL_WITHIN after its end: before that a poll may still come.
        """
        last = whole_hour(until - POLL_WITHIN) - HOUR
        sealed = [self.store.seal(last - n * HOUR) for n in reversed(range(hours_back))]
        return {
            "sealed": sum(one.rows > 0 for one in sealed),
            "changed": sum(one.changed for one in sealed),
            "rows": sum(one.rows for one in sealed),
            "bytes": sum(one.bytes for one in sealed),
        }

    def expire(self) -> Report:
        """Delete what the retention settings no longer cover; minutes and candles only once their hour is sealed."""
        gone = self.store.expire(self.clock(), self.retention)
        return {
            "inputs": gone.inputs,
            "hours": gone.hours,
            "summaries": gone.summaries,
            "reports": gone.reports,
            "drafts": gone.drafts + self.bucket.sweep(self.clock()),
            "problems": [{"where": one.where, "what": one.what} for one in gone.problems],
        }

    def _derive_again(self, since: datetime, until: datetime, progress: Progress) -> int:
        """Write again the summaries whose window the changed samples touch."""
        minutes = self.store.summary_minutes(since, until + DAY)
        for done, minute in enumerate(minutes):
            progress("analyzing again", done, len(minutes))
            window = self.store.read(minute - DAY, minute)
            self.store.write_summary(minute, summarise(window, minute))
        return len(minutes)

    def _record_past(self, start: datetime, end: datetime) -> int:
        """Record what would have fired in (start, end], a day at a time."""
        new = 0
        while start < end:
            until = min(start + DAY, end)
            window = self.store.read(start - DAY, until)
            new += self.outbox.record(alert_history(self.rules, window, start, until), live=False)
            start = until
        return new

    def replay(
        self, start: datetime, end: datetime, *, rules: Sequence[AlertRule] | None = None, progress: Progress = silent
    ) -> list[Report]:
        """Say which alerts the rules (or others) would have raised over the stored samples of (start, end]."""
        transitions: list[Transition] = []
        since, total = start, -(-(end - start) // DAY)
        while since < end:
            until = min(since + DAY, end)
            window = self.store.read(since - DAY, until)
            transitions += alert_history(rules or self.rules, window, since, until)
            progress("replaying", (until - start) // DAY, total)
            since = until
        return _alerts(transitions)


def _due(
    markets: Sequence[Market], minute: datetime, every: int, evaluation: Evaluation, known: frozenset[str]
) -> frozenset[Market]:
    """Choose the markets whose pages are made now: each in its turn, at once when new or when an alert moves."""
    turn = int(minute.timestamp()) // 60 % every
    moving = {one.series.market for one in evaluation.transitions}
    moving |= {series.market for series, state in evaluation.states.items() if state in OPEN}
    return frozenset(
        market
        for market in markets
        if market in moving
        or zlib.crc32(str(market).encode()) % every == turn
        or not known.issuperset(market_paths(market)[:1])
    )


def _alerts(transitions: Sequence[Transition]) -> list[Report]:
    """Fold the transitions of each alert into one row, in the order of firing."""
    rows: dict[str, Report] = {}
    for one in transitions:
        row = rows.setdefault(
            one.alert_id,
            {
                "rule": one.rule,
                "market": str(one.series.market),
                "metric": one.series.metric.value,
                "fired": iso(one.fired),
                "resolved": None,
            },
        )
        if one.event is not Event.FIRING:
            row["resolved"] = iso(one.minute)
        row["peak_ratio"] = one.peak_ratio if isfinite(one.peak_ratio) else None  # over a mean of 0
        row["rises"] = one.rises
    return sorted(rows.values(), key=lambda row: (row["fired"], row["market"], row["metric"]))


def _late(minute: datetime, now: datetime) -> str:
    seconds = (now - minute).total_seconds()
    return f"{iso(minute)} is {seconds:.0f} s ago: not polled; its candles fill it (`tracker backfill`, hourly repair)"


def _seconds(spent: timedelta) -> float:
    return round(spent.total_seconds(), 3)
