"""A small supervisor: starts children in sessions of their own, restarts what dies, stops all in a given order."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tracker.service.processes import end, family, kill, sweep

LONGEST_WAIT = 60.0
STEADY = 60.0
"""A child that lived this many seconds has recovered: the next restart is quick again."""

LOG_BYTES = 10_000_000
LOGS_KEPT = 3


class Stopped(Exception):
    """Somebody asked us to stop."""


@dataclass(slots=True)
class Child:
    """A command that is kept running (`keep`) or run once. `patience` in seconds is its time to end by itself."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    keep: bool = True
    patience: float = 3.0
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    due: float = 0.0

    def start(self, at: float) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started = at

    @property
    def code(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.process.poll() if self.process else None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def last_words(self, most: int = 160) -> str:
        """Give the last line of the log that says something."""
        with suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4000))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
            return lines[-1][:most] if lines else ""
        return ""


def wait_before(deaths: int) -> float:
    """Seconds before the next start after so many deaths in a row.

    >>> [wait_before(n) for n in (1, 2, 3, 7, 50)]
    [1.0, 2.0, 4.0, 60.0, 60.0]
    """
    return min(LONGEST_WAIT, 2.0 ** min(deaths - 1, 10))


@dataclass(slots=True)
class Supervisor:
    """Children of one home. Call `watch` (or `until`) again and again: nothing happens behind your back."""

    home: str
    say: Callable[[str], None]
    steady: float = STEADY
    log_bytes: int = LOG_BYTES
    wait: Callable[[int], float] = wait_before
    children: list[Child] = field(default_factory=list)
    asked_to_stop: int = 0

    def start(self, child: Child) -> Child:
        self.children.append(child)
        child.start(time.monotonic())
        return child

    def pid(self, name: str) -> int | None:
        """Give the process of a child, None while it does not run."""
        return next(
            (one.process.pid for one in self.children if one.name == name and one.running and one.process), None
        )

    def shoot(self, name: str) -> None:
        """Kill a child that hangs; `watch` starts it again."""
        for child in self.children:
            if child.name == name and child.process is not None:
                kill(family(child.process.pid))

    def watch(self) -> None:
        """Look once: start again what died and is due, drop what ran once, keep logs short."""
        now = time.monotonic()
        self.children = [child for child in self.children if child.keep or child.running]
        for child in self.children:
            if child.keep and not child.running:
                self._revive(child, now)
            _shorten(child.log, self.log_bytes)

    def _revive(self, child: Child, now: float) -> None:
        if child.due == 0.0:
            child.deaths = 1 if now - child.started >= self.steady else child.deaths + 1
            child.due = now + self.wait(child.deaths)
            if child.process is not None:
                kill(family(child.process.pid))  # what it forked would hold ports and memory for ever
            self.say(
                f"{child.name} ended with code {child.code}; starting it again in {child.due - now:.0f} s. "
                f"Its log: {child.log} … {child.last_words()}"
            )
        if now >= child.due:
            child.due = 0.0
            child.start(now)

    def until(self, done: Callable[[], bool], every: float = 0.2) -> None:
        """Keep watch until `done()`. Raises Stopped when somebody asks us to stop."""
        while not done():
            if self.asked_to_stop:
                raise Stopped
            self.watch()
            time.sleep(every)

    def stop(self) -> None:
        """End the children in the order they stand in, one after the other, then whatever is left of the home.

        A second request to stop, made meanwhile, takes the patience away.
        """
        first = self.asked_to_stop
        for child in self.children:
            process = child.process
            if process is None:
                continue
            patient = end(
                process.pid,
                lambda process=process: process.poll() is not None or self.asked_to_stop > first,  # type: ignore[misc]
                child.patience,
            )
            if not patient or process.poll() is None:
                self.say(f"{child.name} did not end by itself and was killed")
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=2.0)
        sweep(self.home, patience=0.0)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Take SIGINT, SIGTERM and SIGHUP as requests to stop."""

        def ask(_number: int, _frame: object) -> None:
            self.asked_to_stop += 1

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, ask) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def last_will(home: str, patience: float = 15.0) -> Iterator[None]:
    """Fork a process that ends every process of the home if we are killed, even with -9.

    It waits for the end of a pipe that only we hold open; a byte on it means that we ended in peace. It also
    holds what is locked here, so that nobody starts on this home until it is done.
    """
    ours, theirs = os.pipe()
    heir = os.fork()
    if heir == 0:
        try:
            os.close(theirs)
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            if os.read(ours, 1) == b"":
                sweep(home, patience)
        finally:
            os._exit(0)
    os.close(ours)
    try:
        yield
    finally:
        with suppress(OSError):
            os.write(theirs, b".")
        os.close(theirs)
        with suppress(ChildProcessError):
            os.waitpid(heir, 0)


def _shorten(log: Path, most: int) -> None:
    """Move a long log aside. Its writer appends, so the copy may lose the lines of an instant but never the file."""
    try:
        if log.stat().st_size <= most:
            return
    except OSError:
        return
    for number in range(LOGS_KEPT - 1, 0, -1):
        older = log.with_suffix(f".log.{number}")
        if older.exists():
            older.replace(log.with_suffix(f".log.{number + 1}"))
    log.with_suffix(".log.1").write_bytes(log.read_bytes())
    os.truncate(log, 0)
