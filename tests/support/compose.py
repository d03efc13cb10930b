"""What docker-compose.yml starts, started without Docker: the same commands, environments, configs and health checks.

Names of services become 127.0.0.1, their ports free ones, paths of the containers folders of one home. Nothing else is
changed: what a service is not given in the file it does not get here either (the environment is not inherited).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<then>[^}]*))?\})")
_PORT = re.compile(r"(?P<word>(?:\b(?:port[.\w]*|listen)[ =]|-p )|:(?=\d+$))(?P<number>\d+)\b")


def load(environment: Mapping[str, str], text: str | None = None) -> dict[str, Any]:
    """Read the compose file with its ${…} filled in; KeyError names what must be set and is not."""
    return dict(_filled(yaml.safe_load(text or FILE.read_text(encoding="utf-8")), environment))


def _filled(node: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, environment) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(one, environment) for one in node]
    return _VARIABLE.sub(lambda found: _value(found, environment), node) if isinstance(node, str) else node


def _value(found: re.Match[str], environment: Mapping[str, str]) -> str:
    if found["name"] is None:
        return "$"
    value = environment.get(found["name"], "")
    if value or found["how"] is None:
        return value
    if found["how"] == ":?":
        raise KeyError(f"{found['name']} {found['then']}")
    return str(found["then"])


def dotenv(text: str) -> dict[str, str]:
    """Read an .env file."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


@dataclass
class Process:
    """One running copy of a service."""

    service: str
    command: list[str]
    options: dict[str, Any]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.running = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **self.options
            )
        self.starts += 1

    def kill(self) -> None:
        """Kill it and everything it started, as the kernel does when a container's first process dies."""
        assert self.running is not None
        session = self.running.pid
        for one in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(one.pid) == session:
                    one.kill()
        self.running.wait()


