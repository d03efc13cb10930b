"""Let two publishers race through the minutes and a reader watch: no page ever goes back in time, none is half.

`python -m bench.publish_races [URL] [--rounds 500]`: URL is an empty folder or `s3://bucket/prefix` (AWS_* variables);
without it a temporary folder. In each round both processes publish the next two minutes, in an order and at a pace
that chance decides; the reader reads the index and some pages as fast as it can, all the while.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tracker.bucket import SiteBucket
from tracker.errors import RetriableError
from tracker.model import MINUTE, iso

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATHS = ("index.html", "volume.html", "alerts.html", *(f"m/{n}.html" for n in range(6)), "data/ranking.csv")
FILLING = 4000


def pages(minute: int, who: int) -> dict[str, bytes]:
    """Make pages that say their minute at both ends, and between them on each line."""
    mark = f"{minute:06}.{who}"
    return {path: f"{mark}\n".encode() * (FILLING // len(mark)) for path in PATHS}


@dataclass
class Seen:
    """What a reader saw."""

    reads: int = 0
    back: int = 0
    half: int = 0
    missing: int = 0
    newest: dict[str, int] = field(default_factory=dict)

    def look(self, path: str, data: bytes | None) -> None:
        """Judge one reading of a page."""
        self.reads += 1
        if data is None:
            self.missing += path in self.newest
            return
        marks = set(re.findall(rb"\d{6}\.\d", data))
        self.half += len(marks) != 1 or len(data) != len(pages(0, 0)[path])
        minute = int(min(marks)[:6])
        self.back += minute < self.newest.get(path, 0)
        self.newest[path] = max(minute, self.newest.get(path, 0))


def publisher(url: str, who: int, rounds: int, gate: Any, counts: Any) -> None:
    """Publish two minutes a round, in an order of its own."""
    chance, bucket = random.Random(who), SiteBucket(url)
    for one in range(rounds):
        gate.wait()
        for minute in chance.sample([2 * one + 1, 2 * one + 2], 2):
            time.sleep(chance.random() * 0.004)
            try:
                done = bucket.publish(pages(minute, who), NOON + minute * MINUTE)
            except RetriableError:
                counts["refused"] = counts.get("refused", 0) + 1
                continue
            kind = f"{who} {'older' if done.older else 'out'}"
            counts[kind] = counts.get(kind, 0) + 1


def reader(url: str, done: Any, result: Any) -> None:
    """Read until told to stop."""
    seen, bucket, chance = Seen(), SiteBucket(url), random.Random(0)
    while not done.is_set():
        for path in ("index.html", chance.choice(PATHS)):
            seen.look(path, bucket.page(path))
    result.append(seen)


def race(url: str, rounds: int) -> tuple[Seen, dict[str, int], bool]:
    """Run the race; give what the reader saw, what the publishers did, and whether the site ended as one minute."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        gate, done = manager.Barrier(2), manager.Event()
        counts, result = manager.dict(), manager.list()
        watching = context.Process(target=reader, args=(url, done, result))
        racing = [context.Process(target=publisher, args=(url, who, rounds, gate, counts)) for who in (1, 2)]
        for one in (watching, *racing):
            one.start()
        for one in racing:
            one.join()
        done.set()
        watching.join()
        bucket, last = SiteBucket(url), 2 * rounds + 1
        bucket.publish(pages(last, 3), NOON + last * MINUTE)
        whole = {path: bucket.page(path) for path in PATHS} == pages(last, 3)
        return result[0], dict(counts), whole and bucket.standing().minute == NOON + last * MINUTE


def main(arguments: list[str]) -> int:
    """Run the race and print what was seen; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", help="an empty place (default: a temporary folder)")
    parser.add_argument("--rounds", type=int, default=500)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="publish-races-") as folder:
        seen, counts, whole = race(options.url or folder, options.rounds)
    print(f"{options.rounds} rounds to {iso(NOON + (2 * options.rounds + 1) * MINUTE)}; publishers: {counts}")
    print(f"reader: {seen.reads} reads, {seen.back} back in time, {seen.half} half, {seen.missing} vanished")
    print(f"in the end {'whole' if whole else 'NOT WHOLE'}")
    return 0 if whole and not (seen.back or seen.half or seen.missing) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
