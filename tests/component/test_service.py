"""The supervisor over real processes: restarts, stops in order, and leaves nobody behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tracker import service
from tracker.errors import ConfigError
from tracker.service.home import ROOT, Home, Ports
from tracker.service.processes import MARK, end, family, marked, sweep
from tracker.service.supervisor import Child, Stopped, Supervisor

SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
)
FORGETFUL = """
import signal, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0) if asked else asked.append(1))
print('ready', flush=True)
while True: time.sleep(0.05)
"""
PARENT = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
subprocess.Popen([sys.executable, "-c", {SLEEP!r}], process_group=0)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path)
    sweep(str(tmp_path), patience=0.0)


def make(home: str, code: str, name: str = "child", **more: object) -> Child:
    environment = {**os.environ, MARK: home}
    return Child(name, [sys.executable, "-c", code], environment, Path(home) / f"{name}.log", **more)  # type: ignore[arg-type]


def wait_for(what: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def ready(child: Child) -> bool:
    return "ready" in child.log.read_text()


def test_what_dies_is_started_again_after_a_growing_wait(home: str) -> None:
    told: list[str] = []
    supervisor = Supervisor(home, told.append, wait=lambda deaths: 0.01 * deaths)
    child = supervisor.start(make(home, "print('I give up'); raise SystemExit(3)"))
    supervisor.until(lambda: child.deaths >= 3, every=0.01)
    supervisor.stop()
    assert all("child ended with code 3" in line and "I give up" in line for line in told[:3])
    assert child.log.read_text().count("I give up") >= 3


def test_a_child_that_lived_long_enough_starts_anew_at_the_short_wait(home: str) -> None:
    waits: list[int] = []

    def wait(deaths: int) -> float:
        waits.append(deaths)
        return 0.0

    supervisor = Supervisor(home, lambda _: None, steady=0.0, wait=wait)
    supervisor.start(make(home, "pass"))
    supervisor.until(lambda: len(waits) >= 3, every=0.01)
    supervisor.stop()
    assert waits[:3] == [1, 1, 1]


def test_the_workers_of_a_crashed_child_go_with_it(home: str) -> None:
    supervisor = Supervisor(home, lambda _: None, wait=lambda _: 0.01)
    child = supervisor.start(make(home, PARENT))
    wait_for(lambda: ready(child))
    assert child.process is not None
    first = child.process
    workers = [one for one in family(first.pid) if one.pid != first.pid]
    assert len(workers) == 2
    first.kill()
    supervisor.until(lambda: child.running and child.process is not first, every=0.01)
    wait_for(lambda: not any(alive(one) for one in workers))
    supervisor.stop()


def test_a_child_that_loses_the_first_sigterm_gets_another(home: str) -> None:
    child = make(home, FORGETFUL)
    child.start(0.0)
    wait_for(lambda: ready(child))
    assert child.process is not None
    process = child.process
    assert end(process.pid, lambda: process.poll() is not None, patience=30.0, again=0.1)
    assert process.returncode == 0


def test_a_stubborn_child_is_killed_with_its_descendants(home: str) -> None:
    told: list[str] = []
    supervisor = Supervisor(home, told.append)
    child = supervisor.start(make(home, STUBBORN, patience=0.3))
    parent = supervisor.start(make(home, PARENT, name="parent", patience=0.3))
    wait_for(lambda: ready(child) and ready(parent))
    supervisor.stop()
    assert marked(home) == []
    assert "child did not end by itself and was killed" in told


def test_children_are_stopped_one_after_the_other_in_their_order(home: str) -> None:
    note = Path(home) / "order.txt"
    code = f"""
import signal, sys, time
def bye(*_):
    open({str(note)!r}, 'a').write(sys.argv[1] + ' '); sys.exit(0)
