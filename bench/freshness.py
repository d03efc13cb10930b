"""Measure how soon after the minute the index is readable, and what the service costs.

    python -m bench.freshness [--minutes 30] [--port 8380] [--keep DIR]

Starts `tracker up --demo` in a home of its own, with a second DAG of three empty tasks as the yardstick. Looks at
`/site/api/v1/ranking.json` and `/site/index.html` ten times a second, as a reader would, and asks Airflow for its
runs. Prints the start-up as it goes, then seconds after the minute (median and worst), memory (PSS) and CPU.
`AIRFLOW__DATABASE__SQL_ALCHEMY_CONN` and any other setting of the environment count, so the same script measures
PostgreSQL.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import psutil

from tracker.service.processes import marked

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
BUNDLES = [
    {"name": "dags-folder", "classpath": BUNDLE, "kwargs": {"path": str(ROOT / "dags")}},
    {"name": "bench", "classpath": BUNDLE, "kwargs": {"path": str(ROOT / "bench" / "dags")}},
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--port", type=int, default=8380)
    parser.add_argument("--keep", type=Path, help="where to leave store, site and logs (default: a temporary folder)")
    options = parser.parse_args()
    home = (options.keep or Path(tempfile.mkdtemp(prefix="freshness-"))).resolve()
    environment = os.environ | {
        "TRACKER_HOME": str(home),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(BUNDLES),
    }
    service = subprocess.Popen(
        [sys.executable, "-m", "tracker", "up", "--demo", "--port", str(options.port)], env=environment
    )
    try:
        url = f"http://127.0.0.1:{options.port}"
        began = time.monotonic()
        while not get(f"{url}/api/v2/monitor/health"):
            time.sleep(0.5)
            assert service.poll() is None, "`tracker up` ended"
        while get(f"{url}/site/index.html") is None:
            time.sleep(0.1)
        print(f"\npopulated site after {time.monotonic() - began:.1f} s")
        first = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=2)
        time.sleep((first - datetime.now(UTC)).total_seconds())
        before = usage(home, service.pid)
        started = time.monotonic()
        seen = [watch(url, first + timedelta(minutes=n)) for n in range(options.minutes)]
        after, spent = usage(home, service.pid), time.monotonic() - started
        table("index readable", [one["index"] for one in seen])
        table("ranking.json readable", [one["ranking"] for one in seen])
        for dag_id in ("track_prices", "three_empty_tasks"):
            ends, tasks = runs(url, dag_id, first, options.minutes)
            table(f"{dag_id}, run ended", ends)
            for task, seconds in tasks.items():
                table(f"  {task} took", seconds)
        print(
            f"\n{after['processes']} processes, PSS {after['pss'] / 1e6:.0f} MB (before: {before['pss'] / 1e6:.0f} MB)"
        )
        print(f"CPU {100 * (after['cpu'] - before['cpu']) / spent:.1f} % of one core (of processes that still live)")
    finally:
        service.send_signal(signal.SIGTERM)
        began = time.monotonic()
        service.wait()
        print(f"stopped in {time.monotonic() - began:.1f} s, {len(marked(str(home)))} processes left")


def watch(url: str, minute: datetime) -> dict[str, float | None]:
    """Wait for the pages of a minute, at most until a second before the next one; seconds after the minute."""
    stamp = f"{minute:%Y-%m-%dT%H:%M:00Z}"
    found: dict[str, float | None] = {"ranking": None, "index": None}
    while not all(found.values()) and (age := (datetime.now(UTC) - minute).total_seconds()) < 59:
        if age < 0:
            time.sleep(-age)
        for name, path in (("ranking", "api/v1/ranking.json"), ("index", "index.html")):
            if found[name] is None and stamp in (get(f"{url}/site/{path}") or ""):
                found[name] = (datetime.now(UTC) - minute).total_seconds()
        time.sleep(0.1)
    return found


def runs(url: str, dag_id: str, first: datetime, minutes: int) -> tuple[list[float | None], dict[str, list[float]]]:
    """Ask Airflow when the runs of these minutes ended, in seconds after the minute, and how long each task took."""
    ends: list[float | None] = []
    tasks: dict[str, list[float]] = {}
    time.sleep(5)
    for n in range(minutes):
        minute = first + timedelta(minutes=n)
        run = f"{url}/api/v2/dags/{dag_id}/dagRuns/{quote(f'scheduled__{minute.isoformat()}')}"
        with suppress(TypeError, KeyError, ValueError):
            end = datetime.fromisoformat(json.loads(get(run) or "null")["end_date"])
            ends.append((end - minute).total_seconds())
            for one in json.loads(get(f"{run}/taskInstances") or "null")["task_instances"]:
                tasks.setdefault(one["task_id"], []).append(one["duration"])
            continue
        ends.append(None)
    return ends, tasks


def usage(home: Path, supervisor: int) -> dict[str, Any]:
    """Add up memory and CPU time of every process of the home and its supervisor."""
    total = {"processes": 0, "pss": 0, "cpu": 0.0}
    for one in [*marked(str(home)), psutil.Process(supervisor)]:
        with suppress(psutil.Error):
            times = one.cpu_times()
            total["pss"] += one.memory_full_info().pss
            total["cpu"] += times.user + times.system + times.children_user + times.children_system
            total["processes"] += 1
    return total


def get(url: str) -> str | None:
    try:
        with urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except (URLError, OSError):
        return None


def table(what: str, seconds: list[float | None]) -> None:
    there = sorted(one for one in seconds if one is not None)
    if there:
        print(f"{what:<34} median {median(there):6.2f}  worst {there[-1]:6.2f}  n {len(there):3}/{len(seconds)}")
    else:
        print(f"{what:<34} never")


if __name__ == "__main__":
    main()
