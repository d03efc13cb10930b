"""Processes that belong together: found by a mark in their environment, ended with patience and then without."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil

MARK = "_TRACKER_UP"
"""Environment variable that every child inherits; its value is the home. Not a setting, hence the underscore."""

AGAIN = 3.0
"""Seconds between two SIGTERMs: Airflow's scheduler can lose one (docs/airflow.md)."""


def marked(home: str, besides: Iterable[int] = ()) -> list[psutil.Process]:
    """Find the living processes of a home, whoever their parent is now; zombies have nothing left to end."""
    found, spared = [], {os.getpid(), *besides}
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if one.pid not in spared and one.environ().get(MARK) == home and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def family(leader: int) -> list[psutil.Process]:
    """Find the processes of the session that `leader` began, and its descendants, itself included.

    A task of Airflow has a process group of its own but stays in the session, even when its parent is gone.
    """
    found = {}
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(one.pid) == leader and one.status() != psutil.STATUS_ZOMBIE:
                found[one.pid] = one
    with suppress(psutil.Error):
        found |= {one.pid: one for one in psutil.Process(leader).children(recursive=True)}
    return list(found.values())


def kill(processes: Iterable[psutil.Process]) -> None:
    """End what is left at once. psutil compares start times, so a pid that was given away is spared."""
    for one in processes:
        with suppress(psutil.Error):
            one.kill()


def end(
    leader: int,
    gone: Callable[[], bool],
    patience: float,
    *,
    again: float = AGAIN,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask a process to end, ask again every `again` seconds, and kill its whole family after `patience` seconds.

    What it leaves behind is killed in any case. Says whether it went by itself.
    """
    known = family(leader)
    began = asked = monotonic()
    _ask(leader)
    while not (went := gone()) and monotonic() - began < patience:
        if monotonic() - asked >= again:
            asked = monotonic()
            known += family(leader)
            _ask(leader)
        sleep(0.05)
    kill([*known, *family(leader)])
    return went


def sweep(home: str, patience: float, besides: Iterable[int] = ()) -> int:
    """End every process of a home, leaders of sessions first; say how many there were."""
    besides = list(besides)
    found = marked(home, besides)
    deadline, left = time.monotonic() + patience, found
    while left and time.monotonic() < deadline:
        for one in left:
            with suppress(psutil.Error, OSError):
                if os.getsid(one.pid) == one.pid:
                    one.terminate()
        _gone, left = psutil.wait_procs(left, timeout=min(AGAIN, max(0.0, deadline - time.monotonic())))
        left = marked(home, besides)
    kill(left)
    psutil.wait_procs(left, timeout=2.0)
    return len(found)


def _ask(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(leader, signal.SIGTERM)
