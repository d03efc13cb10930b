"""Kill writers with SIGKILL at instants proven to lie inside a write, and look at what they leave.

`python -m bench.kills [--kills 300]` prints, for each kind of write, how many kills lay inside it and what was lost,
doubled or torn afterwards. The control writes in place and must show damage, or the harness would prove nothing.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from tracker.bucket import SiteBucket
from tracker.errors import CorruptObject
from tracker.frames import samples_table
from tracker.model import DAY, MINUTE, Market, Metric, Origin, Sample, Series
from tracker.store import ParquetStore, Retention, layout, parquet

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MARKETS = [Market("x", f"B{n:03}", "USD") for n in range(250)]
PAGES = 40

Write = Callable[[], None]
"""A write that is ready to go: what it writes is made already."""


class Board:
    """What a child tells its parent through shared memory: is it inside a write, which was begun, which is done."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 24)

    def write(self, inside: int, begun: int, done: int) -> None:
        self._memory[:] = struct.pack("qqq", inside, begun, done)

    def read(self) -> tuple[int, int, int]:
        return struct.unpack("qqq", self._memory[:])


def rows(value: int, origin: Origin = Origin.POLL) -> pa.Table:
    """Give one minute of all series at one value, so that a mixture of two writes shows."""
    return samples_table(
        [Sample(Series(market, metric), NOON, float(value), NOON, origin) for market in MARKETS for metric in Metric]
    )


def minute(root: str, value: int) -> Write:
    """Replace a minute of an open hour."""
    store, table = ParquetStore(root), rows(value)
    return lambda: store.write_minute(NOON, "x", table)


def in_place(root: str, value: int) -> Write:
    """Write the same bytes straight to their final name."""
    path, data = Path(root) / layout.minute_path(NOON, "x"), parquet.encode(rows(value))

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb", buffering=0) as file:
            for part in _pieces(data, 8):
                file.write(part)

    return write


def candles(root: str, value: int) -> Write:
    """Merge history rows."""
    store, table = ParquetStore(root), rows(value, origin=Origin.CANDLE)
    return lambda: store.write_candles(NOON, "x", table) and None


def late(root: str, value: int) -> Write:
    """Write into a sealed hour, which seals it again."""
    store, table = ParquetStore(root), rows(value)

    def write() -> None:
        store.write_minute(NOON, "x", table)
        store.seal(NOON)

    return write


def expiring(root: str, value: int) -> Write:
    """Let retention take the inputs each time, so that the sealed object carries the rows on."""
    store, write_and_seal = ParquetStore(root), late(root, value)

    def write() -> None:
        write_and_seal()
        store.expire(NOON + 9 * DAY, Retention(inputs=DAY))

    return write


def publish(root: str, value: int) -> Write:
    """Replace every page of a site."""
    pages = {f"m/{n}.html": b"%d\n" % value * 2000 for n in range(PAGES)}
    pages["index.html"] = b"%d\n" % value * 2000
    return lambda: SiteBucket(root).publish(pages, NOON + value * MINUTE) and None


def read_rows(root: str) -> set[float]:
    """Give the values that are there; a torn object raises, a lost or doubled row is an AssertionError."""
    table = ParquetStore(root).read(NOON - MINUTE, NOON + MINUTE)
    assert table.num_rows == len(MARKETS) * len(Metric), f"{table.num_rows} rows"
    assert len(set(zip(table["market"].to_pylist(), table["metric"].to_pylist(), strict=True))) == table.num_rows
    return set(table["value"].to_pylist())


def read_site(root: str) -> set[float]:
    index = (SiteBucket(root).objects.get("index.html") or b"").split()
    assert len(index) == 2000
    for n in range(PAGES):
        page = (SiteBucket(root).objects.get(f"m/{n}.html") or b"").split()
        assert len(page) == 2000
        assert len(set(page)) == 1
        assert int(page[0]) >= int(index[0]), "the index speaks of pages that are not there"
    return {float(one) for one in set(index)}


@dataclass(frozen=True)
class Case:
    """One kind of write, and how to see what it left."""

    name: str
    make: Callable[[str, int], Write]
    read: Callable[[str], set[float]]


CASES = [
    Case("minute", minute, read_rows),
    Case("candles", candles, read_rows),
    Case("late minute + seal", late, read_rows),
    Case("seal + retention", expiring, read_rows),
    Case("publish", publish, read_site),
]
CONTROL = Case("control: in place", in_place, read_rows)


@dataclass
class Result:
    """How many kills lay inside a write, and after how many of them something was wrong."""

    name: str
    inside: int = 0
    outside: int = 0
    wrong: int = 0
    drafts: int = 0


def run(case: Case, kills: int, seed: int = 1) -> Result:
    """Kill until `kills` of them lay inside a write; each child goes on where the last was killed."""
    rng, board, result = random.Random(seed), Board(), Result(case.name)
    root = tempfile.mkdtemp(prefix="kills-")
    try:
        write = case.make(root, 1)
        began = time.perf_counter()
        write()
        lasts = time.perf_counter() - began
        value = 1
        while result.inside < kills:
            _killed_child(case, root, board, value, rng.uniform(0, lasts))
            inside, begun, done = board.read()
            if not inside:
                result.outside += 1
            else:
                result.inside += 1
                try:
                    found = case.read(root)
                    good = len(found) == 1 and found <= {float(begun), float(done)}
                except (AssertionError, CorruptObject):
                    good = False
                result.wrong += not good
            value = begun + 1
            case.make(root, value)()  # the retry, and the proof that nothing left behind is in the way
            if case.read(root) != {float(value)}:
                result.wrong += 1
        result.drafts = sum(1 for _ in (Path(root) / ".staging").glob("*"))
    finally:
        shutil.rmtree(root)
    return result


def _killed_child(case: Case, root: str, board: Board, value: int, wait: float) -> None:
    board.write(0, value, value)
    child = os.fork()
    if child == 0:
        while True:
            value += 1
            write = case.make(root, value)
            board.write(1, value, value - 1)
            write()
            board.write(0, value, value)
    while not board.read()[0]:
        time.sleep(0)
    until = time.perf_counter() + wait
    while time.perf_counter() < until:
        time.sleep(0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _pieces(data: bytes, count: int) -> list[bytes]:
    size = -(-len(data) // count)
    return [data[at : at + size] for at in range(0, len(data), size)]


def main(arguments: list[str]) -> int:
    """Run all cases; 1 if anything was wrong, or if the control showed no damage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="kills inside a write, for each kind (%(default)s)")
    kills = parser.parse_args(arguments).kills
    print(f"{'write':<22}{'kills inside':>13}{'outside':>9}{'wrong':>7}{'drafts left':>13}")
    results = [*(run(case, kills) for case in CASES), run(CONTROL, max(kills, 40))]
    for one in results:
        print(f"{one.name:<22}{one.inside:>13}{one.outside:>9}{one.wrong:>7}{one.drafts:>13}")
    return 1 if any(one.wrong for one in results[:-1]) or not results[-1].wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
