"""Seconds, requests and memory of making and publishing a site, in a folder and on SeaweedFS.

`python -m bench.publish [--markets 64 1000 5000]`: made markets with price and volume, all pages due, each number of
markets in a fresh process. First the publish of everything, then the next minute with all pages anew, then a minute in
which 5 % of the markets have a new sample (the others' pages stay, and say their age). Seconds by the clock, and in
brackets those of processors.

Nothing is deleted before the end: making a file, ext4 without a journal passes over every inode that was deleted in the
last minutes, so tens of thousands of them would slow the next line down by half.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.support import site
from tests.support.store import start
from tracker.bucket import Published, SiteBucket
from tracker.model import MINUTE, Market
from tracker.site import CommonFiles, Content, market_parts, market_paths
from tracker.stats import summarise

CHANGED = 0.05


def measure(markets: int, url: str) -> dict[str, Any]:
    """Publish three minutes of so many markets into an empty place; give what each took."""
    day = site.quiet_day(markets)
    summary = summarise(day.window, day.minute)
    every = [Market.parse(name) for name in summary["market"].unique().to_pylist()]
    bucket, found = SiteBucket(url), {"markets": markets}

    def publish(minute: datetime, due: frozenset[Market] | None) -> Published:
        content = Content.gather(
            summary,
            day.window,
            day.evaluation,
            minute,
            rules=site.RULES,
            status=site.STATUS,
            about=site.ABOUT,
            hour_ago=summary,
        )
        kept = [path for one in every if due is not None and one not in due for path in market_paths(one)]
        return bucket.publish(CommonFiles(content), minute, kept, parts=market_parts(content, due))

    gc.collect()
    pa.default_memory_pool().release_unused()
    _forget_the_peak()
    few = frozenset(every[: max(1, round(len(every) * CHANGED))])
    for name, minute, due in (
        ("first", day.minute, None),
        ("next", day.minute + MINUTE, None),
        ("5 %", day.minute + 2 * MINUTE, few),
    ):
        asked = bucket.objects.asked
        published, seconds = _timed(lambda minute=minute, due=due: publish(minute, due))
        spent = bucket.objects.asked - asked
        found |= {
            f"{name} s": seconds, f"{name} PUTs": spent.writes, f"{name} objects": published.written,
            f"{name} MB": published.bytes / 1e6,
        }  # fmt: skip
    return found | {"MB": _peak()}


def _timed(act: Callable[[], Any]) -> tuple[Any, str]:
    """Do it; give the seconds by the clock, and in brackets those of processors (children's too)."""
    began, spent = time.perf_counter(), sum(os.times()[:4])
    done = act()
    return done, f"{time.perf_counter() - began:.2f} ({sum(os.times()[:4]) - spent:.2f})"


def _forget_the_peak() -> None:
    """Let Linux measure the peak from here on: making the samples needs more than publishing them."""
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """Give the highest resident memory of this process in MB since then; those that share its work are not in it."""
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


@contextmanager
def opened(place: str, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Give an empty folder, or a bucket of a SeaweedFS that runs meanwhile, with its environment."""
    folder.mkdir()
    if place == "folder":
        yield str(folder / "site"), {}
        return
    servers = start(folder)
    try:
        yield "s3://site", next(servers).environment
    finally:
        servers.close()


def _in_its_own_process(markets: int, url: str, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.publish", "--markets", str(markets), "--one", f"{url}/{markets}"]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, **environment})
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def main(arguments: list[str]) -> int:
    """Print a table, a line for each place and number of markets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, nargs="*", default=[64, 1000, 5000])
    parser.add_argument("--place", choices=["folder", "SeaweedFS"], nargs="*", default=["folder", "SeaweedFS"])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.markets[0], options.one)))
        return 0
    heads = [f"{name} {what}" for name in ("first", "next", "5 %") for what in ("s", "PUTs", "MB")]
    print(f"{'':<12}{'markets':>8}", *(f"{one:>14}" for one in heads), f"{'MB':>6}")
    with tempfile.TemporaryDirectory(prefix="publish-") as folder:
        for number, (markets, place) in enumerate(itertools.product(options.markets, options.place)):
            with opened(place, Path(folder) / str(number)) as (url, environment):
                row = _in_its_own_process(markets, url, environment)
            numbers = (f"{row[one]:>14.2f}" if isinstance(row[one], float) else f"{row[one]:>14}" for one in heads)
            print(f"{place:<12}{markets:>8}", *numbers, f"{row['MB']:>6.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
