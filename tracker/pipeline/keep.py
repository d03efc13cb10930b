"""Seal hours that are over, and delete what retention no longer covers."""

from __future__ import annotations

from datetime import datetime

from tracker.model import HOUR, POLL_WITHIN, whole_hour
from tracker.pipeline.parts import Parts, Report


class Keep(Parts):
    __slots__ = ()

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
