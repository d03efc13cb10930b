"""One minute of every market of three exchanges of their real size: calls and seconds.

`python -m bench.whole_exchanges [--minutes 3]` runs `tracker fetch` in a fresh process at each minute, against
simulated exchanges that list 800, 1,100 and 1,500 markets. The first minute also asks for the listings; the others are
what every minute costs. Seconds count from the start of the process to its end, start-up and the simulator's own work
included.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.backfill_setup import run, settings
from tests.support.exchange import running
from tracker.model import MINUTE, whole_minute

PATHS = {"products": "coinbase", "0": "kraken", "api": "binance"}


def main(arguments: Sequence[str]) -> int:
    """Print a row a minute; 1 if a minute after the first took more than one call of an exchange."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=3)
    options = parser.parse_args(arguments)
    wrong = 0
    print(f"{'minute':>8}{'markets':>9}{'samples':>9}{'calls':>22}{'seconds':>9}{'CPU s':>7}")
    with tempfile.TemporaryDirectory() as name, running(now=datetime.now(UTC), many=True) as exchange:
        folder = Path(name)
        env = settings(folder, exchange.url, "coinbase", ["*"]) | {"TRACKER_PACE": "on"}  # it keeps Kraken's names too
        every = {"markets": {one: ["*"] for one in PATHS.values()}, "metrics": ["price", "volume_24h"]}
        Path(env["TRACKER_METRICS"]).write_text(json.dumps(every))
        for turn in range(options.minutes):
            minute = whole_minute(datetime.now(UTC)) + MINUTE
            time.sleep((minute - datetime.now(UTC)).total_seconds() + 1)
            exchange.now = datetime.now(UTC)
            exchange.simulation.forget()
            ran = run([sys.executable, "-m", "tracker", "fetch"], env)
            calls = Counter(PATHS[path.split("/")[0]] for path in exchange.requests)
            [report] = folder.glob(f"store/runs/date=*/hour=*/{minute:%H%M}-fetch.json")
            feeds = json.loads(report.read_text())["feeds"]
            markets, rows = (sum(one[key] for one in feeds) for key in ("markets", "rows"))
            told = " ".join(f"{exchange_[0]}{count}" for exchange_, count in sorted(calls.items()))
            print(f"{minute:%H:%M}".rjust(8) + f"{markets:>9}{rows:>9}{told:>22}{ran.seconds:>9.2f}{ran.cpu:>7.2f}")
            wrong += turn > 0 and set(calls.values()) != {1}
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
