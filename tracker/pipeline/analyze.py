"""Compute the statistics of a minute and decide its alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa

from tracker.alerts import TOLD, Evaluation, Lookback, Transition, batches, evaluate, muted
from tracker.frames import MEASURED, merged
from tracker.model import DAY, MINUTE, iso
from tracker.pipeline.parts import LIVE_WITHIN, Parts, Report, seconds
from tracker.stats import summarise


@dataclass(slots=True)
class _Look:
    """Looks at the hours of a day as they pass, and keeps what alerts need of them."""

    back: Lookback
    kept: list[pa.Table] = field(default_factory=list)
    samples: int = 0

    def at(self, table: pa.Table) -> pa.Table:
        """Give an hour on as it is."""
        self.samples += table.num_rows
        self.kept.append(self.back.keep(table))
        return table


class Analyze(Parts):
    __slots__ = ()

    def analyze(self, minute: datetime, *, live: bool = True, run_url: str | None = None) -> Report:
        """Record what fired and ended at `minute`, queue its mails, and write its summary.

        The summary comes last: as long as it is missing, the next minute decides this one as well. Mails are queued
        only when `live` and the minute is at most LIVE_WITHIN old: a backfill never mails.
        """
        began = self.begin(minute)
        live = live and began - minute <= LIVE_WITHIN
        told = [one for one in self.outbox.transitions(minute - TOLD, began) if not one.would_have_fired]
        since = self._left_behind(minute) if live else None
        look = _Look(Lookback.of(self.rules, told, since or minute - MINUTE))
        summary = summarise(map(look.at, self.store.stream(minute - DAY, minute, columns=MEASURED)), minute)
        pa.default_memory_pool().release_unused()  # of the hours that passed, or what follows would come on top
        window = merged(look.kept)
        evaluation = self.evaluation(window, summary, minute, told, since)
        changes = muted(evaluation.transitions, self.silences, told, evaluation.down)
        recorded = self.outbox.record(changes, live=live)
        queued = self.tell(changes, window, run_url) if live else 0
        self.store.write_summary(minute, summary)
        report = {
            "minute": iso(minute),
            "began": iso(began),
            "seconds": seconds(self.clock() - began),
            "series": summary.num_rows,
            "samples": look.samples,
            "live": live,
            "transitions": len(evaluation.transitions),
            "recorded": recorded,
            "queued": queued,
        }
        self.store.write_report(minute, "analyze", report)
        return report

    def evaluation(
        self,
        window: pa.Table,
        summary: pa.Table,
        minute: datetime,
        told: Sequence[Transition],
        since: datetime | None = None,
    ) -> Evaluation:
        """Evaluate the rules on what a `Lookback` keeps; the silence of an exchange counts only if it was asked now."""
        fetched = self._fetched(minute)
        asked = [] if fetched["late"] else [feed["exchange"] for feed in fetched["feeds"]]
        return evaluate(self.rules, window, summary, minute, told=told, since=since, asked=asked)

    def tell(self, changes: Sequence[Transition], window: pa.Table | None, run_url: str | None = None) -> int:
        """Queue what each recipient has to be told; say how many keys were new. Doing it twice is doing it once."""
        mails = batches(changes, self.rules, self.recipients, window)
        return sum(self.outbox.queue(replace(one, run_url=run_url)) for one in mails)

    def _left_behind(self, minute: datetime) -> datetime:
        """Give the minute after which none was analyzed, though all were fetched on time: a killed analyze leaves such.

        A minute that nobody fetched may have candles by now: it is history, and never mails.
        """
        done = self.store.summary_minutes(minute - LIVE_WITHIN, minute - MINUTE)
        since = minute - MINUTE
        while done and since > done[-1] and not self._fetched(since)["late"]:
            since -= MINUTE
        return since

    def _fetched(self, minute: datetime) -> Report:
        return self.store.read_reports(minute).get("fetch", {"late": True, "feeds": []})
