"""Stands in for the programs of the docs that a test cannot run, each with a check of its own.

    python -m tests.support.stand_in NAME ARGUMENTS…

exits with 0 when NAME would take these arguments and what they name exists here, else says what is wrong.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "tracker.service"
SERVICES = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"])


def docker(words: list[str]) -> None:
    parser = argparse.ArgumentParser("docker", exit_on_error=False)
    commands = parser.add_subparsers(required=True)
    compose = commands.add_parser("compose").add_subparsers(required=True)
    up = compose.add_parser("up")
    up.add_argument("--detach", action="store_true")
    up.add_argument("--build", action="store_true")
    up.add_argument("--scale", action="append", default=[], type=_scale)
    for name in ("ps", "logs"):
        compose.add_parser(name).add_argument("services", nargs="*", type=_service)
    build = commands.add_parser("build")
    build.add_argument("--tag")
    build.add_argument("context", type=_existing)
    parser.parse_args(words)


def _service(name: str) -> str:
    if name not in SERVICES:
        raise argparse.ArgumentTypeError(f"there is no service {name}")
    return name


def _scale(text: str) -> str:
    service, _, count = text.partition("=")
    return f"{_service(service)}={int(count)}"


def sudo(words: list[str]) -> None:
    program, *rest = words[2:] if words[:2] == ["-u", "postgres"] else words
    {"systemctl": systemctl, "cp": _copies, "install": _copies, "psql": psql}[program](rest)


def _copies(words: list[str]) -> None:
    *_options, source, _target = words
    _existing(source)


def systemctl(words: list[str]) -> None:
    verb, *rest = words
    assert verb in {"enable", "start", "stop"}, verb
    assert rest[-1] == UNIT.stem, f"there is no unit {rest[-1]}"


def journalctl(words: list[str]) -> None:
    assert words[words.index("-u") + 1] == UNIT.stem


def make(words: list[str]) -> None:
    """Say what it would do, without doing it; `make env` is cheap and done."""
    dry = [] if words == ["env"] else ["--dry-run", f"--directory={ROOT}"]
    subprocess.run(["/usr/bin/make", *dry, *words], check=True, stdout=subprocess.DEVNULL)


def git(words: list[str]) -> None:
    known = subprocess.run(["/usr/bin/git", words[0], "-h"], capture_output=True, text=True, check=False).stdout
    assert all(word.split("-", 2)[2].split("-")[0] in known for word in words[1:]), words


def airflow(words: list[str]) -> None:
    """Let Airflow's own parser judge; tests/e2e/test_up.py runs the same lines beside a running service."""
    from tests.support.airflow import airflows_own_warnings

    with airflows_own_warnings():
        from airflow.cli.cli_parser import get_parser

        get_parser().parse_args(words)


def pg_dump(words: list[str]) -> None:
    _takes("pg_dump", words)


def pg_restore(words: list[str]) -> None:
    _takes("pg_restore", words)


def psql(words: list[str]) -> None:
    _takes("psql", words)


def _takes(program: str, words: list[str]) -> None:
    [place, *_] = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)
    known = subprocess.run([place, "--help"], capture_output=True, text=True, check=True).stdout
    asked = [word.split("=")[0] for word in words if word.startswith("--")]
    assert asked
    assert all(re.search(rf"{option}\b", known) for option in asked), asked


def kubectl(words: list[str]) -> None:
    named = [word for word in words if word.endswith(".py")]
    assert all((ROOT / one).is_file() for one in named), named


def helm(words: list[str]) -> None:
    if "--values" in words:
        assert yaml.safe_load((ROOT / words[words.index("--values") + 1]).read_text(encoding="utf-8"))


def pipx(words: list[str]) -> None:
    _existing(words[words.index("--requirement") + 1])


def _existing(name: str) -> str:
    if not Path(name).exists():
        raise SystemExit(f"there is no {name}")
    return name


PROGRAMS = {
    one.__name__: one
    for one in (docker, sudo, journalctl, make, git, airflow, pg_dump, pg_restore, kubectl, helm, pipx)
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](sys.argv[2:])