@dataclass
class Stack:
    """The services of a compose file in one home; `look` and `wait` restart what died, as Docker does."""

    home: Path
    compose: dict[str, Any]
    outside: dict[str, list[str]] = field(default_factory=dict)
    """Commands that stand in for images no package brings here."""
    secrets: set[str] = field(default_factory=set)
    ports: dict[tuple[str, int], int] = field(default_factory=dict)
    running: dict[str, Process] = field(default_factory=dict)

    # reading ---------------------------------------------------------------------------------

    def service(self, name: str) -> dict[str, Any]:
        return dict(self.compose["services"][name])

    def port(self, service: str, number: int) -> int:
        """Give the free port that stands for a service's port."""
        if (service, number) not in self.ports:
            self.ports[service, number] = free_ports(1)[0]
        return self.ports[service, number]

    def translated(self, service: str, text: str) -> str:
        """Put this machine's addresses and folders for those of the containers."""
        own = self._container(service)
        for other in self.compose["services"]:
            text = re.sub(
                rf"(?<![\w.-]){re.escape(other)}:(\d+)", lambda m, o=other: f"127.0.0.1:{self.port(o, int(m[1]))}", text
            )
        text = re.sub(r"\b(localhost|127\.0\.0\.1|0\.0\.0\.0):(\d{4,5})\b", lambda m: self._here(service, m), text)
        text = text.replace("0.0.0.0", "127.0.0.1")
        text = _PORT.sub(lambda m: f"{m['word']}{self._own(service, int(m['number']))}", text)
        inside = "|".join(re.escape(path) for path in sorted(own, key=len, reverse=True))
        return re.sub(rf"(?<![\w/.])({inside})(?![\w.-])", lambda found: own[found[1]], text)

    def _here(self, service: str, found: re.Match[str]) -> str:
        """A published port as people on this machine reach it, else the service's own."""
        number = int(found[2])
        if number in self.ports.values():
            return f"127.0.0.1:{number}"
        published = [one for one in self.compose["services"] if f":{number}:" in str(self.service(one).get("ports"))]
        for_people = found[1] == "localhost" and published
        return f"127.0.0.1:{self.port(published[0] if for_people else service, number)}"

    def _own(self, service: str, number: int) -> int:
        return number if number < 1024 or number in self.ports.values() else self.port(service, number)

    def _container(self, service: str) -> dict[str, str]:
        """Give the folders and files of a container, and where they lie here."""
        home = str(self.home)  # maps to itself: what was translated once stays
        places = {"/opt/tracker": str(ROOT), "/opt/airflow": f"{home}/{service}", home: home}
        for volume in self.service(service).get("volumes", []):
            name, target = volume.split(":")[:2]
            places[target] = str(ROOT / name if name.startswith("./") else self.home / "volumes" / name)
        for config in self.service(service).get("configs", []):
            places[config["target"]] = str(self.home / "configs" / service / Path(config["target"]).name)
        return places

    def environment(self, service: str) -> dict[str, str]:
        """Give what a service is told, and the little that every container has."""
        image = {
            "PATH": os.pathsep.join(
                [str(Path(sys.executable).parent), *_POSTGRES, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"]
            ),
            "HOME": str(self.home / service),
            "AIRFLOW_HOME": str(self.home / service),
            "HOSTNAME": socket.gethostname(),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": str(self.home / "tmp"),
        }
        told = self.service(service).get("environment", {})
        return image | {name: self._setting(service, name, str(value)) for name, value in told.items()}

    def _setting(self, service: str, name: str, value: str) -> str:
        if name.endswith("PORT") and value.isdecimal():
            return str(self._own(service, int(value)))
        return self.translated(service, value)

    def command(self, service: str) -> list[str]:
        if service in self.outside:
            return [self.translated(service, word) for word in self.outside[service]]
        one = self.service(service)
        return [self.translated(service, word) for word in [*one.get("entrypoint", []), *one["command"]]]

    # running -----------------------------------------------------------------------------------

    def run(self, names: Iterable[str], *, seconds: float = 240.0) -> None:
        """Start services in the order of the file, each once those it depends on are well."""
        names = list(names)
        for name in [one for one in self.compose["services"] if one in names]:
            self.start(name)
            one_shot = self.service(name).get("restart") == "no"
            self.wait(
                lambda name=name, one_shot=one_shot: self.done(name) if one_shot else self.well(name), name, seconds
            )

    def start(self, service: str, copy: str = "") -> Process:
        """Start a service, or one more `copy` of it, as `--scale` does."""
        self._lay_out(service)
        name = service + copy
        command = [word.replace("@%h", f"{copy}@%h") for word in self.command(service)]
        options: dict[str, Any] = {"env": self.environment(service), "cwd": ROOT}
        if service == "postgres":
            options |= self._prepare_postgres()
        if folder := self.service(service).get("working_dir"):
            options["cwd"] = self.translated(service, folder)
        one = Process(service, command, options, self.home / f"{name}.log")
        one.start()
        self.running[name] = one
        return one

    def once(self, service: str, command: list[str]) -> str:
        """Run a command in the place of a service's, as `docker compose run --rm` does; give what it printed."""
        options: dict[str, Any] = {"env": self.environment(service), "cwd": ROOT, "text": True, "capture_output": True}
        done = subprocess.run(command, **options, timeout=300, check=False)
        assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def _lay_out(self, service: str) -> None:
        for folder in (self.home / service, self.home / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        for outside in self._container(service).values():
            if "configs" not in Path(outside).parts:
                Path(outside).mkdir(parents=True, exist_ok=True)
        for config in self.service(service).get("configs", []):
            source = self.compose["configs"][config["source"]]
            text = source.get("content") or (ROOT / source["file"]).read_text(encoding="utf-8")
            place = Path(self._container(service)[config["target"]])
            place.parent.mkdir(parents=True, exist_ok=True)
            here = text.replace("/tmp/", f"{self.home}/tmp/")  # a container's own; in an environment it may be ours
            place.write_text(self.translated(service, here), encoding="utf-8")

    def _prepare_postgres(self) -> dict[str, Any]:
        """Do what the image's entrypoint does: make the cluster, the database and what initdb.d asks for."""
        given = self.environment("postgres")
        data = Path(self._container("postgres")["/var/lib/postgresql/data"])
        as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
        options: dict[str, Any] = {"env": given | {"PGDATA": str(data)}, "cwd": data, **as_user}
        if (data / "PG_VERSION").exists():
            return options
        secret = self.home / "tmp" / "postgres-password"
        secret.write_text(given["POSTGRES_PASSWORD"])
        if as_user:
            shutil.chown(data, **as_user)
            shutil.chown(secret, **as_user)
        user = given["POSTGRES_USER"]
        initdb = [
            "initdb",
            f"--username={user}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--no-sync",
            "--no-instructions",
        ]
        _must(initdb, options)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("unix_socket_directories = ''\n")  # its default folder belongs to Debian's own server
        for statement in (f"CREATE DATABASE {given['POSTGRES_DB']}", *self._init_scripts()):
            _must(
                ["postgres", "--single", "-j", "-D", str(data), "postgres"], options, statement.replace("; ", ";\n\n")
            )
        return options

    def _init_scripts(self) -> list[str]:
        folder = self.home / "configs" / "postgres"
        return [line for file in sorted(folder.glob("*.sql")) for line in file.read_text().splitlines() if line]

    def done(self, service: str) -> bool:
        one = self.running[service].running
        assert one is not None
        assert one.poll() in {None, 0}, self.tail(service)
        return one.poll() == 0

    def well(self, name: str) -> bool:
        """Ask the health check of the file, if there is one."""
        one = self.running[name]
        test = self.service(one.service).get("healthcheck", {}).get("test")
        if test is None or one.service in self.outside:
            return one.running is not None and one.running.poll() is None
        words = ["sh", "-c", *test[1:]] if test[0] == "CMD-SHELL" else test[1:]
        words = [self.translated(one.service, word) for word in words]
        asked = subprocess.run(words, env=one.options["env"], cwd=ROOT, capture_output=True, timeout=60, check=False)
        return asked.returncode == 0

    def look(self) -> None:
        """Start again what died and has a restart policy."""
        for one in self.running.values():
            died = one.running is not None and one.running.poll() is not None
            if died and self.service(one.service).get("restart") == "unless-stopped":
                one.start()

    def wait(self, what: Any, why: str, seconds: float = 240.0) -> Any:
        """Wait until `what()` gives something true; AssertionError with the logs' ends after so many seconds."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, f"{why}: waited in vain for {seconds:.0f} s\n{self.tails()}"
            self.look()
            time.sleep(0.3)
        return found

    def processes(self) -> list[psutil.Process]:
        """Find every process of the services: each leads a session."""
        sessions = {one.running.pid for one in self.running.values() if one.running}
        found = []
        for one in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(one.pid) in sessions:
                    found.append(one)
        return found

    @property
    def password(self) -> str:
        """The password of `admin`."""
        return str(json.loads(self.compose["configs"]["passwords"]["content"])["admin"])

    def tail(self, name: str, lines: int = 12) -> str:
        return "\n".join(self.running[name].log.read_text(errors="replace").splitlines()[-lines:])

    def tails(self) -> str:
        return "\n".join(
            f"--- {name}: {shlex.join(one.command)[:200]}\n{self.tail(name)}" for name, one in self.running.items()
        )

    def stop(self) -> None:
        """Ask everything to end, in the order opposite to the start, and kill what does not."""
        for one in reversed(self.running.values()):
            if one.running is not None and one.running.poll() is None:
                one.running.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    one.running.wait(timeout=3)
                one.kill()


MAILBOX = ["tracker", "mailbox", "--smtp-port=1025", "--http-port=8025", "--folder=/opt/airflow/mails"]
"""Stands in for Mailpit, the one image whose program no package brings here."""


@contextmanager
def running(
    given: Mapping[str, str], *, leave_out: Collection[str] = (), told: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """Start the services in a home of their own, stop them and remove it at the end.

    The settings are those of .env.example, made-up secrets for its RANDOM ones, and `given` above both; 127.0.0.1 in
    `given` is this machine, and not the container that is told. `told` is added to the environment of our own services.
    """
    home = Path(tempfile.mkdtemp(prefix="tracker-compose-"))
    home.chmod(0o755)  # PostgreSQL runs as a user of its own
    example = dotenv((ROOT / ".env.example").read_text(encoding="utf-8"))
    secrets = {name: f"{name.lower()}-{'x' * 64}" for name, value in example.items() if value.startswith("RANDOM")}
    secrets["FERNET_KEY"] = urlsafe_b64encode(b"x" * 32).decode()
    compose = load(example | secrets | dict(given))
    for one in compose["services"].values():
        if one["image"].startswith("tracker:"):
            one.setdefault("environment", {}).update(told or {})
    ports = {("outside", port): port for port in _ports_of(given)}
    stack = Stack(home, compose, outside={"mailpit": MAILBOX}, secrets=set(secrets.values()), ports=ports)
    try:
        stack.run([name for name in compose["services"] if name not in leave_out])
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(home, ignore_errors=True)


def _ports_of(given: Mapping[str, str]) -> set[int]:
    """Find the ports of this machine that settings name: servers beside the stack, whose addresses stay as they are."""
    return {int(port) for value in given.values() for port in re.findall(r"\b127\.0\.0\.1:(\d+)\b", value)}


_POSTGRES = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)[:1]]


def _must(command: list[str], options: dict[str, Any], text: str | None = None) -> None:
    done = subprocess.run(command, **options, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout}{done.stderr}"
