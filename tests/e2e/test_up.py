"""`tracker up --demo` as a person starts it: everything answers, what is killed comes back, nothing stays behind."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil
import pytest
from playwright.sync_api import Browser, Page

from tests.support import airflow_ui
from tests.support.docs import documented
from tests.support.ports import six_free_ports
from tracker.model import DAY
from tracker.pipeline.figures import FIGURES
from tracker.service.processes import marked, sweep
from tracker.settings import ROOT

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("up")]

STOPS_WITHIN = 60.0
"""Seconds. 20 are promised, and held by the patience with each part; a machine that starves takes its own on top."""


class Service:
    """A running `tracker up --demo` and what it says."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        self.log = home.parent / "up.txt"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "AIRFLOW"))
        }
        watched = home.parent / "metrics.json"
        markets = [
            "BTC-USD",
            "ETH-USD",
            "SOL-USD",
            "ADA-USD",
            "LTC-USD",
        ]  # few: a busy machine finds a day of them at once
        watched.write_text(json.dumps({"markets": {"coinbase": markets}, "metrics": ["price", "volume_24h"]}))
        self.statsd = socket.socket(type=socket.SOCK_DGRAM)
        self.statsd.bind(("127.0.0.1", 0))
        self.statsd.setblocking(False)
        told = {
            "TRACKER_HOME": str(home),
            "TRACKER_METRICS": str(watched),
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_PORT": str(self.statsd.getsockname()[1]),
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "tracker",
        }
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tracker", "up", "--demo", "--port", str(port)],
                env=environment | told,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str, offset: int = 0) -> str | None:
        with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{self.port + offset}{path}", timeout=10) as answer:
            return str(answer.read().decode())
        return None

    def metrics(self) -> dict[str, float]:
        """Give the last value of each metric that came in by StatsD."""
        found = {}
        with suppress(BlockingIOError):
            while True:
                name, _, value = self.statsd.recv(4096).decode().partition(":")
                found[name] = float(value.partition("|")[0])
        return found

    def api(self, path: str) -> Any:
        return json.loads(self.get(f"/api/v2{path}") or "{}")

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/api/v2{path}"
        ask = Request(url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        with urlopen(ask, timeout=30) as answer:
            return dict(json.load(answer))

    def candles(self, day: datetime) -> Path:
        return self.home / "store" / "candles" / f"date={day:%Y-%m-%d}"

    def airflow(self, line: str, day: datetime | None = None) -> str:
        """Type a line of the docs in the environment that they say; for one day, where it names dates."""
        setting = documented("docs/airflow.md", "export AIRFLOW_HOME").replace("$PWD/data", str(self.home))
        if day is not None:
            line = re.sub(r"(?<=-date )\S+", f"{day:%Y-%m-%d}", line)
        script = f"{setting.replace('$PWD', str(ROOT))}\n{line.replace('.venv/bin', str(Path(sys.executable).parent))}"
        for _ in range(3):
            done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False, timeout=120)
            if "database is locked" not in done.stderr:
                break
            self.wait(self.backfilled)  # then the same again, as docs/troubleshooting.md says
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def backfilled(self) -> bool:
        return all(one["completed_at"] for one in self.api("/backfills?dag_id=load_history")["backfills"])

    def runs(self) -> list[dict[str, Any]]:
        return list(self.api("/dags/track_prices/dagRuns").get("dag_runs", []))

    def fetches(self) -> dict[str, dict[str, Any]]:
        tasks = self.api("/dags/track_prices/dagRuns/~/taskInstances").get("task_instances", [])
        return {one["id"]: one for one in tasks if one["task_id"] == "fetch"}

    def wait(self, what: Callable[[], Any], seconds: float = 200.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, f"waited in vain:\n{self.log.read_text()}"
            time.sleep(0.05)
        return found

    def leader(self, name: str) -> psutil.Process | None:
        """Find the process of a component that leads its session."""
        for one in marked(str(self.home)):
            with suppress(psutil.Error, OSError):
                if name in " ".join(one.cmdline()).replace("_", "-") and os.getsid(one.pid) == one.pid:
                    return one
        return None

    def fetching(self) -> psutil.Process | None:
        """Find the process of a running fetch; Airflow names a task's process after its id."""
        fetches = self.fetches()
        for one in marked(str(self.home)):
            with suppress(psutil.Error):
                title = one.cmdline()[0] if len(one.cmdline()) == 1 else " ".join(one.cmdline())
                title = title.strip("\0 ")
                if "LocalExecutor" not in title and any(title.endswith(one_id) for one_id in fetches):
                    return one
        return None


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    one = Service((tmp_path / "home").resolve(), six_free_ports())
    yield one
    if one.process.poll() is None:
        one.process.kill()
        one.process.wait()
    sweep(str(one.home), patience=0.0)
    one.statsd.close()


def page(browser: Browser) -> Page:
    return browser.new_context(viewport={"width": 1280, "height": 900}).new_page()


def test_the_demo_runs_survives_kills_and_stops_without_a_trace(
    service: Service,
    browser: Browser,
) -> None:
    fetching = service.wait(service.fetching)
    fetching.kill()
    service.wait(lambda: "  mails " in service.log.read_text())
    assert service.get("/site/index.html")
    assert len(json.loads(service.get("/site/api/v1/ranking.json") or "{}")["series"]) == 10
    assert service.get("/", offset=5)  # the mailbox

    service.wait(lambda: any(one["state"] == "success" for one in service.runs()))
    assert any(one["try_number"] > 1 and one["state"] == "success" for one in service.fetches().values())
    run = next(one for one in service.runs() if one["state"] == "success")
    log = service.get(
        f"/api/v2/dags/track_prices/dagRuns/{run['dag_run_id'].replace('+', '%2B')}/taskInstances/publish/logs/1"
    )
    assert "Done. Returned value" in (log or "")

    metrics = service.metrics()
    assert set(metrics) == {f"airflow.tracker.{name}" for name in FIGURES}
    assert metrics["airflow.tracker.rows"] == 10

    assert only_loopback(service)
    secrets = json.loads((service.home / "airflow" / "secrets.json").read_text()).values()
    assert [(place, secret) for place, text in spoken(service) for secret in secrets if secret in text] == []

    scheduler = service.leader("airflow scheduler")
    assert scheduler is not None
    next(one for one in scheduler.children() if "LocalExecutor" in " ".join(one.cmdline())).kill()
    service.wait(lambda: "a worker of the scheduler was killed" in service.log.read_text())
    service.wait(lambda: "scheduler ended with code -9" in service.log.read_text())
    service.wait(lambda: service.leader("airflow scheduler"))
    asked = service.post("/dags/track_prices/dagRuns", {"logical_date": None})["dag_run_id"]
    service.wait(lambda: asked in {one["dag_run_id"] for one in service.runs() if one["state"] == "success"})

    now = datetime.fromisoformat(json.loads(service.get("/site/api/v1/ranking.json") or "{}")["minute"])
    today = now.replace(hour=0, minute=0)
    airflow_ui.backfill(page(browser), f"http://127.0.0.1:{service.port}", "load_history", *[today - 3 * DAY] * 2)
    service.wait((service.candles(today - 3 * DAY) / "hour=23" / "coinbase.parquet").exists)
    service.wait(service.backfilled)
    service.airflow(documented("docs/running.md", ".venv/bin/airflow backfill create"), today - 5 * DAY)
    service.wait((service.candles(today - 5 * DAY) / "hour=23" / "coinbase.parquet").exists)
    assert "load_history" in service.airflow(documented("docs/airflow.md", ".venv/bin/airflow dags list"))

    began = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=120) == 0
    assert time.monotonic() - began < STOPS_WITHIN
    assert marked(str(service.home)) == []


