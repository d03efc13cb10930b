"""Delete `hour/` and `summary/` of a recorded day, derive both again on one core and on two, and compare the bytes.

`TRACKER_REAL_DATA=… python -m bench.derive [--step 10]`: the crash of May 2021, 40 markets. Half of each hour lies in
minute objects, half in candles. Every `step`th minute of the last day gets a summary.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from bench.size import CRASH, recorded
from tracker.frames import MEASURED, SAMPLES
from tracker.model import DAY, HOUR, MINUTE
from tracker.stats import summarise
from tracker.store import ParquetStore

LAST = datetime(2021, 5, 19, 23, 59, tzinfo=UTC)
"""The minute that ends the day."""


def derive(root: str, step: int) -> None:
    """Seal the hours of two days and write the summaries of the last."""
    store = ParquetStore(root)
    for n in range(48):
        store.seal(LAST.replace(minute=0) - n * HOUR)
    for n in range(0, 1440, step):
        minute = LAST - n * MINUTE
        store.write_summary(minute, summarise(store.stream(minute - DAY, minute, columns=MEASURED), minute))


def contents(store: ParquetStore) -> dict[str, str]:
    """Give the digest of every derived object."""
    paths = [one.path for root in ("hour", "summary") for one in store.objects.list(root)]
    return {path: hashlib.sha256(store.objects.get(path) or b"").hexdigest() for path in paths}


def polled(store: ParquetStore) -> None:
    """Give the even minutes of the last day as polled ones: they win over the candles beside them."""
    poll = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["poll"]))
    for n in range(0, 1440, 2):
        minute = LAST - n * MINUTE
        rows = store.read(minute - MINUTE, minute)
        origin = pa.chunked_array([poll.take(pa.array([0] * rows.num_rows))])
        store.write_minute(minute, "binance", rows.set_column(5, SAMPLES.field("origin"), origin))


def main(arguments: list[str]) -> int:
    """Print how many objects came back, and whether as they were."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=10)
    parser.add_argument("--in", dest="root", help="derive in this folder and end (used for the runs)")
    options = parser.parse_args(arguments)
    if options.root:
        derive(options.root, options.step)
        return 0
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="derive-") as root:
        store = ParquetStore(root)
        recorded(store, Path(os.environ["TRACKER_REAL_DATA"]) / CRASH)
        polled(store)
        expected: dict[str, str] = {}
        for cores in ("0", "0-1", "1", "0-1"):
            store.objects.delete([*contents(store)])
            began = time.perf_counter()
            command = [sys.executable, "-m", "bench.derive", "--step", str(options.step), "--in", root]
            subprocess.run(["taskset", "-c", cores, *command], check=True)
            found = contents(store)
            expected = expected or found
            wrong += found != expected
            same = sum(expected.get(path) == digest for path, digest in found.items())
            spent = time.perf_counter() - began
            print(
                f"cores {cores:<5}{len(found)} objects, {same} of them byte for byte the first's, {spent:.0f} s",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
