"""docker-compose.yml without Docker: its programs, its commands, its environment; real minutes through all of them.

In between the only worker and the broker are killed, as by the kernel, and started again, as by Docker.
"""

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests
from sqlalchemy import create_engine, text

from tests.support.compose import Stack, running

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("parity")]

MARKETS = ["BTC-USD", "ETH-USD", "SOL-USD", "ADA-USD"]
JUMP = "spike;market=SOL-USD;after=2;for=3"
CHANGED = {
    "TRACKER_STORE_URL": "s3://store/prices",  # a prefix, as many have
    "SIMULATOR_FAULTS": JUMP,
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    watched = tmp_path_factory.mktemp("parity") / "metrics.json"
    watched.write_text(json.dumps({"markets": {"coinbase": MARKETS}, "metrics": ["price", "volume_24h"]}))
    with running(CHANGED | {"TRACKER_METRICS": str(watched)}) as one:
        one.once("worker", ["tracker", "backfill"])
        one.wait(lambda: site(one, "/").status_code == 200, "the first index")
        yield one


def site(stack: Stack, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{stack.port('web', 8000)}{path}", timeout=10)


def published(stack: Stack) -> datetime | None:
    with suppress(requests.RequestException, ValueError, KeyError):
        return datetime.fromisoformat(site(stack, "/api/v1/ranking.json").json()["minute"])
    return None


def reached(stack: Stack, minute: datetime) -> bool:
    seen = published(stack)
    return seen is not None and seen >= minute


def api(stack: Stack, path: str) -> Any:
    return asked(stack, f"/api/v2{path}").json()


def asked(stack: Stack, path: str) -> requests.Response:
    """Ask the API server as its admin."""
    root = f"http://127.0.0.1:{stack.port('api-server', 8080)}"
    login = {"username": "admin", "password": stack.password}
    token = requests.post(f"{root}/auth/token", json=login, timeout=30).json()["access_token"]
    return requests.get(f"{root}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30)


def mails(stack: Stack) -> list[dict[str, str]]:
    return list(requests.get(f"http://127.0.0.1:{stack.port('mailpit', 8025)}/mails.json", timeout=10).json())


def fetching(stack: Stack) -> bool:
    tasks = api(stack, "/dags/track_prices/dagRuns/~/taskInstances?state=running").get("task_instances", [])
    return bool(tasks)


def test_every_minute_page_and_mail_survives_a_killed_worker_and_a_killed_broker(stack: Stack) -> None:
    first = stack.wait(lambda: published(stack), "a page")
    killed = stack.wait(lambda: fetching(stack), "a running task") and stack.running["worker"]
    killed.kill()
    stack.wait(lambda: killed.starts == 2, "the worker started again")
    broker = stack.running["redis"]
    stack.wait(lambda: reached(stack, first + timedelta(minutes=1)), "a page after the worker's death")
    broker.kill()
    stack.wait(lambda: broker.starts == 2, "the broker started again")

    stack.wait(lambda: mails(stack), "a mail", seconds=420)
    last = (published(stack) or first) + timedelta(minutes=1)
    stack.wait(lambda: reached(stack, last), "a page after everything")

    # every minute: what a standstill skipped comes back from candles
    stack.once("worker", ["tracker", "seal"])
    wanted = {first + timedelta(minutes=n) for n in range(int((last - first) / timedelta(minutes=1)) + 1)}
    span = ["--start", (first - timedelta(minutes=1)).isoformat(), "--end", last.isoformat()]
    rows = json.loads(stack.once("worker", ["tracker", "read", *span, "--format", "json"]))
    for market in MARKETS:
        have = {
            datetime.fromisoformat(row["minute"])
            for row in rows
            if row["market"] == f"coinbase:{market}" and row["metric"] == "volume_24h"
        }
        assert wanted - have == set(), market

    # every page: the one of the alert says what the mail says
    [mail] = {one["message_id"]: one for one in mails(stack)}.values()
    assert "SOL/USD" in mail["subject"]
    assert len(mails(stack)) == 1
    assert "sol-usd" in site(stack, "/alerts.html").text
    runs = api(stack, "/dags/track_prices/dagRuns?limit=100")["dag_runs"]
    assert sum(run["state"] == "success" for run in runs) >= 2
    queues = {
        one["task_id"]: one["queue"]
        for one in api(stack, "/dags/deliver_alerts/dagRuns/~/taskInstances")["task_instances"]
    }
    assert queues["alert"] == "alerts"
    assert queues["pending"] == "default"

    assert "forgot the logs of 0 runs" in stack.tail("housekeeping")

    # links both ways: from a task to its object and page, from the page to its run
    done = next(run["dag_run_id"] for run in runs if run["state"] == "success")
    links = api(stack, f"/dags/track_prices/dagRuns/{quote(done)}/taskInstances/analyze/links")["extra_links"]
    assert links["Page"] == site(stack, "/alerts.html").url
    assert asked(stack, links["Object"]).content[:4] == b"PAR1"
    assert "/dags/track_prices/runs/" in site(stack, "/").text


def test_readers_get_folders_types_and_not_modified(stack: Stack) -> None:
    index = site(stack, "/")
    assert (index.status_code, index.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert index.headers["content-encoding"] == "gzip"
    again = requests.get(index.url, headers={"If-None-Match": index.headers["etag"]}, timeout=10)
    assert again.status_code == 304
    missing = site(stack, "/m/coinbase-nope.html")
    assert (missing.status_code, "<title>" in missing.text) == (404, True)


def test_strangers_may_read_the_site_and_nothing_else(stack: Stack) -> None:
    s3 = f"http://127.0.0.1:{stack.port('s3', 8333)}"
    assert requests.get(f"{s3}/site/index.html", timeout=10).status_code == 200
    for path in ("/site/", "/site", "/store/", "/store/prices/minute/", "/"):
        answer = requests.get(f"{s3}{path}", timeout=10)
        assert answer.status_code in {403, 404} or not answer.content, path
    for method in ("PUT", "POST", "DELETE"):
        assert requests.request(method, f"{s3}/site/index.html", data=b"x", timeout=10).status_code in {403, 405}
        assert requests.request(method, f"{site(stack, '/').url}index.html", data=b"x", timeout=10).status_code in {
            403,
            405,
        }
    filer = requests.put(f"http://127.0.0.1:{stack.port('s3', 8888)}/buckets/site/index.html", data=b"x", timeout=10)
    assert filer.status_code in {404, 405}
    airflow = f"http://127.0.0.1:{stack.port('api-server', 8080)}/api/v2/dags"
    assert requests.get(airflow, timeout=10).status_code == 401


def test_everything_listens_where_the_file_says(stack: Stack) -> None:
    pids = {one.pid for one in stack.processes()}
    listening = {
        (one.laddr.ip, one.laddr.port)
        for one in psutil.net_connections("tcp")
        if one.pid in pids and one.status == psutil.CONN_LISTEN
    }
    assert listening
    assert [one for one in listening if one[0] != "127.0.0.1"] == []


def test_no_secret_is_where_others_may_read(stack: Stack) -> None:
    found = list(spoken(stack))
    assert {kind for kind, _, _ in found} == {"command line", "log", "page", "xcom", "celery_taskmeta"}
    assert [(kind, place) for kind, place, said in found if any(secret in said for secret in stack.secrets)] == []


def spoken(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Give what others may read: of which kind, where, and its text."""
    for one in stack.processes():
        with suppress(psutil.Error):
            yield "command line", str(one.pid), " ".join(one.cmdline())
    for log in [*stack.home.glob("*.log"), *(stack.home / "volumes" / "logs").rglob("*.log")]:
        yield "log", str(log), log.read_text(errors="replace")
    for path in site(stack, "/manifest.json").json()["objects"]:
        yield "page", path, site(stack, f"/{path}").text
    told = stack.environment("scheduler")
    yield from rows("xcom", told["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    yield from rows("celery_taskmeta", told["AIRFLOW__CELERY__RESULT_BACKEND"].removeprefix("db+"))


def rows(table: str, database: str) -> Iterator[tuple[str, str, str]]:
    with create_engine(database).connect() as connection:
        for row in connection.execute(text(f"SELECT * FROM {table}")):
            values = [bytes(one).decode(errors="replace") if isinstance(one, memoryview) else str(one) for one in row]
            yield table, values[0], " ".join(values)


def test_a_worker_ends_in_peace_when_asked(stack: Stack) -> None:
    worker = stack.running.pop("worker-alerts").running
    assert worker is not None
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0
    grace = re.fullmatch(r"(\d+)s", stack.service("worker-alerts")["stop_grace_period"])
    assert grace is not None
    assert time.monotonic() - began < int(grace[1])