def spoken(service: Service) -> Iterator[tuple[str, str]]:
    """Give everything that others may read: logs, pages, XComs, command lines."""
    folders = (service.home / "logs", service.home / "airflow" / "logs", service.home / "site")
    for file in [service.log, *(file for folder in folders for file in folder.rglob("*") if file.is_file())]:
        yield str(file), file.read_text(errors="replace")
    with sqlite3.connect(service.home / "airflow" / "airflow.db") as database:
        yield from (("xcom", str(value)) for (value,) in database.execute("select value from xcom"))
    database.close()
    for one in marked(str(service.home)):
        with suppress(psutil.Error):
            yield "ps", " ".join(one.cmdline())


def only_loopback(service: Service) -> bool:
    ours = {one.pid for one in marked(str(service.home))}
    listening = [one for one in psutil.net_connections("tcp") if one.pid in ours and one.status == psutil.CONN_LISTEN]
    assert listening
    return {one.laddr.ip for one in listening} == {"127.0.0.1"}


def test_it_says_what_to_do_when_a_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {**os.environ, "TRACKER_HOME": str(tmp_path)}
        command = [sys.executable, "-m", "tracker", "up", "--port", str(min(port, 65_000))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"port {port} (for Airflow and the site) is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_ends_the_start_and_names_itself(tmp_path: Path) -> None:
    environment = {**os.environ, "TRACKER_HOME": str(tmp_path), "TRACKER_PUBLIC_URK": "https://x.example"}
    command = [sys.executable, "-m", "tracker", "up", "--port", str(six_free_ports())]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "unknown setting TRACKER_PUBLIC_URK; did you mean TRACKER_PUBLIC_URL?" in done.stderr
    assert marked(str(tmp_path)) == []
