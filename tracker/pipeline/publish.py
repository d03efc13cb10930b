"""Render the site as of a minute and upload what changed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from tracker.alerts import Evaluation, Lookback, State, recipients
from tracker.alerts.values import SILENT_MINUTES
from tracker.backfill import loaded_markets
from tracker.coverage import ExchangeCoverage, cover
from tracker.errors import ConfigError, TrackerError
from tracker.frames import instants
from tracker.model import DAY, HOUR, MINUTE, Market, Problem, Usage, iso, whole_hour
from tracker.pipeline.analyze import Analyze
from tracker.pipeline.figures import FIGURES, figures
from tracker.pipeline.parts import Report, seconds
from tracker.pipeline.runs import handed_on, read_runs, run_of
from tracker.ports import Copy, Standing
from tracker.stats import summarise

if TYPE_CHECKING:
    import pyarrow as pa

    from tracker.site import History, Status

MARKETS_A_MINUTE = 75
"""About so many markets' pages are made each minute; with more markets each waits for its turn."""

LONGEST_CADENCE = 5
"""Minutes after which every market's pages are made anew, however many there are."""

OPEN = frozenset({State.FIRING, State.RESOLVING})


class Publish(Analyze):
    __slots__ = ()

    def publish(self, minute: datetime, *, run_id: str | None = None, run_url: str | None = None) -> Report:
        """Render the site as of `minute` and upload what changed; a later minute that is out stays out.

        ConfigError when that is a minute still to come: somebody's clock was wrong, and the site would stand still.
        """
        from tracker import site  # with its templates and charts, which no other step needs

        began = self.begin(minute)
        standing = self.bucket.standing()
        window = self.store.read(minute - DAY, minute)
        summary = self.store.read_summary(minute)
        if summary is None:
            summary = summarise(window, minute)
        transitions = self.outbox.transitions(minute - site.ALERTS_SHOWN, minute)
        told = [one for one in transitions if not one.would_have_fired]
        near = Lookback.of(self.rules, told, minute - MINUTE).keep(window)
        evaluation = self.evaluation(near, summary, minute, told)
        news = _news(summary, minute)
        every = self.market_pages or max(1, min(LONGEST_CADENCE, -(-len(news) // MARKETS_A_MINUTE)))
        due = _due(news, minute, every, evaluation, standing.made)
        history = self._history(minute, standing)
        before = self._published(minute - MINUTE)
        last = before or self._published(standing.minute or minute)  # before a gap, which they tell of
        runs = handed_on(last.get("runs", []), minute)
        status = self._status(minute, window, standing.usage, before.get("figures", {}), runs)
        content = site.Content.gather(
            summary,
            window,
            evaluation,
            minute,
            rules=self.rules,
            transitions=transitions,
            status=status,
            about=replace(self.about.of_run(run_id, run_url), market_seconds=60 * every),
            hour_ago=self.store.read_summary(minute - HOUR),
            evidence=self.store.evidence(minute, self.sources),
            history=history,
        )
        pages, parts = site.CommonFiles(content), site.market_parts(content, due)
        others = {path for market in news.keys() - due for path in site.market_paths(market)}
        published = self.bucket.publish(
            pages,
            minute,
            keep=standing.made.keys() & (others | {f"{site.FOLDER}/index.html"}),
            copy=Copy(whole_hour(minute), site.kept_files(content)) if history.copy else None,
            parts=parts,
        )
        ended = self.clock()
        if published.older and standing.minute is not None and standing.minute > ended:
            raise ConfigError(
                f"the site shows {iso(standing.minute)}, and it is {ended:%H:%M:%S} UTC: some clock is or was wrong. "
                "Set it right; if it is right by now, remove manifest.json from the site, and this minute is published"
            )
        reports = self.store.read_reports(minute)
        report = {
            "minute": iso(minute),
            "began": iso(began),
            "seconds": seconds(ended - began),
            "pages": len(pages) + len(parts.paths),
            **published.report(),
            "figures": figures(minute, began, ended, status.outbox_depth, reports),
        }
        runs = [*runs, run_of(minute, {**reports, "publish": report})]
        self.store.write_report(minute, "publish", {**report, "runs": runs})
        if self.ping is not None and not published.older and self._is_good(minute):
            self.ping()
        return report

    def _history(self, minute: datetime, standing: Standing) -> History:
        """Say which hours are kept; the first ranking that is published in an hour is kept as that hour's."""
        from tracker.site import History

        copy = whole_hour(minute) not in standing.copies
        return History(standing.copies, copy, tuple(self.bucket.copies()) if copy else ())

    def _is_good(self, minute: datetime) -> bool:
        """Say whether this minute was fetched and analyzed: then the watcher outside hears of it."""
        reports = self.store.read_reports(minute)
        return "analyze" in reports and bool(reports.get("fetch", {}).get("rows"))

    def _status(
        self, minute: datetime, window: pa.Table, usage: Usage, before: Report, runs: Sequence[Report]
    ) -> Status:
        """Gather what the steps said of this minute, what became of the minutes before, what waits in the outbox."""
        from tracker.site import STEPS, Feed, Figure, Status, Step

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
            figures=tuple(Figure(name, FIGURES[name], value) for name, value in before.items() if name in FIGURES),
            steps=tuple(Step(name, reports[name]["seconds"]) for name in STEPS if name in reports),
            outbox_depth=backlog.waiting,
            oldest_unsent=backlog.oldest,
            failed_mails=backlog.undelivered,
            mails=backlog.mails,
            silences=self.silences,
            mail_configured=self.notifier is not None and any(recipients(one, self.recipients) for one in self.rules),
            runs=read_runs(runs),
            usage=usage,
        )

    def _published(self, minute: datetime) -> Report:
        """Give what publish reported of a minute; empty when it did not."""
        return self.store.read_reports(minute).get("publish", {})

    def _coverage(self, exchange: str, minute: datetime, window: pa.Table) -> list[ExchangeCoverage]:
        """Say what became of the last 24 h of the markets last listed; nothing is asked of the exchange here."""
        kept = self.store.read_listings(exchange)
        if kept is None:
            return []
        markets, _problems = self.watchlist.choose(exchange, kept[1])
        known = self.store.ledger.loaded(exchange, whole_hour(minute - DAY), minute)
        loaded = loaded_markets(known, self.watchlist.metrics)
        return [cover(window, minute, exchange, markets, loaded=loaded, reach=self.sources[exchange].reach)]


def _news(summary: pa.Table, minute: datetime) -> dict[Market, datetime]:
    """Give each market the minute of its last news: a sample, or that there has been none for SILENT_MINUTES."""
    silence = SILENT_MINUTES * MINUTE
    latest: dict[str, datetime] = {}
    for name, at in zip(summary["market"].to_pylist(), instants(summary["latest_minute"]), strict=True):
        latest[name] = max(at, latest.get(name, at))
    return {Market.parse(name): at if minute - at < silence else at + silence for name, at in latest.items()}


def _due(
    news: Mapping[Market, datetime],
    minute: datetime,
    every: int,
    evaluation: Evaluation,
    made: Mapping[str, datetime],
) -> frozenset[Market]:
    """Choose the markets whose pages are made now: in their turn if there is news, at once if new or an alert moves.

    `made` says when the objects that are out were made.
    """
    from tracker.site import market_paths

    turn = int(minute.timestamp()) // 60 % every
    moving = {one.series.market for one in evaluation.transitions}
    moving |= {series.market for series, state in evaluation.states.items() if state in OPEN}

    def is_due(market: Market) -> bool:
        paths = market_paths(market)
        if market in moving or not made.keys() >= set(paths):
            return True
        return zlib.crc32(str(market).encode()) % every == turn and made[paths[0]] < news[market]

    return frozenset(filter(is_due, news))
