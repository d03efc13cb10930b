"""Every command of the docs, page by page, as a person types them, beside a simulated exchange.

What a test cannot have (Docker, systemd, a cluster, another machine) is stood in for by tests/support/stand_in.py, each
program with a check of its own; programs that run for ever and are not sent to the background are only parsed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import smtp
from tests.support.docs import PAGES, shell
from tests.support.ports import free_ports
from tests.support.stand_in import PROGRAMS
from tracker.settings import ROOT

pytestmark = [pytest.mark.timeout(300)]

FOR_EVER = re.compile(r"^\.venv/bin/tracker (simulate|mailbox|up)\b(?!.*&\s*$)(.*)$", re.MULTILINE)
IN_BACKGROUND = re.compile(r"^(.*?(\d{4,5}).*&)[ ]*$", re.MULTILINE)
PARSE = f"{sys.executable} -c 'import sys; from tracker import cli; cli._parser().parse_args(sys.argv[1:])'"
MAIL = "smtp://user:password@mail.example.com:587?disable_ssl=true"

CHECKOUT = ["Makefile", ".env.example", "dags", "plugins", "resources", "deploy", "docker-compose.yml"]
CHECKOUT += ["requirements-scale.lock"]

SPOKEN = [page for page in PAGES if shell(page)]


@pytest.fixture(scope="module")
def market() -> Iterator[str]:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "tracker", "simulate", f"--port={port}", "--no-rate-limit"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a checkout's folder in which nothing of the real one can be harmed."""
    for one in (
        "Makefile",
        ".env.example",
        "dags",
        "plugins",
        "resources",
        "deploy",
        "requirements-scale.lock",
        "docker-compose.yml",
    ):
        (tmp_path / one).symlink_to(ROOT / one)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "tracker"):
        (programs / name).symlink_to(Path(sys.executable).parent / name)
    (tmp_path / "stand-ins").mkdir()
    for name in PROGRAMS:
        place = programs / name if name == "airflow" else tmp_path / "stand-ins" / name
        place.write_text(
            f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -W ignore -m tests.support.stand_in {name} "$@"\n'
        )
        place.chmod(0o755)
    (tmp_path / "watched.json").write_text(json.dumps({"markets": {"coinbase": ["SOL-USD"]}, "metrics": ["price"]}))
    database = tmp_path / "data" / "airflow" / "airflow.db"
    database.parent.mkdir(parents=True)
    database.touch()
    return tmp_path


def script(page: Path, mail_port: int) -> str:
    """Turn a page's blocks into one script: free ports for fixed ones, an hour of history for months of it."""
    text = shell(page).replace(MAIL, f"smtp://127.0.0.1:{mail_port}/?disable_ssl=true&disable_tls=true")
    text = re.sub(r"(?<=--start )\S+", "$(date --utc --date '1 hour ago' +%FT%H:%MZ)", text)
    text = re.sub(r"(?<=--end )\S+", "$(date --utc +%FT%H:%MZ)", text)
    for number, port in zip(("8083", "8084", "8085"), free_ports(3), strict=True):
        text = re.sub(rf"(?<=[ :=]){number}\b", str(port), text)
    text = FOR_EVER.sub(lambda found: f"{PARSE} {found[1]}{found[2]}", text)
    return IN_BACKGROUND.sub(r"\1\nuntil (exec 3<>/dev/tcp/127.0.0.1/\2) 2>/dev/null; do sleep 0.1; done", text)


@pytest.mark.parametrize("page", SPOKEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_works(page: Path, folder: Path, market: str) -> None:
    with smtp.running(smtp.Server()) as server:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "AIRFLOW"))}
        exchanges = ("COINBASE", "COINBASE_ADVANCED", "KRAKEN", "BINANCE")
        given = {f"TRACKER_{name}_URL": market for name in exchanges} | {
            "TRACKER_PACE": "off",
            "TRACKER_METRICS": str(folder / "watched.json"),
            "DATABASE": "postgresql://127.0.0.1/airflow",
            "PATH": f"{folder / 'stand-ins'}{os.pathsep}{os.environ['PATH']}",
        }
        typed = ["bash", "-euo", "pipefail", "-x", "-c", script(page, server.port)]
        said = folder / "said.txt"
        with said.open("wb") as out:
            ran = subprocess.Popen(typed, cwd=folder, env=plain | given, stdout=out, stderr=out, start_new_session=True)
        try:
            ran.wait(timeout=240)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(ran.pid, signal.SIGKILL)  # what was sent to the background
    assert ran.returncode == 0, said.read_text()


def test_what_stands_in_for_a_program_does_refuse() -> None:
    wrong = [
        ["docker", "compose", "up", "--scale", "wroker=3"],
        ["sudo", "systemctl", "start", "traker"],
        ["make", "no-such-target"],
        ["airflow", "backfill", "create", "--dag", "load_history"],
        ["pg_dump", "--no-such-option"],
        ["kubectl", "exec", "x", "--", "python", "dags/no_such.py"],
        ["pipx", "run", "pip-audit", "--requirement", "no-such.lock"],
    ]
    for words in wrong:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.stand_in", *words], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode != 0, words
