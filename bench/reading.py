"""Time and memory of `tracker read` over longer and longer ranges, in each form.

`python -m bench.reading [--series 100] [--days 1 10 100]`: a process each, output thrown away.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta

from bench.window import END, made

FORMS = ("csv", "json", "parquet")


def read(store: str, days: int, form: str) -> tuple[float, float]:
    """Give the seconds and the peak memory in MB of one `tracker read`."""
    start = datetime.fromisoformat(END) - timedelta(days=days)
    command = [sys.executable, "-m", "tracker", "read", "--store", store, "--start", start.isoformat(), "--end", END]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "--format", form], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0, f"tracker read ended with {status}"
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=100)
    parser.add_argument("--days", type=int, nargs="+", default=[1, 10, 100])
    options = parser.parse_args(arguments)
    print(f"{'days':>5}{'samples':>11}" + "".join(f"{form + ', s':>12}{'peak, MB':>10}" for form in FORMS))
    with tempfile.TemporaryDirectory(prefix="reading-") as store:
        made(store, options.series, 24 * max(options.days))
        for days in options.days:
            found = [read(store, days, form) for form in FORMS]
            cells = "".join(f"{spent:>12.1f}{peak:>10.0f}" for spent, peak in found)
            print(f"{days:>5}{days * 1440 * options.series:>11}{cells}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
