"""Render the site as of a minute and upload what changed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from tracker.alerts import Evaluation, State, recipients
from tracker.backfill import loaded_markets
from tracker.coverage import ExchangeCoverage, cover
from tracker.errors import TrackerError
from tracker.model import DAY, HOUR, MINUTE, Market, Problem, iso, whole_hour
from tracker.pipeline.analyze import Analyze
from tracker.pipeline.figures import FIGURES, figures
from tracker.pipeline.parts import Report, seconds
from tracker.site import Feed, Figure, Status, Step, market_paths, render
from tracker.stats import summarise

if TYPE_CHECKING:
    import pyarrow as pa

MARKETS_A_MINUTE = 75
"""About so many markets' pages are made each minute; with more markets each waits for its turn."""

LONGEST_CADENCE = 5
"""Minutes after which every market's pages are made anew, however many there are."""

OPEN = frozenset({State.FIRING, State.RESOLVING})
TRANSITIONS_SHOWN = 30 * DAY
STEPS = ("fetch", "analyze", "publish")


class Publish(Analyze):
    __slots__ = ()

    def publish(self, minute: datetime, *, run_id: str | None = None, run_url: str | None = None) -> Report:
        """Render the site as of `minute` and upload what changed; a later minute that is out stays out."""
        began = self.clock()
        window = self.store.read(minute - DAY, minute)
        summary = self.store.read_summary(minute)
        if summary is None:
            summary = summarise(window, minute)
        transitions = self.outbox.transitions(minute - TRANSITIONS_SHOWN, minute)
        evaluation = self.evaluation(window, summary, minute, [one for one in transitions if not one.would_have_fired])
        markets = [Market.parse(name) for name in summary["market"].unique().to_pylist()]
        every = max(1, min(LONGEST_CADENCE, -(-len(markets) // MARKETS_A_MINUTE)))
        known = frozenset(self.bucket.known()) if every > 1 else frozenset()
        due = _due(markets, minute, every, evaluation, known)
        status = self._status(minute, window)
        pages = render(
            summary,
            window,
            evaluation,
            minute,
            rules=self.rules,
            transitions=transitions,
            status=status,
            about=replace(self.about.of_run(run_id, run_url), market_seconds=60 * every),
            hour_ago=self.store.read_summary(minute - HOUR),
            due=due,
        )
        keep = known.intersection(path for market in markets if market not in due for path in market_paths(market))
        published = self.bucket.publish(pages, minute, keep)
        ended = self.clock()
        report = {
            "minute": iso(minute),
            "began": iso(began),
            "seconds": seconds(ended - began),
            "pages": len(pages),
            **published.report(),
            "figures": figures(minute, began, ended, status.outbox_depth, self.store.read_reports(minute)),
        }
        self.store.write_report(minute, "publish", report)
        if self.ping is not None and not published.older and self._is_good(minute):
            self.ping()
        return report

    def _is_good(self, minute: datetime) -> bool:
        """Say whether this minute was fetched and analyzed: then the watcher outside hears of it."""
        reports = self.store.read_reports(minute)
        return "analyze" in reports and bool(reports.get("fetch", {}).get("rows"))

    def _status(self, minute: datetime, window: pa.Table) -> Status:
        """Gather what the steps said of this minute, what became of the minutes before, what waits in the outbox."""
        reports = self.store.read_reports(minute)
        feeds = reports.get("fetch", {}).get("feeds", [])
        before = self.store.read_reports(minute - MINUTE).get("publish", {}).get("figures", {})
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
            figures=tuple(Figure(name, FIGURES[name], value) for name, value in before.items() if name in FIGURES),
            steps=tuple(Step(name, reports[name]["seconds"]) for name in STEPS if name in reports),
            outbox_depth=backlog.waiting,
            oldest_unsent=backlog.oldest,
            failed_mails=backlog.undelivered,
            mails=backlog.mails,
            silences=self.silences,
            mail_configured=self.notifier is not None and any(recipients(one, self.recipients) for one in self.rules),
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
