"""What the two benches of `tracker backfill` share: a simulator in its own process, and settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracker.sim.catalogue import MARKETS, main_quote
from tracker.sim.tape import State

EXCHANGES = ("coinbase", "kraken", "binance")


@dataclass(frozen=True)
class Ran:
    """A process that is over: wall and CPU seconds, and the most memory it held (MiB)."""

    seconds: float
    cpu: float
    peak: float
    output: str


@contextmanager
def simulator() -> Iterator[str]:
    """Run `tracker simulate --no-rate-limit` on a free port; gives its base URL."""
    command = [sys.executable, "-m", "tracker", "simulate", "--port", "0", "--no-rate-limit"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout
            found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
            assert found, "the simulator did not start"
            yield found[0]
        finally:
            process.terminate()


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give our environment without settings of the product, and with compiled modules kept."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRACKER_") and k != "PYTHONDONTWRITEBYTECODE"}
    return kept | dict(more or {})


def markets_of(exchange: str, count: int) -> list[str]:
    """Give the first so many pairs that trade against the exchange's main quote."""
    live = [one.pair for one in MARKETS[exchange] if one.state is State.ONLINE and one.quote == main_quote(exchange)]
    assert len(live) >= count, f"{exchange} has {len(live)} markets"
    return live[:count]


def settings(folder: Path, url: str, exchange: str, pairs: Sequence[str]) -> dict[str, str]:
    """Give the environment in which `tracker` watches these markets of the simulator and keeps all in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    metrics = folder / "metrics_rank.json"
    metrics.write_text(json.dumps({"markets": {exchange: list(pairs)}, "metrics": ["price", "volume_24h"]}))
    names = ("COINBASE", "COINBASE_ADVANCED", "KRAKEN", "BINANCE")
    return environment(
        {f"TRACKER_{name}_URL": url for name in names}
        | {
            "TRACKER_PACE": "off",
            "TRACKER_METRICS": str(metrics),
            "TRACKER_STORE_URL": str(folder / "store"),
            "TRACKER_SITE_URL": str(folder / "site"),
        }
    )


def backfill(exchange: str, start: str, end: str) -> list[str]:
    """Give the command that loads (start, end]."""
    return [sys.executable, "-m", "tracker", "backfill", "--exchange", exchange, "--start", start, "--end", end]