signal.signal(signal.SIGTERM, bye); print('ready', flush=True); time.sleep(600)
"""
    supervisor = Supervisor(home, lambda _: None)
    for name in ("scheduler", "dag-processor", "api-server"):
        child = make(home, code, name=name, patience=30.0)
        child.command = [*child.command, name]
        supervisor.start(child)
    wait_for(lambda: all(ready(child) for child in supervisor.children))
    supervisor.stop()
    assert note.read_text().split() == ["scheduler", "dag-processor", "api-server"]


def test_a_signal_stops_the_watch_and_a_second_one_the_patience(home: str) -> None:
    supervisor = Supervisor(home, lambda _: None)
    child = supervisor.start(make(home, STUBBORN, patience=600.0))
    wait_for(lambda: ready(child))
    with supervisor.signals():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            supervisor.until(lambda: False)
        assert child.process is not None
        later = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(0.3); os.kill({os.getpid()}, 2)"])
        supervisor.stop()
        later.wait()
    assert not child.running


def test_a_long_log_is_moved_aside_and_its_writer_goes_on(home: str) -> None:
    supervisor = Supervisor(home, lambda _: None, log_bytes=1000)
    code = "import time\nfor n in range(100000): print('line', n, flush=True); time.sleep(0.001)"
    child = supervisor.start(make(home, code))
    supervisor.until(lambda: child.log.with_suffix(".log.3").exists(), every=0.01)
    supervisor.stop()
    names = sorted(one.name for one in Path(home).glob("child.log*"))
    assert names == ["child.log", "child.log.1", "child.log.2", "child.log.3"]


def test_when_the_supervisor_is_killed_its_children_end_and_the_home_is_free_again(home: str) -> None:
    code = f"""
import os, sys, time
from pathlib import Path
from tracker.service.home import ROOT, Home
from tracker.service.supervisor import Child, Supervisor, last_will
home = Home(Path({home!r}))
with home.locked(), last_will(str(home.path), patience=0.5):
    supervisor = Supervisor(str(home.path), print)
    env = {{**os.environ, {MARK!r}: {home!r}}}
    for name, text in (("easy", {PARENT!r}), ("stubborn", {STUBBORN!r})):
        supervisor.start(Child(name, [sys.executable, "-c", text], env, home.logs / (name + ".log")))
    supervisor.until(lambda: False)
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    logs = Path(home) / "logs"
    wait_for(lambda: all((logs / f"{name}.log").exists() for name in ("easy", "stubborn")))
    wait_for(lambda: all("ready" in (logs / f"{name}.log").read_text() for name in ("easy", "stubborn")))
    assert len(marked(home)) == 4
    with pytest.raises(ConfigError, match="already runs"), Home(Path(home)).locked():
        pass
    supervisor.kill()
    supervisor.wait()
    with Home(Path(home)).locked():
        assert marked(home) == []


def test_what_an_earlier_run_left_behind_is_swept(home: str) -> None:
    child = make(home, STUBBORN)
    child.start(0.0)
    wait_for(lambda: ready(child))
    assert sweep(home, patience=0.2) == 1
    assert marked(home) == []
    wait_for(lambda: not child.running)


def test_a_start_that_takes_long_says_so_once_and_goes_on(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "START_WITHIN", 0.0)
    told: list[str] = []
    one = service._Service(Home(Path(home)), Ports(18_000), {}, Supervisor(home, told.append), told.append)
    looks = iter([False, False, True])
    one._wait("a migration", lambda: next(looks))
    assert ["not ready" in line for line in told] == [True, False]


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        ("psycopg2", r"port 1 failed: Connection refused; AIRFLOW__DATABASE__SQL_ALCHEMY_CONN says where it is"),
        ("pg8000", r"No module named 'pg8000'; `make scale` installs"),
    ],
)
def test_a_database_that_cannot_be_used_ends_the_start_with_a_line_that_says_so(
    home: str, driver: str, said: str
) -> None:
    given = {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+{driver}://tracker:a-secret@127.0.0.1:1/airflow",
    }
    setup = [sys.executable, str(ROOT / "dags" / "tracker_setup.py")]
    done = subprocess.run(setup, env=os.environ | given, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Airflow's database cannot be used: ")
    assert re.search(said, last)
    assert "a-secret" not in done.stderr


def alive(one: psutil.Process) -> bool:
    return one.is_running() and one.status() != psutil.STATUS_ZOMBIE


def test_all_that_runs_is_waited_for_less_than_the_twenty_seconds_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supervisor, "start", lambda _self, child: child)
    monkeypatch.setattr(service._Service, "_wait", lambda *_: None)
    home, supervisor = Home(tmp_path), Supervisor(str(tmp_path), lambda _: None)
    told = {"TRACKER_STORE_URL": str(tmp_path / "store"), "TRACKER_SITE_URL": str(tmp_path / "site")}
    service._Service(home, Ports(8080), told, supervisor, lambda _: None).start(demo=True)
    kept = [one for one in supervisor.children if one.keep]
    assert [one.name for one in kept][:3] == ["scheduler", "dag-processor", "api-server"]
    assert sum(one.patience for one in kept) < 20
