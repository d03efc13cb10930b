"""Are all workers of the executor there? One that was killed can stop the others, and Airflow does not see it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(slots=True)
class Crew:
    """The workers of the scheduler's LocalExecutor. They live as long as it does, unless somebody kills one.

    They take tasks from one pipe, under one lock, and an idle worker that is killed (by the kernel, when memory is
    short) takes the lock with it: no task is started ever again, while the scheduler looks well.
    """

    scheduler: int | None = None
    known: frozenset[psutil.Process] = frozenset()

    def lost(self, scheduler: int | None) -> bool:
        """Look once; True when a worker that was there at the last look is gone, and the same scheduler runs."""
        there = workers(scheduler)
        gone = self.known - there if scheduler == self.scheduler else frozenset()
        self.scheduler, self.known = scheduler, there
        return bool(gone)


def workers(scheduler: int | None) -> frozenset[psutil.Process]:
    """Find the executor's workers by the title that Airflow gives them."""
    found = []
    with suppress(psutil.Error):
        for one in psutil.Process(scheduler).children() if scheduler else []:
            with suppress(psutil.Error):
                if "LocalExecutor" in " ".join(one.cmdline()) and one.status() != psutil.STATUS_ZOMBIE:
                    found.append(one)
    return frozenset(found)
