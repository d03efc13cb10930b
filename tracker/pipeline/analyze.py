"""Compute the statistics of a minute and decide its alerts."""

from __future__ import annotations

from datetime import datetime

from tracker.alerts import audible, evaluate
from tracker.frames import MEASURED
from tracker.model import DAY, iso
from tracker.pipeline.parts import LIVE_WITHIN, Parts, Report, seconds
from tracker.stats import summarise


class Analyze(Parts):
    __slots__ = ()

    def analyze(self, minute: datetime, *, live: bool = True, run_url: str | None = None) -> Report:
        """Write the summary of `minute`, record what fired and resolved, and queue its mails.

        Mails are queued only when `live` and the minute is at most LIVE_WITHIN old: a backfill never mails.
        """
        began = self.clock()
        live = live and began - minute <= LIVE_WITHIN
        window = self.store.read(minute - DAY, minute, columns=MEASURED)
        summary = summarise(window, minute)
        evaluation = evaluate(self.rules, window, summary, minute)
        self.store.write_summary(minute, summary)
        recorded = self.outbox.record(evaluation.transitions, live=live)
        told = audible(evaluation.transitions, self.silences) if live else ()
        queued = self.outbox.queue(told, self.recipients, run_url=run_url)
        report = {
            "minute": iso(minute),
            "began": iso(began),
            "seconds": seconds(self.clock() - began),
            "series": summary.num_rows,
            "samples": window.num_rows,
            "live": live,
            "transitions": len(evaluation.transitions),
            "recorded": recorded,
            "queued": queued,
        }
        self.store.write_report(minute, "analyze", report)
        return report
