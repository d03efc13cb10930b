"""Where `tracker up` lives and what it tells Airflow: folders, ports, kept secrets, environment.

The environment is the lean configuration measured in docs/airflow.md; what the user sets as AIRFLOW__* wins.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import psutil

from tracker.errors import ConfigError
from tracker.service.processes import MARK

ROOT = Path(__file__).resolve().parents[2]
"""The folder of the project: dags/ and plugins/ lie in it."""

CHATTY = (
    "airflow.jobs",
    "airflow.models.dag",
    "airflow.serialization",
    "airflow.api_fastapi.execution_api",
    "airflow.sdk.api.client",
    "http.access",
    "supervisor",
)
"""Loggers that write several lines a minute while all is well; the logs of tasks are not among them."""

LOCAL = "127.0.0.1"

ENDING = 20.0
"""Seconds in which what a killed `tracker up` leaves behind has ended: its heir kills after 15 (`last_will`)."""

FILES = ("TRACKER_METRICS", "TRACKER_RULES", "TRACKER_SILENCES")

MARKETS = {True: "simulated", False: "real"}


@dataclass(frozen=True, slots=True)
class Ports:
    """All ports follow from the first one, so that one setting moves everything together."""

    api: int

    @property
    def worker_log(self) -> int:
        return self.api + 1

    @property
    def trigger_log(self) -> int:
        return self.api + 2

    @property
    def simulator(self) -> int:
        return self.api + 3

    @property
    def smtp(self) -> int:
        return self.api + 4

    @property
    def mailbox(self) -> int:
        return self.api + 5

    @staticmethod
    def url(port: int) -> str:
        return f"http://{LOCAL}:{port}"

    def check(self, *, demo: bool) -> None:
        """Raise ConfigError naming the first port that is taken and, when it can be told, by whom."""
        if not 1024 <= self.api <= 65_530:
            raise ConfigError(f"--port must lie between 1024 and 65530, not {self.api}")
        used = {"Airflow and the site": self.api}
        if demo:
            used |= {"the simulator": self.simulator, "mail": self.smtp, "the mailbox page": self.mailbox}
        for what, port in used.items():
            with socket.socket() as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    one.bind((LOCAL, port))
                except OSError:
                    hint = f"stop it, or move all ports together with --port {self.api + 100}"
                    raise ConfigError(f"port {port} (for {what}) is taken{_taken_by(port)}: {hint}") from None


def _taken_by(port: int) -> str:
    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
                return f" by {psutil.Process(one.pid).name()} (pid {one.pid})"
    except psutil.Error:
        pass  # another user's process: then we cannot say
    return ""


def _flock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(pid: str) -> bool:
    """Say whether a process runs; what is no number may be one that has not written it yet."""
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except (ValueError, psutil.Error):
        return True


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one `tracker up`: `airflow/` (AIRFLOW_HOME), `logs/`, and by default `store/` and `site/`."""

    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Home:
        """Take TRACKER_HOME, or `data` in the working folder."""
        return cls(Path(environment.get("TRACKER_HOME") or "data").expanduser().resolve())

    @property
    def airflow(self) -> Path:
        return self.path / "airflow"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def mail(self) -> Path:
        return self.path / "mail"

    @contextmanager
    def locked(self, say: Callable[[str], None] = lambda _: None, patience: float = ENDING) -> Iterator[None]:
        """Hold the home for this process and what it forks.

        Waits for `patience` seconds, and says so, while the children of one that was killed still end. Raises
        ConfigError while another one holds it.
        """
        for folder in (self.path, self.airflow, self.logs):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                what = f"TRACKER_HOME: {folder}: {error.strerror}; make it a folder this user may write to"
                raise ConfigError(what) from error
        with (self.path / "up.lock").open("a+") as lock:
            self._take(lock, say, patience)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _take(self, lock: IO[str], say: Callable[[str], None], patience: float) -> None:
        deadline = None
        while not _flock(lock):
            lock.seek(0)
            who = lock.read().strip() or "?"
            if _lives(who) or (deadline is not None and time.monotonic() >= deadline):
                raise ConfigError(
                    f"`tracker up` already runs on {self.path} (pid {who}): stop that one and wait until it has ended, "
                    "or use another folder with TRACKER_HOME"
                )
            if deadline is None:
                deadline = time.monotonic() + patience
                say(f"waiting until what was started by the `tracker up` that was killed here (pid {who}) has ended …")
            time.sleep(0.1)

    def keep_apart(self, *, demo: bool) -> None:
        """Refuse to mix simulated and real prices in one home."""
        note = self.path / "markets.txt"
        here = note.read_text(encoding="utf-8").strip() if note.exists() else MARKETS[demo]
        if here != MARKETS[demo]:
            raise ConfigError(
                f"{self.path} holds {here} markets, and {MARKETS[demo]} ones must not mix with them: "
                f"use another folder (TRACKER_HOME=data-{MARKETS[demo]}), or remove this one"
            )
        note.write_text(f"{here}\n", encoding="utf-8")

    def secrets(self) -> dict[str, str]:
        """Give the secrets Airflow's components share, made once and readable by the owner only."""
        place = self.airflow / "secrets.json"
        try:
            kept = json.loads(place.read_text(encoding="utf-8"))
        except FileNotFoundError:
            kept = {
                "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
                "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
                "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            }
            with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(kept, file)
        except ValueError:
            raise ConfigError(f"{place} is damaged: remove it; logins made before are then void") from None
        return dict(kept)


def environment(given: Mapping[str, str], home: Home, ports: Ports, *, demo: bool) -> dict[str, str]:
    """Give the environment of every child: what is given, and below it what a small machine needs.

    Paths become absolute. TRACKER_PUBLIC_URL and TRACKER_AIRFLOW_URL follow from the port.
    """
    ui = ports.url(ports.api)
    site = _absolute(given.get("TRACKER_SITE_URL") or str(home.path / "site"))
    defaults = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "6",  # a minute, a load, four mails; an idle worker costs 42 MB
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        # no password on one's own machine, but never for others
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": str(given.get("AIRFLOW__API__HOST", LOCAL) == LOCAL),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{ui}/execution/",
        "AIRFLOW__API__HOST": LOCAL,
        "AIRFLOW__API__PORT": str(ports.api),
        "AIRFLOW__API__BASE_URL": ui,
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        # what ran under a scheduler that died is found 30 to 60 s later, not after five minutes
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
        # a task outlives a restart of the API server, which takes up to half a minute
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "40",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MIN": "0.5",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "2.0",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "120",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__PRINT_STATS_INTERVAL": "600",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports.worker_log),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports.trigger_log),
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": ", ".join(f"{name}=WARNING" for name in CHATTY),
        **home.secrets(),
        "TRACKER_AIRFLOW_URL": ui,
    }
    if _is_local(site):
        defaults["TRACKER_PUBLIC_URL"] = f"{ui}/site"
    if demo:
        market = ports.url(ports.simulator)
        plain = {"disable_ssl": True, "disable_tls": True, "timeout": 10, "from_email": "tracker@example.com"}
        mail = {"conn_type": "smtp", "host": LOCAL, "port": ports.smtp, "extra": plain}
        exchanges = ("COINBASE", "COINBASE_ADVANCED", "KRAKEN", "BINANCE")
        defaults |= {f"TRACKER_{name}_URL": market for name in exchanges}
        defaults |= {"TRACKER_MAIL_TO": "you@example.com", "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail)}
        defaults |= {"TRACKER_PACE": "off"}  # a simulated exchange has no limit to share with others
    paths = {name: _absolute(given[name]) for name in FILES if given.get(name)}
    fixed = {
        "AIRFLOW_HOME": str(home.airflow),
        "TRACKER_HOME": str(home.path),
        "TRACKER_STORE_URL": _absolute(given.get("TRACKER_STORE_URL") or str(home.path / "store")),
        "TRACKER_SITE_URL": site,
        "SPT_NOENV": "1",  # setproctitle would wipe the environment by which we know our own
        "PYTHONUNBUFFERED": "1",
        MARK: str(home.path),
    }
    kept = {name: value for name, value in given.items() if value or not name.startswith("TRACKER_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # without bytecode every import takes two to four times as long
    return {**defaults, **kept, **paths, **fixed}


def _is_local(url: str) -> bool:
    return "://" not in url or urlsplit(url).scheme == "file"


def _absolute(url: str) -> str:
    return url if "://" in url else str(Path(url).expanduser().resolve())
