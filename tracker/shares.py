"""Work shared by several processes: `python -m tracker.shares` is one of them.

They are started anew, not forked: this one may hold threads of Arrow, DuckDB and the object store.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, TypeVar

P = TypeVar("P")
R = TypeVar("R")


def spread(
    act: Callable[[P], R], parts: Iterable[P], processes: int, first: Callable[[], object] = lambda: None
) -> list[R]:
    """Give act(part) of every part, in any order: each process takes a part when it is done with one.

    This process is one of `processes`, and does `first` before it takes a part. For the others `act`, the parts and
    what it gives are pickled. What fails, fails here, after the parts that had been begun. Reference cycles that `act`
    makes are collected afterwards.
    """
    waiting = deque(parts)
    with _uncollected(), ThreadPoolExecutor(max(1, processes - 1)) as pool:
        others = [pool.submit(_elsewhere, act, waiting) for _ in range(processes - 1)]
        try:
            first()
            found = [act(part) for part in _taken(waiting)]
        finally:
            waiting.clear()
        for one in others:
            found += one.result()
    return found


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Let the collector of cycles rest: it would go through all that `act` and the parts hold, again and again."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _taken(waiting: deque[P]) -> Iterator[P]:
    while waiting:
        try:
            yield waiting.popleft()
        except IndexError:  # another was faster
            return


def _elsewhere(act: Callable[[P], R], waiting: deque[P]) -> list[R]:
    """Let another process act on parts, one after the other."""
    found: list[R] = []
    command = [sys.executable, "-m", __name__]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, process_group=0) as process:  # noqa: S603 - ourselves; Ctrl-C is our business
        try:
            _tell(process, act)
            for part in _taken(waiting):
                _tell(process, part)
                done, failed = _told(process)
                if failed is not None:
                    raise failed
                found.append(done)
        finally:
            waiting.clear()
            with contextlib.suppress(BrokenPipeError):
                process.communicate()
    return found


def _tell(process: subprocess.Popen[bytes], what: object) -> None:
    assert process.stdin is not None
    try:
        pickle.dump(what, process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
    except OSError as error:
        raise _ended(process) from error


def _told(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    try:
        return pickle.load(process.stdout)  # noqa: S301 - our own process wrote it
    except EOFError as error:
        raise _ended(process) from error


def _ended(process: subprocess.Popen[bytes]) -> ChildProcessError:
    return ChildProcessError(f"a process that shared the work ended with {process.wait()}; the next run does it again")


def serve(incoming: IO[bytes], outgoing: IO[bytes]) -> None:
    """Act on the parts that come in, until no more do; nothing else is in this process."""
    gc.disable()
    act = pickle.load(incoming)  # noqa: S301 - our own process wrote it
    while True:
        try:
            part = pickle.load(incoming)  # noqa: S301
        except EOFError:
            return
        done, failed = None, None
        try:
            done = act(part)
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            failed = error
        pickle.dump((done, failed), outgoing)
        outgoing.flush()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # whoever asked is gone
        serve(sys.stdin.buffer, sys.stdout.buffer)
