"""Forget old runs: `python dags/tracker_housekeeping.py [--days 7]`, once a day, beside the running components.

Removes from Airflow's metadata database what is older, and the logs of its tasks. Prices, pages and alerts are kept.
`tracker up` runs it; a task could not, because Airflow keeps the database from its tasks.
"""

from __future__ import annotations

import argparse
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

BATCH = 5000  # so few rows at a time that the live minute does not wait for a lock


def main() -> None:
    parser = argparse.ArgumentParser(description="Forget runs of Airflow that are older than some days.")
    parser.add_argument("--days", type=int, default=7, metavar="N", help="how many days stay (default: 7)")
    days = parser.parse_args().days

    from airflow.configuration import conf
    from airflow.utils.db_cleanup import run_cleanup

    before = datetime.now(UTC) - timedelta(days=days)  # noqa: TID251 - here the clock is read
    run_cleanup(clean_before_timestamp=before, skip_archive=True, confirm=False, batch_size=BATCH)
    gone = forget_logs(Path(conf.get("logging", "base_log_folder")), days * 86_400)
    print(f"forgot the logs of {gone} runs from before {before:%Y-%m-%d %H:%M}")  # noqa: T201 - a command


def forget_logs(folder: Path, seconds: float) -> int:
    """Remove the logs of runs, `dag_id=…/run_id=…/`, that nothing was written to for so long; say how many."""
    oldest = time.time() - seconds  # noqa: TID251 - here the clock is read
    gone = 0
    for run in [*folder.glob("dag_id=*/run_id=*"), *folder.glob("dag_processor/????-??-??")]:
        if max(one.stat().st_mtime for one in (run, *run.rglob("*"))) < oldest:
            shutil.rmtree(run, ignore_errors=True)
            gone += 1
    return gone


if __name__ == "__main__":
    main()
