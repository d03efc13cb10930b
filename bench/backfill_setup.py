"""What the two benches of `tracker backfill` share: a simulator in its own process, and settings."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracker.sim.catalogue import MARKETS, main_quote
from tracker.sim.listening import listen
from tracker.sim.server import Simulation, application
from tracker.sim.tape import State

EXCHANGES = ("coinbase", "kraken", "binance")


@dataclass(frozen=True)
class Ran:
    """A process that is over: wall and CPU seconds."""

    seconds: float
    cpu: float
    output: str


@contextmanager
def simulator(latency: float = 0.0) -> Iterator[str]:
    """Run a simulator without rate limits on a free port, in its own process; gives its base URL.

    It remembers its answers, so that from the second time on it is not what is measured, and gives each after
    `latency` seconds, as a network does.
    """
    command = [sys.executable, "-m", "bench.backfill_setup", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout
            found = re.search(r"http://[\d.]+:\d+", process.stdout.readline())
            assert found, "the simulator did not start"
            yield found[0]
        finally:
            process.terminate()


def remembering(application: ASGIApp, latency: float) -> ASGIApp:
    """Answer from memory what was asked before."""
    kept: dict[tuple[str, bytes], list[Message]] = {}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked = (scope["path"], scope["query_string"])
        if asked not in kept:
            found: list[Message] = []

            async def keep(message: Message) -> None:
                found.append(message)

            await application(scope, receive, keep)
            kept[asked] = found
        if latency:
            await asyncio.sleep(latency)
        for message in kept[asked]:
            await send(message)

    return answer


def serve(latency: float) -> None:
    """Serve until SIGTERM, and say where on standard output."""
    simulation = Simulation.make(lambda: datetime.now(UTC), rate_limit=False)
    with listen(0) as door:
        print(f"http://127.0.0.1:{door.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            remembering(application(simulation), latency), log_config=None, date_header=False, lifespan="off"
        )
        uvicorn.Server(config).run(sockets=[door])


def run(command: Sequence[str], env: dict[str, str]) -> Ran:
    """Run a process to its end; a failure ends the bench with what it said."""
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{text}")
    return Ran(seconds, used.ru_utime + used.ru_stime, text)


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


if __name__ == "__main__":
    serve(float(sys.argv[1]))
