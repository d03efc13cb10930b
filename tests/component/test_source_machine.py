"""Politeness between processes: one limit for all, and quiet when an exchange asks for it."""

from __future__ import annotations

import multiprocessing
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tracker.errors import RateLimited
from tracker.sources.machine import Limit, Machine

URL = "https://api.example.test:8443/v1"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def machine(self, folder: Path) -> Machine:
        return Machine(folder, elapsed=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_goes_at_once_and_then_the_rate_is_kept(clock: Clock, tmp_path: Path) -> None:
    pace = clock.machine(tmp_path).pace("x", URL, Limit(rate=10, burst=15))
    for _ in range(20):
        pace.turn()
    assert clock.slept == [0.1] * 5
    clock.now += 60
    for _ in range(15):
        pace.turn()
    assert len(clock.slept) == 5


def test_dear_requests_count_for_more(clock: Clock, tmp_path: Path) -> None:
    pace = clock.machine(tmp_path).pace("x", URL, Limit(rate=100, burst=100))
    for _ in range(3):
        pace.turn(80)
    assert clock.slept == [0.6, 0.8]


def test_two_machines_on_one_folder_share_a_limit_per_host(clock: Clock, tmp_path: Path) -> None:
    limit = Limit(rate=1, burst=1)
    clock.machine(tmp_path).pace("x", URL, limit).turn()
    clock.machine(tmp_path).pace("x", URL + "/other/path", limit).turn()
    assert clock.slept == [1.0]
    clock.machine(tmp_path).pace("x", "https://api.example.test:9000", limit).turn()
    assert clock.slept == [1.0]


def test_a_short_quiet_is_waited_out_and_a_long_one_is_told(clock: Clock, tmp_path: Path) -> None:
    pace = clock.machine(tmp_path).pace("x", URL, Limit(rate=10, burst=10))
    pace.quiet(8)
    pace.turn()
    assert clock.slept == [8.0]
    pace.quiet(3600)
    pace.quiet(5)  # does not shorten the hour
    with pytest.raises(RateLimited, match="x: it asked for quiet, or its limit is nearly used up: 3600 s") as caught:
        pace.turn()
    assert caught.value.retry_after == pytest.approx(3600)
    clock.now += 3601
    pace.turn()
    assert clock.slept == [8.0]


def test_after_a_quiet_nobody_rushes_in(clock: Clock, tmp_path: Path) -> None:
    pace = clock.machine(tmp_path).pace("x", URL, Limit(rate=10, burst=1))
    pace.quiet(5)
    for _ in range(3):
        pace.turn()
    assert clock.slept == [5.0, 0.1, 0.1]


def test_a_queue_that_is_too_long_is_told(tmp_path: Path) -> None:
    waits: list[float] = []
    pace = Machine(tmp_path, elapsed=lambda: 0.0, sleep=waits.append).pace("x", URL, Limit(rate=1, burst=1))
    for _ in range(121):
        pace.turn()
    with pytest.raises(RateLimited, match="requests wait before this one"):
        pace.turn()
    assert len(waits) == 120


@pytest.mark.parametrize("content", [b"", b"half", b"\xff" * 16, b"\x00" * 15 + b"\x7f", b"\x00" * 64])
def test_a_broken_file_is_forgotten(clock: Clock, tmp_path: Path, content: bytes) -> None:
    machine = clock.machine(tmp_path)
    machine.pace("x", URL, Limit(1, 1)).turn()
    (path,) = tmp_path.iterdir()
    path.write_bytes(content)
    machine.pace("x", URL, Limit(1, 1)).turn()
    assert not clock.slept


def test_without_pace_nothing_is_shared_and_nobody_waits(clock: Clock, tmp_path: Path) -> None:
    machine = Machine(tmp_path, paced=False, elapsed=lambda: clock.now, sleep=clock.sleep)
    pace = machine.pace("x", URL, Limit(rate=0.001, burst=1))
    pace.quiet(3600)
    for _ in range(10):
        pace.turn()
    machine.kept(URL, "names").write(NOON, 1)
    assert not clock.slept
    assert list(tmp_path.iterdir()) == []


def _ask(folder: Path, count: int) -> None:
    pace = Machine(folder).pace("x", URL, Limit(rate=100, burst=1))
    for _ in range(count):
        pace.turn()


def test_processes_together_keep_the_rate_of_one(tmp_path: Path) -> None:
    began = time.monotonic()
    fresh = multiprocessing.get_context("spawn")
    processes = [fresh.Process(target=_ask, args=(tmp_path, 50)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 2
    assert time.monotonic() - began >= 0.99  # 100 turns at 100 a second, the first at once


def test_what_is_kept_is_there_for_the_others_until_it_is_old(tmp_path: Path) -> None:
    Machine(tmp_path).kept(URL, "names").write(NOON, {"BTC-USD": "XXBTZUSD"})
    kept = Machine(tmp_path).kept(URL, "names")
    assert kept.read(NOON + timedelta(minutes=59), timedelta(hours=1)) == {"BTC-USD": "XXBTZUSD"}
    assert kept.read(NOON + timedelta(minutes=61), timedelta(hours=1)) is None
    assert kept.read(NOON - timedelta(minutes=1), timedelta(hours=1)) is None  # from the future: not ours
    assert Machine(tmp_path).kept(URL, "other").read(NOON, timedelta(hours=1)) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"at": 7}', '{"at": "noon"}', '{"at": "2026-11-23T12:00:00"}'])
def test_what_was_kept_badly_was_not_kept(tmp_path: Path, content: str) -> None:
    kept = Machine(tmp_path).kept(URL, "names")
    kept.write(NOON, 1)
    (path,) = tmp_path.iterdir()
    path.write_text(content)
    assert kept.read(NOON, timedelta(hours=1)) is None


def test_where_no_folder_can_be_made_nothing_is_shared(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    machine = Machine(tmp_path / "file" / "folder")
    machine.kept(URL, "names").write(NOON, 1)
    pace = machine.pace("x", URL, Limit(1, 1))
    pace.turn()
    pace.quiet(3600)
    pace.turn()


def test_by_default_the_folder_is_open_to_its_owner_only() -> None:
    path = Machine()._folder
    assert path
    assert path.name == f"tracker-{os.getuid()}"
    assert path.stat().st_mode & 0o077 == 0
