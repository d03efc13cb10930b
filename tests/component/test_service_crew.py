"""Workers of the executor that are gone, over real processes with the titles that Airflow gives them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tracker.service.crew import Crew

TITLE = "airflow worker -- LocalExecutor: <idle>"


@pytest.fixture
def hired() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Three workers whose parent, this test, is the scheduler."""
    with ExitStack() as stack:
        workers = [stack.enter_context(subprocess.Popen([TITLE, "600"], executable="/bin/sleep")) for _ in range(3)]
        yield workers
        for one in workers:
            one.kill()


def test_a_worker_that_was_killed_is_missed_once(hired: list[subprocess.Popen[bytes]]) -> None:
    crew, scheduler = Crew(), os.getpid()
    assert [crew.lost(scheduler) for _ in range(2)] == [False, False]
    hired[1].kill()
    hired[1].wait()
    assert [crew.lost(scheduler) for _ in range(2)] == [True, False]


def test_a_worker_that_was_killed_and_not_reaped_is_missed_too(hired: list[subprocess.Popen[bytes]]) -> None:
    crew, scheduler = Crew(), os.getpid()
    assert not crew.lost(scheduler)
    hired[0].kill()
    os.waitid(os.P_PID, hired[0].pid, os.WEXITED | os.WNOWAIT)
    assert crew.lost(scheduler)


def test_the_workers_of_a_scheduler_that_was_started_again_are_new_ones(hired: list[subprocess.Popen[bytes]]) -> None:
    crew = Crew()
    assert not crew.lost(os.getpid())
    assert not crew.lost(None)  # it died, and its workers with it
    assert not crew.lost(os.getpid())
