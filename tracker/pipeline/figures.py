"""What a minute is judged by, as numbers: the same in the metrics, on the status page and in status.json."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tracker.pipeline.parts import seconds

FIGURES = {
    "minute_age": "Seconds from the minute to its readable index",
    "fetch_errors": "Exchanges that gave nothing",
    "rows": "Samples fetched",
    "outbox_depth": "Mails that wait",
    "fetch_seconds": "Fetching took, seconds",
    "analyze_seconds": "Analyzing took, seconds",
    "publish_seconds": "Publishing took, seconds",
}
"""The names, and what each means to a reader."""


def figures(
    minute: datetime, began: datetime, published: datetime, outbox_depth: int, reports: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """Give the figures of a minute that was published between two instants, from what its steps reported.

    What a step did not report is left out: absent is not zero.
    """
    feeds = reports.get("fetch", {}).get("feeds")
    found: dict[str, float | None] = {
        "minute_age": seconds(published - minute),
        "fetch_errors": None if feeds is None else sum(feed["error"] is not None for feed in feeds),
        "rows": reports.get("fetch", {}).get("rows"),
        "outbox_depth": outbox_depth,
        "fetch_seconds": reports.get("fetch", {}).get("seconds"),
        "analyze_seconds": reports.get("analyze", {}).get("seconds"),
        "publish_seconds": seconds(published - began),
    }
    return {name: value for name, value in found.items() if value is not None}
