"""Let four processes write, load and seal the same hours, and look after every acknowledged write whether it is there.

`python -m bench.races [URL | --s3] [--rounds 500]`: URL is an empty folder or `s3://bucket/prefix` (AWS_* variables);
without it a temporary folder, or with --s3 a SeaweedFS that is started for it. Each process owns one exchange, so that
it knows what must be read back; all share the hours.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from bench.s3 import seaweedfs
from tracker.errors import RetriableError
from tracker.frames import samples_table
from tracker.model import HOUR, MINUTE, Market, Metric, Origin, Sample, Series
from tracker.objects import Objects
from tracker.store import ParquetStore, layout
from tracker.store.parquet import decode

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOURS = 2
MINUTES = 4
PROCESSES = 4


@dataclass
class Seen:
    """What a process did and what it found wrong right after an acknowledged write."""

    minutes: int = 0
    candles: int = 0
    seals: int = 0
    refused: int = 0
    lost: int = 0
    stale: int = 0


def _rows(exchange: str, minute: datetime, value: int, origin: Origin) -> pa.Table:
    market = Market(exchange, "A", "B")
    return samples_table([Sample(Series(market, Metric.PRICE), minute, float(value), minute, origin)])


def _worker(url: str, number: int, rounds: int) -> tuple[Seen, dict[datetime, float]]:
    rng, store, exchange = random.Random(number), ParquetStore(url), f"e{number}"
    polls: dict[datetime, float] = {}
    candles: dict[datetime, float] = {}
    seen = Seen()
    for value in range(1, rounds + 1):
        hour = NOON + rng.randrange(HOURS) * HOUR
        minute = hour + rng.randrange(MINUTES) * MINUTE
        kind = rng.choice(["minute", "minute", "candles", "seal"])
        try:
            if kind == "minute":
                store.write_minute(minute, exchange, _rows(exchange, minute, value, Origin.POLL))
                polls[minute], seen.minutes = float(value), seen.minutes + 1
            elif kind == "candles":
                store.write_candles(hour, exchange, _rows(exchange, minute, value, Origin.CANDLE))
                candles[minute], seen.candles = float(value), seen.candles + 1
            else:
                store.seal(hour)
                seen.seals += 1
        except RetriableError:  # said, not silent; whether the row is there is open: forget what was known of it
            seen.refused += 1
            (polls if kind == "minute" else candles).pop(minute, None)
            continue
        expected = {at: v for at, v in (candles | polls).items() if hour <= at < hour + HOUR}
        read = store.read(hour - MINUTE, hour + HOUR - MINUTE, markets=[Market(exchange, "A", "B")])
        seen.lost += not expected.items() <= _by_minute(read, exchange).items()
        data = store.objects.get(layout.hour_path(hour))
        if data is not None:  # what somebody who knows nothing of our reader would see
            whole = decode(data, "hour", read.schema)
            seen.stale += not expected.items() <= _by_minute(whole, exchange).items()
    return seen, candles | polls


def _by_minute(table: pa.Table, exchange: str) -> dict[datetime, float]:
    rows = zip(table["market"].to_pylist(), table["minute"].to_pylist(), table["value"].to_pylist(), strict=True)
    return {minute: value for market, minute, value in rows if market.startswith(f"{exchange}:")}


def race(url: str, rounds: int) -> Iterator[tuple[str, Seen]]:
    """Give what each process saw, and at last what was wrong in the end."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        results = pool.starmap(_worker, [(url, number, rounds) for number in range(PROCESSES)])
    store, end = ParquetStore(url), Seen()
    before = store.read(NOON - MINUTE, NOON + HOURS * HOUR)
    for number, (seen, expected) in enumerate(results):
        yield f"process {number}", seen
        end.lost += not expected.items() <= _by_minute(before, f"e{number}").items()
    keys = list(zip(before["market"].to_pylist(), before["minute"].to_pylist(), strict=True))
    end.lost += len(keys) != len(set(keys))
    for n in range(HOURS):
        end.stale += (
            store.objects.get(layout.hour_path(NOON + n * HOUR)) is not None and store.seal(NOON + n * HOUR).changed
        )
    end.lost += not store.read(NOON - MINUTE, NOON + HOURS * HOUR).equals(before)
    yield "in the end", end


def main(arguments: list[str]) -> int:
    """Run the race; 1 if anything was lost or stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", help="an empty place (default: a temporary folder)")
    parser.add_argument("--s3", action="store_true", help="on a SeaweedFS of its own")
    parser.add_argument("--rounds", type=int, default=500, help="writes of each process (%(default)s)")
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="races-"))
        url = stack.enter_context(seaweedfs(Path(folder))) if options.s3 else options.url or folder
        if Objects(url).list():
            parser.error(f"{url} is not empty")
        wrong = 0
        print(f"{'':<14}{'minutes':>9}{'candles':>9}{'seals':>7}{'refused':>9}{'lost':>6}{'stale':>7}")
        for name, seen in race(url, options.rounds):
            wrong += seen.lost + seen.stale
            print(
                f"{name:<14}{seen.minutes:>9}{seen.candles:>9}{seen.seals:>7}{seen.refused:>9}{seen.lost:>6}{seen.stale:>7}"
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
