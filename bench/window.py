"""Time and memory of a minute's statistics over the stored window, beside other engines on the same files.

`python -m bench.window [--series 30 1000 10000] [--runs 3] [--s3]`: 24 h of made minutes, sealed hours and an open one.
Each engine runs in a fresh process, in turn, in shuffled order; medians. `process` counts imports, `work` does not.
`floor`: decode the needed columns of the same files and add the values up; `x floor` is of the faster one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.engines import ENGINES

END = "2026-03-02T12:29:00+00:00"

REMOTE = "ours, SeaweedFS"

Runs = dict[str, dict[str, float]]
"""By engine: medians of `wall` and `work` in seconds, `peak` in MB."""


COPY = """
import sys
from tracker.objects import Objects
here, there = map(Objects, sys.argv[1:])
for one in here.list():
    there.put(one.path, here.get(one.path))
"""


def measure(engine: str, root: str) -> dict[str, float]:
    """Run one engine in a process of its own."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "bench.engines", engine, root, END]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout), "wall": time.perf_counter() - began}


def made(root: str, series: int, hours: int = 24) -> None:
    """Write the window in a process of its own: a child's peak memory counts from that of its parent."""
    subprocess.run([sys.executable, "-m", "bench.made", root, str(series), str(hours)], check=True)


def compare(root: str, engines: Sequence[str], runs: int, remote: str | None = None) -> Runs:
    """Run engines in turn over the same files, after one run of each that is not counted; `remote`: ours there too."""
    places = {name: (name, root) for name in engines} | ({REMOTE: ("ours", remote)} if remote else {})
    found: dict[str, list[dict[str, float]]] = {name: [] for name in places}
    for turn in range(runs + 1):
        for name in random.sample(list(places), len(places)):
            one = measure(*places[name])
            found[name] += [one] if turn else []
    return {
        name: {key: statistics.median(one[key] for one in some) for key in ("wall", "work", "peak", "found")}
        for name, some in found.items()
    }


@contextlib.contextmanager
def remotely(folder: str) -> Iterator[str]:
    """Give the URL of the same objects on an S3 server."""
    from bench.s3 import seaweedfs

    with tempfile.TemporaryDirectory(prefix="s3-") as server, seaweedfs(Path(server)) as url:
        command = [sys.executable, "-c", COPY, folder, url]
        subprocess.run(command, check=True)
        yield url


def main(arguments: list[str]) -> int:
    """Print the table; 1 if engines disagree about the number of series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, nargs="+", default=[30, 1000, 10000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--s3", action="store_true", help="ours on a SeaweedFS of its own as well")
    options = parser.parse_args(arguments)
    wrong = 0
    print(f"{'series':>7} {'engine':<18}{'process, ms':>12}{'work, ms':>10}{'peak, MB':>10}{'x floor':>9}")
    for series in options.series:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="window-"))
            made(folder, series)
            remote = stack.enter_context(remotely(folder)) if options.s3 else None
            found = compare(folder, list(ENGINES), options.runs, remote)
        least = min(one["work"] for name, one in found.items() if name.startswith("floor"))
        for name, one in found.items():
            wrong += not name.startswith("floor") and one["found"] != series
            print(
                f"{series:>7} {name:<18}{one['wall'] * 1e3:>12.0f}{one['work'] * 1e3:>10.0f}{one['peak']:>10.0f}"
                f"{one['work'] / least:>9.1f}"
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
