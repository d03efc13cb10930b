"""The figures of a minute: what they say, and that the dashboard asks for nothing else."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

from tracker.pipeline.figures import FIGURES, figures
from tracker.settings import ROOT

MINUTE = datetime(2026, 11, 23, 22, 10, tzinfo=UTC)
DASHBOARD = json.loads((ROOT / "resources" / "grafana" / "tracker.json").read_text(encoding="utf-8"))
AIRFLOWS_OWN = {"airflow_scheduler_heartbeat", "airflow_executor_running_tasks", "airflow_executor_queued_tasks"}


def test_a_whole_minute_has_every_figure():
    reports = {
        "fetch": {"rows": 60, "seconds": 0.8, "feeds": [{"error": None}, {"error": "kraken: HTTP 503"}]},
        "analyze": {"seconds": 0.3},
    }
    began, published = MINUTE + timedelta(seconds=2), MINUTE + timedelta(seconds=3.25)
    assert figures(MINUTE, began, published, 4, reports) == {
        "minute_age": 3.25,
        "fetch_errors": 1,
        "rows": 60,
        "outbox_depth": 4,
        "fetch_seconds": 0.8,
        "analyze_seconds": 0.3,
        "publish_seconds": 1.25,
    }
    assert set(figures(MINUTE, began, published, 4, reports)) == set(FIGURES)


def test_what_was_not_reported_is_absent_and_not_zero():
    assert set(figures(MINUTE, MINUTE, MINUTE, 0, {})) == {"minute_age", "outbox_depth", "publish_seconds"}


def test_the_dashboard_shows_every_figure_and_asks_only_for_what_is_sent():
    asked = {
        name
        for panel in DASHBOARD["panels"]
        for one in panel["targets"]
        for name in re.findall(r"airflow_\w+", one["expr"])
    }
    assert asked == {f"airflow_tracker_{name}" for name in FIGURES} | AIRFLOWS_OWN


def test_the_dashboard_lies_in_rows_without_overlap_and_names_each_panel_once():
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
