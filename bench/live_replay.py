"""Run the whole product on recorded market data and hold every published number against pandas.

    python -m bench.live_replay FILE.parquet [--minutes 15] [--port 8180] [--keep DIR]

Starts `tracker simulate --replay FILE` with the last recorded hour still to come, loads a day of history from it,
starts `tracker up` against it, waits for that many consecutive scheduled minutes, and then checks from the outside:
every minute has its object, every market is ranked, the JSON and the pages show what pandas computes from the file.
Prints a table; exits with 1 when something is missing or differs by more than 1e-9.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.support import oracle

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run, check, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=int, default=15)
    parser.add_argument("--port", type=int, default=8180)
    parser.add_argument("--keep", type=Path, help="where to leave store, site and logs (default: a temporary folder)")
    options = parser.parse_args(arguments)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="live-replay-"))
    folder.mkdir(parents=True, exist_ok=True)
    environment = _environment(folder, options.port)
    started: list[subprocess.Popen[bytes]] = []
    try:
        exchange = [
            "simulate",
            "--port",
            str(options.port + 30),
            "--replay",
            str(options.file),
            "--ahead",
            "60",
            "--no-rate-limit",
        ]
        started.append(_tracker(exchange, environment))
        shift = _answer(f"http://127.0.0.1:{options.port + 30}/sim")["shift_seconds"]
        _tracker(["backfill"], environment).wait()
        began = time.monotonic()
        started.append(_tracker(["up", "--port", str(options.port)], environment))
        minutes, delays = _watch(folder / "site", options.minutes)
        print(f"{minutes[0]:%H:%M} was the first of {len(minutes)} minutes, {time.monotonic() - began:.0f} s in all")
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGTERM)
        for process in reversed(started):
            process.wait(timeout=60)
    return _check(folder, options.file, shift, minutes, delays)


def _environment(folder: Path, port: int) -> dict[str, str]:
    watched = {"markets": {"coinbase": ["*"]}, "metrics": ["price", "volume_24h"]}
    (folder / "watched.json").write_text(json.dumps(watched))
    own = {
        "TRACKER_HOME": str(folder / "home"),
        "TRACKER_STORE_URL": str(folder / "store"),
        "TRACKER_SITE_URL": str(folder / "site"),
        "TRACKER_METRICS": str(folder / "watched.json"),
        "TRACKER_PACE": "off",
        "TRACKER_COINBASE_URL": f"http://127.0.0.1:{port + 30}",
        "TRACKER_COINBASE_ADVANCED_URL": f"http://127.0.0.1:{port + 30}",
    }
    return {**{name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}, **own}


def _tracker(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tracker", *arguments], cwd=ROOT, env=environment)


def _answer(url: str) -> Any:
    for _ in range(120):
        try:
            with urlopen(url, timeout=5) as reply:
                return json.load(reply)
        except (URLError, ConnectionError):
            time.sleep(0.5)
    raise SystemExit(f"{url} did not answer within a minute")


def _watch(site: Path, count: int) -> tuple[list[datetime], list[float]]:
    """Follow the published minute until `count` of them were seen; give them and the seconds each one took."""
    seen: list[datetime] = []
    delays: list[float] = []
    give_up = time.monotonic() + 60 * (count + 4)
    while len(seen) < count and time.monotonic() < give_up:
        page = site / "index.html"
        found = re.search(r'data-at="(\d+)"', page.read_text()) if page.exists() else None
        if found:
            at = datetime.fromtimestamp(int(found[1]), UTC)
            if not seen or at > seen[-1]:
                seen.append(at)
                delays.append((datetime.now(UTC) - at).total_seconds())
                print(f"  {at:%H:%M} readable after {delays[-1]:5.2f} s", flush=True)
        time.sleep(0.05)
    return seen, delays


def _check(folder: Path, file: Path, shift: float, minutes: list[datetime], delays: list[float]) -> int:
    print(f"freshness: median {median(delays[1:]):.2f} s, worst {max(delays[1:]):.2f} s over {len(delays) - 1} minutes")
    consecutive = [minutes[0] + timedelta(minutes=n) for n in range(len(minutes))]
    objects = {path.name[:4] for path in (folder / "store" / "minute").rglob("*.parquet")}
    missing = [f"{one:%H%M}" for one in consecutive if f"{one:%H%M}" not in objects]
    print(f"{len(minutes)} minutes from {minutes[0]:%H:%M}, consecutive: {minutes == consecutive}")
    print(f"minutes without an object: {missing or 'none'}")
    frame = oracle.recorded(file, shift)
    frame["market"] = "coinbase:" + frame["market"].str.partition(":")[2].str.replace("/", "-")
    ranking = json.loads((folder / "site" / "api" / "v1" / "ranking.json").read_text())
    at = datetime.fromisoformat(ranking["minute"])
    bad = bool(missing) or minutes != consecutive
    for metric in ("price", "volume_24h"):
        ours = {one["market"]: one for one in ranking["series"] if one["metric"] == metric}
        off, where = oracle.largest_difference(ours, oracle.statistics(frame, at, metric))
        print(f"{metric}: {len(ours)} series ranked at {at:%H:%M}, largest relative difference {off:.2e} ({where})")
        bad = bad or off > 1e-9
    print("BAD" if bad else "good", "-", folder)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
