"""The ways to run the product, started for a bench: SQLite, PostgreSQL, and Celery as docker-compose.yml has it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil

from tests.support.compose import ROOT, Stack, running
from tests.support.ports import free_ports
from tracker.service.processes import marked

BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"
BUNDLES = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
YARDSTICK = "three_empty_tasks"
LOOK = 0.3


def bundles(root: str) -> str:
    """Give the setting that adds the bench's own DAG, three empty tasks, as the yardstick in the same run."""
    folders = {"dags-folder": f"{root}/dags", "bench": f"{root}/bench/dags"}
    return json.dumps([{"name": name, "classpath": BUNDLE, "kwargs": {"path": path}} for name, path in folders.items()])


@dataclass
class SetUp:
    """A running product. `look` must be called often: it restarts what died."""

    site: str
    airflow: str
    processes: Callable[[], list[psutil.Process]]
    look: Callable[[], None] = lambda: None
    headers: dict[str, str] = field(default_factory=dict)

    def api(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """Ask Airflow; None when it does not answer well."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {**self.headers, "Content-Type": "application/json"}
        ask = Request(f"{self.airflow}{path}", data=data, headers=headers, method=method)
        with suppress(URLError, OSError, ValueError), urlopen(ask, timeout=30) as answer:
            return json.load(answer)
        return None

    def read(self, path: str) -> str | None:
        """Read a page of the site as its readers do: object storage keeps it packed, and hands it out so."""
        with suppress(URLError, OSError), urlopen(f"{self.site}/{path}", timeout=10) as answer:
            body = answer.read()
            return (gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body).decode()
        return None

    def usage(self) -> dict[str, float]:
        """Add up memory (PSS, bytes) and CPU time (seconds) of all processes."""
        total = {"processes": 0.0, "pss": 0.0, "cpu": 0.0}
        for one in self.processes():
            with suppress(psutil.Error):
                times = one.cpu_times()
                total["pss"] += one.memory_full_info().pss
                total["cpu"] += times.user + times.system + times.children_user + times.children_system
                total["processes"] += 1
        return total


@contextmanager
def exchange(*options: str) -> Iterator[str]:
    """Run a simulated exchange of its own, as many markets as the real ones have; give its address."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "tracker", "simulate", f"--port={port}", "--no-rate-limit", "--many", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        server.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def told(market: str, watched: Path) -> dict[str, str]:
    """Give the settings that point the product at a simulated exchange and a file of markets."""
    names = ("COINBASE", "COINBASE_ADVANCED", "KRAKEN", "BINANCE")
    return {f"TRACKER_{name}_URL": market for name in names} | {"TRACKER_PACE": "off", "TRACKER_METRICS": str(watched)}


@contextmanager
def single(home: Path, given: dict[str, str], *, backfill: bool = True) -> Iterator[SetUp]:
    """Run `tracker up` in a home of its own, after a day of history; `given` may name PostgreSQL."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "AIRFLOW"))}
    environment = (
        plain
        | given
        | {"TRACKER_HOME": str(home), "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": bundles(str(ROOT))}
    )
    if backfill:
        stored = {"TRACKER_STORE_URL": str(home / "store"), "TRACKER_SITE_URL": str(home / "site")}
        command = [sys.executable, "-m", "tracker", "backfill"]
        subprocess.run(command, env=environment | stored, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    [port] = free_ports(1)
    log = home.parent / f"{home.name}.log"
    with log.open("wb") as out:
        service = subprocess.Popen(
            [sys.executable, "-m", "tracker", "up", "--port", str(port)],
            env=environment,
            stdout=out,
            stderr=out,
            cwd=ROOT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        yield SetUp(f"{url}/site", url, lambda: [psutil.Process(service.pid), *marked(str(home))])
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(timeout=60)


@contextmanager
def stack(given: dict[str, str], leave_out: Sequence[str] = ()) -> Iterator[Stack]:
    """Start the services of docker-compose.yml natively, but for some, with the yardstick's DAG beside ours."""
    with running(given, leave_out=leave_out, told={BUNDLES: bundles("/opt/tracker")}) as one:
        yield one


@contextmanager
def celery(given: dict[str, str]) -> Iterator[SetUp]:
    """Run the services of docker-compose.yml, after a day of history."""
    with stack(given, leave_out=["simulator", "mailpit"]) as services:
        services.once("worker", ["tracker", "backfill"])
        yield set_up_of(services)


def set_up_of(services: Stack) -> SetUp:
    """Look at a stack as a SetUp, logged in as its admin; without `web` there are no pages to read."""
    airflow = f"http://127.0.0.1:{services.port('api-server', 8080)}"
    one = SetUp(f"http://127.0.0.1:{services.port('web', 8000)}", airflow, services.processes, services.look)
    token = one.api("/auth/token", {"username": "admin", "password": services.password})["access_token"]
    one.headers["Authorization"] = f"Bearer {token}"
    return one


def wait(what: Callable[[], Any], look: Callable[[], None], seconds: float = 300.0) -> Any:
    """Wait until `what()` gives something; SystemExit after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {seconds:.0f} s")
        look()
        time.sleep(LOOK)
    return found
