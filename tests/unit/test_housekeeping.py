"""Old logs go, those of runs at work stay."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

from tracker.settings import ROOT

SCRIPT = ROOT / "dags" / "tracker_housekeeping.py"
DAY = 86_400


def log(path: Path, age: float) -> Path:
    """Write a log so many seconds ago, in folders that are as old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    for one in (path, path.parent, path.parent.parent):
        os.utime(one, (time.time() - age,) * 2)  # noqa: TID251 - files have the real clock's times
    return path


def test_logs_go_when_nothing_was_written_to_a_run_for_so_long(tmp_path: Path) -> None:
    old = log(tmp_path / "dag_id=a" / "run_id=1" / "task_id=x" / "attempt=1.log", 8 * DAY)
    log(tmp_path / "dag_id=a" / "run_id=2" / "task_id=x" / "attempt=1.log", 8 * DAY)
    late = log(tmp_path / "dag_id=a" / "run_id=2" / "task_id=y" / "attempt=1.log", 60)
    of_a_day = log(tmp_path / "dag_processor" / "2026-01-01" / "dags.log", 8 * DAY)
    other = log(tmp_path / "elsewhere" / "old.log", 8 * DAY)
    assert runpy.run_path(str(SCRIPT))["forget_logs"](tmp_path, 7 * DAY) == 2
    assert [one.exists() for one in (old, of_a_day, late, other)] == [False, False, True, True]


def test_what_runs_now_cannot_be_asked_to_be_forgotten() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--days", "0"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--days must be 1 or more" in done.stderr
