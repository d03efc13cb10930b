"""What all processes of a user on this machine share about an exchange: whose turn it is, and what it lists.

Exchanges count requests by IP address, so a limit kept in one process is no limit: Airflow forks a process for each
task, and a person may run a backfill beside them. A small file per host, locked while it is changed (flock), serves
all of them; an Airflow pool would not bind the command line. The files lie in memory, so a restart forgets them.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from tracker.errors import RateLimited

PATIENCE = 10.0
"""Seconds of an exchange's quiet that are waited out; for a longer one the caller is told, and may do other things."""

LONGEST_QUIET = 3 * 86_400.0
"""Seconds of quiet that are believed: Binance bans for up to three days."""

_LONGEST_TURN = 120.0
_STATE = struct.Struct("<dd")


@dataclass(frozen=True, slots=True)
class Limit:
    """How often an exchange may be asked: so much cost a second, so much at once."""

    rate: float
    burst: float


class Machine:
    """The folder of shared files; by default one of this user's, in memory.

    `paced=False` shares nothing and never waits: for exchanges simulated at home. So it is where no folder can be
    written. `elapsed` gives seconds since the machine started, the same for all its processes.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        paced: bool = True,
        elapsed: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = _writable(folder) if paced else None
        self._elapsed, self._sleep = elapsed, sleep

    def pace(self, exchange: str, url: str, limit: Limit) -> Pace:
        """Give the pace at which `url`'s host is asked by everybody here."""
        return Pace(exchange, self._path(url, "pace"), limit, self._elapsed, self._sleep)

    def kept(self, url: str, name: str) -> Kept:
        """Give the place where something `url`'s host said is kept for the other processes."""
        return Kept(self._path(url, name))

    def _path(self, url: str, name: str) -> Path | None:
        if self._folder is None:
            return None
        place = "".join(one if one.isalnum() or one in ".-" else "_" for one in urlsplit(url).netloc.lower())
        return self._folder / f"{place}.{name}"


class Pace:
    """Turns at one host: a leaky bucket (GCRA, ITU-T I.371) in a file, and the quiet that the host asked for."""

    def __init__(
        self,
        exchange: str,
        path: Path | None,
        limit: Limit,
        elapsed: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._exchange, self._path, self._limit, self._elapsed, self._sleep = exchange, path, limit, elapsed, sleep

    def turn(self, cost: float = 1.0) -> None:
        """Wait for a turn of this cost. Raises RateLimited at once when the wait would be long."""
        if self._path is None:
            return
        now = self._elapsed()
        with _Locked(self._path) as state:
            full, quiet = state.read(now)
            if quiet - now > PATIENCE:
                left = quiet - now
                raise RateLimited(
                    f"{self._exchange}: it asked for quiet, or its limit is nearly used up: {left:.0f} s are left",
                    retry_after=left,
                )
            full = max(full, now, quiet) + cost / self._limit.rate
            wait = max(full - self._limit.burst / self._limit.rate, quiet, now) - now
            if wait > _LONGEST_TURN:
                raise RateLimited(f"{self._exchange}: {wait:.0f} s of requests wait before this one", retry_after=wait)
            state.write(full, quiet)
        if wait > 0.001:
            self._sleep(wait)

    def quiet(self, seconds: float) -> None:
        """Let nobody on this machine ask for so long."""
        if self._path is None:
            return
        now = self._elapsed()
        with _Locked(self._path) as state:
            full, quiet = state.read(now)
            state.write(full, max(quiet, now + min(seconds, LONGEST_QUIET)))


class Kept:
    """A JSON value that one process asked for and the others may use."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self, now: datetime, most: timedelta) -> object | None:
        """Give the value if it was kept at most so long ago."""
        if self._path is None:
            return None
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            age = now - datetime.fromisoformat(found["at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found.get("value") if timedelta(0) <= age <= most else None

    def write(self, now: datetime, value: object) -> None:
        """Keep the value; where the folder cannot be written, keep nothing."""
        if self._path is None:
            return
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}")
        try:
            draft.write_text(json.dumps({"at": now.isoformat(), "value": value}), encoding="utf-8")
            draft.replace(self._path)
        except OSError:
            draft.unlink(missing_ok=True)


class _Locked:
    """The state of a pace, ours alone inside a `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> _Locked:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)  # gives the lock back too

    def read(self, now: float) -> tuple[float, float]:
        """Give when the bucket is empty again and when the quiet ends; what cannot be true is forgotten."""
        content = os.pread(self._file, _STATE.size, 0)
        if len(content) < _STATE.size:
            return 0.0, 0.0
        full, quiet = _STATE.unpack(content)
        return (
            full if full <= now + _LONGEST_TURN * 2 else 0.0,
            quiet if quiet <= now + LONGEST_QUIET else 0.0,
        )

    def write(self, full: float, quiet: float) -> None:
        os.pwrite(self._file, _STATE.pack(full, quiet), 0)


def _writable(folder: Path | None) -> Path | None:
    """Make the folder, by default this user's: in memory where there is such a place, else with temporary files."""
    name = f"tracker-{os.getuid()}"
    for place in [folder] if folder else [Path("/dev/shm", name), Path(tempfile.gettempdir(), name)]:  # noqa: S108 - ours
        with suppress(OSError):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if place.stat().st_uid == os.getuid() and os.access(place, os.W_OK):
                return place
    return None
