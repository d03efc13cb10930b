"""Forget old runs: `python dags/tracker_housekeeping.py [--days 7] [--daily]`, beside the running components.

Removes from Airflow's metadata database what is older, the logs of its tasks, and Celery's results. Prices, pages and
alerts are kept. `tracker up` runs it once a day; elsewhere `--daily` goes on until it is stopped. A task could not do
it, because Airflow keeps the database from its tasks.
"""

from __future__ import annotations

import argparse
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

BATCH = 5000  # so few rows at a time that the live minute does not wait for a lock


def main() -> None:
    parser = argparse.ArgumentParser(description="Forget runs of Airflow that are older than some days.")
    parser.add_argument("--days", type=int, default=7, metavar="N", help="how many days stay (default: 7)")
    parser.add_argument("--daily", action="store_true", help="do it now and every day until stopped")
    options = parser.parse_args()
    if options.days < 1:
        parser.error("--days must be 1 or more: runs at work must not be forgotten")
    forget(options.days)
    while options.daily:
        time.sleep(86_400)
        forget(options.days)


def forget(days: int) -> None:
    """Forget what is older than so many days, and say what went."""
    from airflow.configuration import conf
    from airflow.utils.db_cleanup import run_cleanup

    before = datetime.now(UTC) - timedelta(days=days)  # noqa: TID251 - here the clock is read
    run_cleanup(clean_before_timestamp=before, skip_archive=True, confirm=False, batch_size=BATCH)
    if "CeleryExecutor" in conf.get("core", "executor"):
        from airflow.providers.celery.executors.celery_executor import app

        app.backend.cleanup()  # results older than a day; without Celery's own scheduler nobody else does
    gone = forget_logs(Path(conf.get("logging", "base_log_folder")), days * 86_400)
    print(f"forgot the logs of {gone} runs from before {before:%Y-%m-%d %H:%M}", flush=True)  # noqa: T201 - a command


def forget_logs(folder: Path, seconds: float) -> int:
    """Remove the logs of runs, `dag_id=…/run_id=…/`, that nothing was written to for so long; say how many."""
    oldest = time.time() - seconds  # noqa: TID251 - here the clock is read
    gone = 0
    for run in [*folder.glob("dag_id=*/run_id=*"), *folder.glob("dag_processor/????-??-??")]:
        if _last_written(run) < oldest:
            shutil.rmtree(run, ignore_errors=True)
            gone += 1
    return gone


def _last_written(run: Path) -> float:
    """Give when a folder or anything in it was written to; what vanishes meanwhile has no say."""
    times = [0.0]
    for one in (run, *run.rglob("*")):
        with suppress(FileNotFoundError):
            times.append(one.stat().st_mtime)
    return max(times)


if __name__ == "__main__":
    main()
