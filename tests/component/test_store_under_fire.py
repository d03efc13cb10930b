"""Kills and races in small; `python -m bench.kills` and `python -m bench.races` run them at length."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.store import S3


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    )


def test_a_kill_at_any_instant_leaves_the_old_object_or_the_new() -> None:
    """Exit 0 also means that the control, which writes in place, did show damage."""
    done = bench("bench.kills", "--kills", "12")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line[:22].strip(): line[22:].split() for line in done.stdout.splitlines()[1:]}
    assert {name: counts[2] for name, counts in rows.items() if name != "control: in place"} == dict.fromkeys(
        ["minute", "candles", "late minute + seal", "seal + retention", "publish"], "0"
    )
    assert all(int(counts[0]) >= 12 for counts in rows.values())


def test_a_killed_backfill_goes_on_to_the_bytes_of_one_nobody_disturbed() -> None:
    """Exit 0 also means that the control, which forgets what is loaded, did ask for finished hours."""
    done = bench("bench.backfill_kills", "--kills", "2", "--markets", "2", "--hours", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    kills = [line.split() for line in done.stdout.splitlines()[2:4]]
    assert [(kill[3], kill[5]) for kill in kills] == [("0", "yes")] * 2  # no finished hour is asked for again


def test_four_processes_on_the_same_hours_lose_nothing_in_a_folder(tmp_path: Path) -> None:
    done = bench("bench.races", str(tmp_path), "--rounds", "25")
    assert done.returncode == 0, done.stdout + done.stderr


@S3
@pytest.mark.timeout(240)
def test_four_processes_on_the_same_hours_lose_nothing_on_s3(s3_place: str) -> None:
    done = bench("bench.races", s3_place, "--rounds", "15")
    assert done.returncode == 0, done.stdout + done.stderr
