"""Work that other processes can be given: what is pickled must be found by its name there."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Meeting:
    """Ends in two processes at once, or not at all; in the one that is not `home` as `then` says.

    Gives the part, or with `group` the process group, and whether it was not `home`.
    """

    folder: str
    home: int
    then: str = ""

    def __call__(self, part: int) -> tuple[int, bool]:
        (Path(self.folder) / str(part)).touch()
        until = time.monotonic() + 60
        while len(list(Path(self.folder).iterdir())) < 2:
            assert time.monotonic() < until, "no other process came"
            time.sleep(0.01)
        away = os.getpid() != self.home
        if away and self.then == "fail":
            raise ValueError(f"part {part}")
        if away and self.then == "die":
            os._exit(3)
        return os.getpgid(0) if self.then == "group" else part, away


@dataclass(frozen=True)
class Pages:
    """Pages to be made in parts, three each: each says the text and its number."""

    text: str
    count: int = 12

    @property
    def paths(self) -> list[str]:
        return [f"p/{n}.html" for n in range(self.count)]

    @property
    def parts(self) -> list[tuple[int, ...]]:
        return [tuple(range(first, first + 3)) for first in range(0, self.count, 3)]

    def make(self, part: tuple[int, ...]) -> dict[str, bytes]:
        return {f"p/{n}.html": f"<{self.text if n else 'always'} {n}>".encode() for n in part}

    @property
    def all(self) -> dict[str, bytes]:
        return {path: data for part in self.parts for path, data in self.make(part).items()}
