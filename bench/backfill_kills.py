"""Kill `tracker backfill` with SIGKILL at random instants, let it go on, and compare with a load nobody disturbed.

`python -m bench.backfill_kills [--kills 20] [--markets 8] [--hours 96]` prints, for each kill: when it came, how many
objects were there, how many market hours of finished parts and of the part under way the next run asked for again, and
whether its store then equals the other byte for byte (but for the listings, which say when they were asked for, and
`loads/tail`, what a load keeps for the next). The control forgets what was loaded (`--again`), and must ask for
finished hours, or the count would prove nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.backfill_setup import backfill, markets_of, settings
from tests.support.exchange import Exchange, running
from tracker.model import HOUR, MINUTE, iso, whole_hour

EXCHANGE = "coinbase"
PART = 15 * HOUR
"""What is stored at once: the pages of 5 h for which `backfill.PART` has room."""

MarketHour = tuple[str, datetime]


@dataclass(frozen=True)
class Kill:
    """One kill: seconds after the first request, files then there, and market hours asked for again by the next run."""

    after: float
    files: int
    finished: int
    under_way: int


def asked(requests: Sequence[str]) -> Counter[MarketHour]:
    """Count how often each hour of each market's candles was asked for; an hour touched is an hour."""
    found: Counter[MarketHour] = Counter()
    for one in requests:
        parts = urlsplit(one)
        if not parts.path.endswith("/candles"):
            continue
        start, end = (datetime.fromisoformat(parse_qs(parts.query)[name][0]) for name in ("start", "end"))
        hour = whole_hour(start + MINUTE)
        while hour <= end + MINUTE:
            found[parts.path.split("/")[1], hour] += 1
            hour += HOUR
    return found


def finished(store: Path, start: datetime) -> set[MarketHour]:
    """Read from the ledger which hours of which market are loaded, of parts in which all are."""
    found: dict[tuple[str, int], set[MarketHour]] = defaultdict(set)
    for path in (store / "loads").glob(f"date=*/hour=*/{EXCHANGE}.json"):
        hour = datetime.strptime(f"{path.parts[-3][5:]} {path.parts[-2][5:]}", "%Y-%m-%d %H").replace(tzinfo=UTC)
        for market in set.intersection(*map(set, json.loads(path.read_text()).values())):
            pair = market.partition(":")[2]
            found[pair, (hour - start - MINUTE) // PART].add((pair, hour))
    return set().union(*(hours for hours in found.values() if len(hours) == PART // HOUR))


def digests(store: Path) -> dict[str, str]:
    """Give the digest of each object that a load leaves for others."""
    objects = {one.relative_to(store): one for one in store.rglob("*") if one.is_file()}
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in objects.items()
        if name.parts[0] not in {".locks", ".staging", "listings"} and name.parts[:2] != ("loads", "tail")
    }


@dataclass(frozen=True)
class Trial:
    """A load that can be started, killed and started again, over one store."""

    exchange: Exchange
    command: Sequence[str]
    env: Mapping[str, str]
    store: Path

    def finish(self) -> float:
        """Let it come to its end; gives the seconds from the first request on."""
        before, process = len(self.exchange.requests), self._start()
        self._until_asked(process, before)
        began = time.perf_counter()
        assert process.wait() == 0, "the load failed"
        return time.perf_counter() - began

    def kill(self, after: float) -> bool:
        """Kill it so many seconds after its first request; say whether it was still at work."""
        before, process = len(self.exchange.requests), self._start()
        self._until_asked(process, before)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL

    def _start(self) -> subprocess.Popen[bytes]:
        env = {**self.env, "TRACKER_STORE_URL": str(self.store)}
        return subprocess.Popen(self.command, env=env, stdout=subprocess.DEVNULL)

    def _until_asked(self, process: subprocess.Popen[bytes], before: int) -> None:
        while len(self.exchange.requests) == before and process.poll() is None:
            time.sleep(0.001)


def again(trial: Trial, start: datetime, after: float) -> Kill | None:
    """Kill a load, and say what of the hours it had asked for the next run asks for again; None if it was over."""
    trial.exchange.simulation.forget()
    if not trial.kill(after):
        return None
    done, before = finished(trial.store, start), asked(trial.exchange.requests)
    files = len(digests(trial.store))
    trial.exchange.simulation.forget()
    trial.finish()
    twice = [one for one in asked(trial.exchange.requests) if one in before or one in done]
    return Kill(after, files, sum(one in done for one in twice), sum(one not in done for one in twice))


def main(arguments: Sequence[str]) -> int:
    """Run it; 1 if a store differed, or if the control asked for nothing again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--markets", type=int, default=8)
    parser.add_argument("--hours", type=int, default=96)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    chance, now = random.Random(options.seed), datetime.now(UTC)
    end = whole_hour(now - timedelta(hours=1)) - MINUTE
    start = end - options.hours * HOUR
    different, kills, trials = 0, 0, 0
    with tempfile.TemporaryDirectory() as name, running(now=now) as exchange:
        folder = Path(name)
        env = settings(folder / "settings", exchange.url, EXCHANGE, markets_of(EXCHANGE, options.markets))
        command = backfill(EXCHANGE, iso(start), iso(end))
        Trial(exchange, command, env, folder / "first").finish()  # the simulator makes its markets up
        seconds = Trial(exchange, command, env, folder / "whole").finish()
        whole = digests(folder / "whole")
        print(f"{options.markets} markets, {options.hours} h: {len(whole)} objects in {seconds:.2f} s, undisturbed")
        print(f"{'kill':>4}{'after s':>9}{'objects':>9}{'asked again: finished':>23}{'under way':>11}{'equal':>7}")
        while kills < options.kills:
            trials += 1
            store = folder / f"killed-{trials}"
            found = again(Trial(exchange, command, env, store), start, chance.uniform(0, seconds))
            if found is None:  # the machine has become quicker since
                seconds *= 0.9
                continue
            kills += 1
            equal = digests(store) == whole
            different += not equal
            print(
                f"{kills:>4}{found.after:>9.2f}{found.files:>9}{found.finished:>23}{found.under_way:>11}"
                f"{'yes' if equal else 'NO':>7}"
            )
        exchange.simulation.forget()
        Trial(exchange, [*command, "--again"], env, folder / "whole").finish()
        control = sum(one in finished(folder / "whole", start) for one in asked(exchange.requests))
    print(f"{kills} kills, {different} stores differ; control: {control} finished market hours asked for again")
    return 1 if different or not control else 0


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main(sys.argv[1:]))
