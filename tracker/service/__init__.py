"""`tracker up`: Airflow on this machine as one service, with `--demo` on simulated markets and a mail sink."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from tracker import __version__
from tracker.errors import ConfigError
from tracker.service.crew import Crew
from tracker.service.health import Patience, get, unwell
from tracker.service.home import ROOT, Home, Ports, environment
from tracker.service.processes import sweep
from tracker.service.supervisor import Child, Stopped, Supervisor, last_will

TRACKER = (sys.executable, "-m", "tracker")
AIRFLOW = (sys.executable, "-m", "airflow")
TOO_MANY_DEATHS = 4
JUMP = "spike;market=SOL-USD;after=4;for=2"
"""What the demo's exchange does besides being an exchange: it lets a person see an alert and its mail soon."""

START_WITHIN = 240.0
LOOK_EVERY = 5.0
LOOKS_OF_HEALTH = 6  # every so many looks Airflow is asked how it feels: that costs the most
HOUSEKEEPING_FIRST, HOUSEKEEPING_EVERY = 600.0, 86_400.0


def up(given: Mapping[str, str], *, demo: bool = False, port: int = 8080, say: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM, then stop everything within 20 seconds; no process stays behind.

    `given` is the environment. Raises ConfigError when the home is in use, a port is taken, or Airflow does not
    start; the message says what to do.
    """
    home, ports = Home.of(given), Ports(port)
    with home.locked(say):
        home.keep_apart(demo=demo)
        left = sweep(str(home.path), patience=10.0)
        if left:
            say(f"ended {left} processes that an earlier `tracker up` on {home.path} had left behind")
        ports.check(demo=demo)
        child_environment = environment(given, home, ports, demo=demo)
        supervisor = Supervisor(str(home.path), say)
        with last_will(str(home.path)), supervisor.signals():
            try:
                service = _Service(home, ports, child_environment, supervisor, say)
                service.start(demo=demo)
                service.run()
            except Stopped:
                say("stopping …")
            finally:
                began = time.monotonic()
                supervisor.stop()
                say(f"stopped in {time.monotonic() - began:.1f} s")


class _Service:
    """The start-up, step by step."""

    def __init__(
        self, home: Home, ports: Ports, given: Mapping[str, str], supervisor: Supervisor, say: Callable[[str], None]
    ) -> None:
        self.home, self.ports, self.environment, self.supervisor, self.say = home, ports, given, supervisor, say
        self.began = time.monotonic()
        self.late = False

    def start(self, *, demo: bool) -> None:
        self.say(f"tracker {__version__}: {'a demo with simulated markets' if demo else 'starting'}; Ctrl-C ends it")
        fresh = not (self.home.airflow / "airflow.db").exists() and not self._has_history()
        sinks = self._sinks() if demo else []
        setup = self._child("setup", [sys.executable, str(ROOT / "dags" / "tracker_setup.py")], keep=False)
        if demo:
            self._wait("simulated exchange and mailbox", self._sinks_answer)
        history = self._child("history", [*TRACKER, "backfill"], keep=False) if demo or fresh else None
        self._wait("Airflow's database", lambda: setup.code is not None)
        if setup.code:
            raise ConfigError(f"{setup.last_words(500)} (all of it: {setup.log})")
        airflow = [
            self._child("api-server", [*AIRFLOW, "api-server"], patience=3.5),
            self._child("dag-processor", [*AIRFLOW, "dag-processor"], patience=3.0),
            # the API server reads logs from the same disk: no log server, which would listen on every interface
            self._child("scheduler", [*AIRFLOW, "scheduler", "--skip-serve-logs"], patience=8.0),
        ]
        self.supervisor.children = [*reversed(airflow), *sinks, setup, *([history] if history else [])]
        if history and demo:
            self._wait("24 h of history", lambda: history.code is not None)
            self._complain(history)
            tick = self._child("first-page", [*TRACKER, "tick"], keep=False)
            self._wait("the first page", lambda: tick.code is not None)
            self._complain(tick)
        self._wait("Airflow", lambda: self.late or not unwell(self.ports.url(self.ports.api)))
        self._addresses(demo=demo)

    def run(self) -> None:
        """Keep everything running: what hangs is restarted like what died, and old runs are forgotten each day."""
        patience, crew = Patience(lambda: unwell(self.ports.url(self.ports.api))), Crew()
        tidy_at = time.monotonic() + HOUSEKEEPING_FIRST
        for look in count(1):
            look_at = time.monotonic() + LOOK_EVERY
            self.supervisor.until(lambda look_at=look_at: time.monotonic() >= look_at)  # type: ignore[misc]
            if crew.lost(self.supervisor.pid("scheduler")):
                self.say(
                    "a worker of the scheduler was killed, which may stop all others; starting the scheduler again"
                )
                self.supervisor.shoot("scheduler")
            for name in patience.hung() if look % LOOKS_OF_HEALTH == 0 else ():
                self.say(f"{name} does not answer; ending it, to start it again")
                self.supervisor.shoot(name)
            if time.monotonic() >= tidy_at:
                tidy_at = time.monotonic() + HOUSEKEEPING_EVERY
                command = [sys.executable, str(ROOT / "dags" / "tracker_housekeeping.py")]
                self._child("housekeeping", command, keep=False)

    def _child(self, name: str, command: list[str], *, keep: bool = True, patience: float = 2.0) -> Child:
        log = self.home.logs / f"{name}.log"
        return self.supervisor.start(Child(name, command, self.environment, log, keep=keep, patience=patience))

    def _has_history(self) -> bool:
        return (Path(self.environment["TRACKER_STORE_URL"].removeprefix("file://")) / "candles").exists()

    def _sinks(self) -> list[Child]:
        ports = self.ports
        simulate = ["--port", str(ports.simulator), "--no-rate-limit", "--faults", JUMP]
        mailbox = ["--smtp-port", str(ports.smtp), "--http-port", str(ports.mailbox), "--folder", str(self.home.mail)]
        return [
            self._child("simulator", [*TRACKER, "simulate", *simulate]),
            self._child("mailbox", [*TRACKER, "mailbox", *mailbox]),
        ]

    def _sinks_answer(self) -> bool:
        looked_at = (f"{self.ports.url(self.ports.simulator)}/time", f"{self.ports.url(self.ports.mailbox)}/")
        return all(get(one) is not None for one in looked_at)

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        """Wait for a step of the start-up and say how long after the start it was done, or once that it takes long."""
        terminal, turns = sys.stdout.isatty(), count()

        def look() -> bool:
            if terminal and next(turns) % 5 == 0:
                sys.stdout.write(f"\r  {what} … {time.monotonic() - self.began:3.0f} s")
                sys.stdout.flush()
            if not self.late and time.monotonic() - self.began > START_WITHIN:
                self.late = True
                self.say(f"  {what}: not ready after {START_WITHIN:.0f} s; the logs in {self.home.logs} say why")
            for child in self.supervisor.children:
                if child.deaths >= TOO_MANY_DEATHS:
                    raise ConfigError(
                        f"{child.name} ended {child.deaths} times; see {child.log} … {child.last_words()}"
                    )
            return done()

        self.supervisor.until(look)
        self.say(f"{chr(13) if terminal else ''}  {what:<32}{time.monotonic() - self.began:6.1f} s")

    def _complain(self, child: Child) -> None:
        if child.code:
            self.say(f"  {child.name} failed, going on without it; see {child.log} … {child.last_words()}")

    def _addresses(self, *, demo: bool) -> None:
        public = self.environment.get("TRACKER_PUBLIC_URL")
        self.say("")
        self.say(f"  site      {public + '/' if public else self.environment['TRACKER_SITE_URL']}")
        self.say(f"  Airflow   {self.ports.url(self.ports.api)}/")
        if demo:
            mails = f"{self.ports.url(self.ports.mailbox)}/"
            self.say(f"  mails     {mails} (the first in about 4 minutes, when SOL-USD jumps)")
        self.say(f"  logs      {self.home.logs}")
        self.say("")


__all__ = ["up"]
