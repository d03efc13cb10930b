"""The numbers of the pages as files for machines: JSON and CSV, with every digit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from tracker.coverage import CELL, FATES, ExchangeCoverage, Fate
from tracker.model import MINUTE, Metric, Series, iso
from tracker.site.content import Content
from tracker.site.pages import STALE_AFTER, Alert

NUMBERS = (
    "latest", "latest_minute", "change_24h", "mean_1h", "ratio_1h", "stdev_24h", "cv_24h", "rank",
    "n_1h", "n_24h", "min_24h", "max_24h",
)  # fmt: skip


RANKING_FILES = ("api/v1/ranking.json", "data/ranking.csv")

LETTERS = {
    Fate.POLLED: "p", Fate.REPAIRED: "r", Fate.NO_TRADE: "t", Fate.MISSING: "m", Fate.NOT_AVAILABLE: "a",
    Fate.OUTAGE: "o",
}  # fmt: skip
"""How status.json writes the cells of a strip."""


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()


def _plain(value: object) -> Any:
    """Give what JSON can say: an instant in ISO 8601, null for a number that is none."""
    if isinstance(value, datetime):
        return iso(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def _ranked(content: Content) -> Iterator[dict[str, Any]]:
    for metric in Metric:
        for row in content.rows[metric]:
            series = Series(content.markets[row["market"]], metric)
            numbers = {name: _plain(row[name]) for name in NUMBERS}
            yield {"market": row["market"], "metric": row["metric"], **numbers, "state": content.state(series).value}


def ranking(content: Content) -> dict[str, bytes]:
    """Give api/v1/ranking.json and data/ranking.csv: one row per series, in rank order, absent values null or empty."""
    rows = list(_ranked(content))
    columns = ["market", "metric", *NUMBERS, "state"]
    lines = [",".join(columns), *(",".join(_cell(row[name]) for name in columns) for row in rows)]
    made = _json({"minute": iso(content.minute), "series": rows}), ("\n".join(lines) + "\n").encode()
    return dict(zip(RANKING_FILES, made, strict=True))


def _cell(value: object) -> str:
    if not isinstance(value, str):
        return "" if value is None else repr(value)
    return '"' + value.replace('"', '""') + '"' if any(mark in value for mark in ',"\r\n') else value


def alerts(content: Content) -> bytes:
    """Give api/v1/alerts.json: what is open, and all that is known of the last days, newest first."""
    return _json(
        {
            "minute": iso(content.minute),
            "open": [_alert(one) for one in content.alerts if one.open],
            "ended": [_alert(one) for one in content.alerts if not one.open],
            "mails": [
                {"minute": iso(one.minute), "recipient": one.recipient, "state": one.state, "reason": one.reason}
                for one in content.status.mails
            ],
        }
    )


def heartbeat(content: Content) -> bytes:
    """Give heartbeat.json: what a dead-man's switch outside looks at. Past `stale_at` something has stopped."""
    late = content.minute + timedelta(seconds=content.about.repaint_seconds) + STALE_AFTER
    return _json({"minute": iso(content.minute), "stale_at": iso(late), "status": "api/v1/status.json"})


def _alert(one: Alert) -> dict[str, Any]:
    return {
        "id": one.id,
        "rule": one.rule,
        "market": str(one.market),
        "metric": one.metric.value,
        "state": one.state.value if one.state else None,
        "fired": iso(one.fired) if one.fired else None,
        "ended": iso(one.ended) if one.ended else None,
        "why_ended": one.why_ended,
        "peak_ratio": _plain(one.peak_ratio),
        "rises": one.rises,
        "would_have_fired": one.would_have_fired,
        "muted": one.muted,
    }


def _coverage(one: ExchangeCoverage) -> dict[str, Any]:
    letters = [LETTERS[fate] for fate in FATES]
    return {
        "exchange": one.exchange,
        "reach_minutes": one.reach // MINUTE if one.reach else None,
        "minutes": {fate.value: one.count(fate) for fate in FATES},
        "outages": [
            {
                "since": iso(outage.since),
                "until": iso(outage.until),
                "minutes": outage.minutes,
                "open_start": outage.open_start,
            }
            for outage in one.outages
        ],
        "markets": [
            {
                "market": str(market.market),
                "minutes": {fate.value: n for fate, n in zip(FATES, market.counts, strict=True) if n},
                "cells": "".join(letters[code] for code in market.cells),
            }
            for market in one.markets
        ],
    }


def status(content: Content) -> bytes:
    """Give api/v1/status.json: what an outside watcher looks at."""
    now, about = content.status, content.about
    states = [state.value for state in content.evaluation.states.values()]
    return _json(
        {
            "minute": iso(content.minute),
            "version": about.version,
            "commit": about.commit,
            "run_id": about.run_id,
            "run_url": about.run_url,
            "series": len(content.by_series),
            "states": {name: states.count(name) for name in sorted(set(states))},
            "feeds": [
                {
                    "exchange": feed.exchange,
                    "expected": feed.expected,
                    "got": feed.got,
                    "samples": feed.samples,
                    "seconds": feed.seconds,
                    "error": feed.error,
                }
                for feed in now.feeds
            ],
            "problems": [{"where": one.where, "what": one.what} for one in now.problems],
            "figures_of_the_minute_before": {one.name: one.value for one in now.figures},
            "steps": [{"name": step.name, "seconds": step.seconds} for step in now.steps],
            "runs": [
                {
                    "minute": iso(run.minute),
                    "seconds": {step.name: step.seconds for step in run.steps},
                    "failed": run.failed,
                }
                for run in now.runs
            ],
            "outbox": {
                "depth": now.outbox_depth,
                "oldest_unsent": iso(now.oldest_unsent) if now.oldest_unsent else None,
                "failed": now.failed_mails,
                "mail_configured": now.mail_configured,
            },
            "coverage": {
                "cell_minutes": CELL // MINUTE,
                "letters": {letter: fate.value for fate, letter in LETTERS.items()},
                "exchanges": [_coverage(one) for one in now.coverage],
            },
        }
    )
