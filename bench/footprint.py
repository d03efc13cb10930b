"""Memory (PSS) and CPU of `tracker up`, idle and running, beside `airflow standalone` on the same DAGs.

    python -m bench.footprint [--minutes 3]

Each part runs by itself for so many minutes after its start: `tracker up` with every DAG paused (idle), `tracker up`
as it is, `airflow standalone` with its defaults but for the examples, DAGs paused and running. The simulated exchange
is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from bench.set_ups import ROOT, SetUp, exchange, single, told, wait
from tests.support.ports import free_ports

DAGS = ("track_prices", "deliver_alerts", "seal_hours", "load_history", "housekeeping", "three_empty_tasks")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3)
    options = parser.parse_args(arguments)
    print(f"{'':<32}{'processes':>10}{'PSS MB':>9}{'CPU, % of a core':>18}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tracker-footprint-") as folder, exchange() as market:
        watched = Path(folder) / "watched.json"
        watched.write_text(json.dumps({"markets": {"coinbase": ["BTC-USD", "ETH-USD"]}, "metrics": ["price"]}))
        given = told(market, watched)
        with single(Path(folder) / "up", given) as one:
            measure("tracker up", one, options.minutes)
        with standalone(Path(folder) / "standalone", given) as one:
            measure("airflow standalone", one, options.minutes)
    return 0


def measure(what: str, one: SetUp, minutes: float) -> None:
    """Print what it takes at rest (every DAG paused) and at work."""
    wait(lambda: one.api("/api/v2/dags/track_prices"), one.look)
    for paused, how in ((True, "idle, DAGs paused"), (False, "running")):
        for dag_id in DAGS:
            one.api(f"/api/v2/dags/{dag_id}", {"is_paused": paused}, method="PATCH")
        time.sleep(75)  # what was begun ends, what begins is warm
        before, began = one.usage(), time.monotonic()
        time.sleep(60 * minutes)
        after, spent = one.usage(), time.monotonic() - began
        cpu = 100 * (after["cpu"] - before["cpu"]) / spent
        print(f"{what + ', ' + how:<32}{after['processes']:>10.0f}{after['pss'] / 1e6:>9.0f}{cpu:>18.1f}", flush=True)


@contextmanager
def standalone(home: Path, given: dict[str, str]) -> Iterator[SetUp]:
    """Run `airflow standalone` as its documentation says, without the examples and without a password."""
    api, logs, triggers = free_ports(3)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "AIRFLOW"))}
    environment = (
        plain
        | given
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # it starts `airflow` by name
            "AIRFLOW_HOME": str(home),
            "TRACKER_STORE_URL": str(home / "store"),
            "TRACKER_SITE_URL": str(home / "site"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{api}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(api),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{api}",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(triggers),
        }
    )
    home.mkdir()
    subprocess.run(
        [sys.executable, "dags/tracker_setup.py"], env=environment, cwd=ROOT, check=True, capture_output=True
    )
    with (home / "standalone.log").open("wb") as out:
        command = [sys.executable, "-m", "airflow", "standalone"]
        parent = subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True, cwd=ROOT)
    url = f"http://127.0.0.1:{api}"
    try:
        yield SetUp(f"{url}/site", url, lambda: session(parent.pid))
    finally:
        parent.send_signal(signal.SIGINT)  # on SIGTERM it would leave its children
        with suppress(subprocess.TimeoutExpired):
            parent.wait(timeout=30)
        for one in session(parent.pid):
            one.kill()


def session(leader: int) -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(one.pid) == leader:
                found.append(one)
    return found


if __name__ == "__main__":
    sys.exit(main())
