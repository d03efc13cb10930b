"""Measure what more Celery workers bring: fetches of 3,000 markets beside each other, and the delivery of 500 mails.

    python -m bench.scale [--workers 1,2,4] [--fetches 8] [--mails 500]

Starts the services of docker-compose.yml natively, with as many copies of `worker` and `worker-alerts` as asked for
(as `--scale` does), each with one process, so that a worker is a unit of work. *Fetch*: a run of many_fetches, in which
each task polls every market that the simulated exchanges list (3,400). *Mails*: that many mails are put into the
outbox and one run of deliver_alerts sends them to the mail sink, with as many slots in its pool as there are workers.
Prints throughput, and the CPU that all services took meanwhile: where that is near the machine's, it is the bound.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.set_ups import SetUp, exchange, set_up_of, stack, told, wait
from tests.support.compose import Stack

LATER = ["worker", "worker-alerts"]
QUIET = ("track_prices", "seal_hours", "load_history", "housekeeping", "three_empty_tasks")
MANY = {"coinbase": ["*"], "kraken": ["*"], "binance": ["*"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; --queue is for the bench itself: put mails into the outbox of this environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--fetches", type=int, default=8)
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--queue", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.queue:
        queue(options.queue)
        return 0
    print(f"{'workers':>8}{'fetches':>9}{'seconds':>9}{'markets/s':>11}{'cores':>6}", end="")
    print(f"   {'mails':>6}{'seconds':>9}{'mails/s':>9}{'cores':>6}", flush=True)
    for count in map(int, options.workers.split(",")):
        with tempfile.TemporaryDirectory(prefix="tracker-scale-") as folder, exchange() as market:
            watched = Path(folder) / "watched.json"
            watched.write_text(json.dumps({"markets": MANY, "metrics": ["price", "volume_24h"]}))
            given = told(market, watched) | {"TRACKER_MAIL_TO": "", "AIRFLOW_PARALLELISM": "64"}
            with stack(given, leave_out=["simulator", "web", "housekeeping", *LATER]) as running:
                listed = sum(map(len, SetUp("", market, list).api("/sim")["markets"].values()))
                row(running, count, options.fetches, options.mails, listed)
    return 0


def row(running: Stack, count: int, fetches: int, mails: int, listed: int) -> None:
    """Start that many workers of each queue, run both jobs, print a line."""
    one = set_up_of(running)
    for service in LATER:
        words = running.service(service)["command"]
        words[words.index("--concurrency=4")] = "--concurrency=1"
        for n in range(count):
            running.start(service, f"-{n}")
    for dag_id in (*QUIET, "deliver_alerts"):
        wait(lambda dag_id=dag_id: one.api(f"/api/v2/dags/{dag_id}"), running.look)  # known by now
        patch(one, f"/api/v2/dags/{dag_id}", {"is_paused": dag_id != "deliver_alerts"})
    patch(one, "/api/v2/pools/alerts", {"slots": count, "name": "alerts", "include_deferred": False})
    run(running, one, "many_fetches", {"tasks": count})  # each pool process is slow once
    seconds, cpu, done = run(running, one, "many_fetches", {"tasks": fetches})
    markets = done["fetch"] * listed
    print(f"{count:>8}{done['fetch']:>9}{seconds:>9.1f}{markets / seconds:>11.0f}{cpu:>6.2f}", end="", flush=True)
    running.once("worker", [sys.executable, "-m", "bench.scale", "--queue", str(mails)])
    seconds, cpu, done = run(running, one, "deliver_alerts", {})
    print(f"   {done['alert']:>6}{seconds:>9.1f}{done['alert'] / seconds:>9.1f}{cpu:>6.2f}", flush=True)


def run(running: Stack, one: SetUp, dag_id: str, conf: dict[str, Any]) -> tuple[float, float, dict[str, int]]:
    """Trigger a DAG and wait for its end: seconds, cores used meanwhile, and how many tasks of each id succeeded."""
    wait(lambda: one.api(f"/api/v2/dags/{dag_id}"), running.look)
    patch(one, f"/api/v2/dags/{dag_id}", {"is_paused": False})
    before, began = used(running), time.monotonic()
    asked = one.api(f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
    path = f"/api/v2/dags/{dag_id}/dagRuns/{asked.replace('+', '%2B')}"
    ended = wait(lambda: over(one.api(path)), running.look, 1800)
    seconds = (datetime.fromisoformat(ended["end_date"]) - datetime.fromisoformat(ended["start_date"])).total_seconds()
    cores = (used(running) - before) / (time.monotonic() - began)
    tasks = tasks_of(one, path)
    if failed := [task for task in tasks if task["state"] != "success"]:
        raise SystemExit(
            f"{len(failed)} tasks of {dag_id} did not succeed; the log of one:\n{log(one, path, failed[0])}"
        )
    good = [task["task_id"] for task in tasks if task["state"] == "success"]
    return seconds, cores, {task: good.count(task) for task in set(good)}


def tasks_of(one: SetUp, path: str) -> list[dict[str, Any]]:
    """Give all tasks of a run; Airflow gives a hundred at once."""
    found: list[dict[str, Any]] = []
    while True:
        page = one.api(f"{path}/taskInstances?limit=100&offset={len(found)}")
        found += page["task_instances"]
        if len(found) >= page["total_entries"]:
            return found


def log(one: SetUp, path: str, task: dict[str, Any]) -> str:
    place = f"{path}/taskInstances/{task['task_id']}/logs/{task['try_number']}?map_index={task['map_index']}"
    told = one.api(place) or {"content": [task]}
    return "\n".join(map(str, told["content"][-20:]))


def over(found: dict[str, Any] | None) -> dict[str, Any] | None:
    return found if found and found["state"] in {"success", "failed"} else None


def used(running: Stack) -> float:
    return SetUp("", "", running.processes).usage()["cpu"]


def patch(one: SetUp, path: str, body: dict[str, Any]) -> None:
    one.api(path, body, method="PATCH")


def queue(count: int) -> None:
    """Put one alert for each of so many recipients into the outbox of this environment."""
    from tests.support.transitions import fired
    from tests.support.transitions import queue as queued
    from tracker.bootstrap import build
    from tracker.model import whole_minute

    now = datetime.now(UTC)
    recipients = [f"reader-{n}@example.com" for n in range(count)]
    print(queued(build(os.environ, lambda: now).outbox, [fired(minute=whole_minute(now))], recipients))


if __name__ == "__main__":
    sys.exit(main())
