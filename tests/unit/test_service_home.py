"""What `tracker up` tells its children, from what it was told."""

import fcntl
import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import IO

import pytest

from tests.support.ports import six_free_ports
from tracker.errors import ConfigError
from tracker.service.home import Home, Ports, environment


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home.of({"TRACKER_HOME": str(tmp_path / "home")})
    with home.locked():
        pass
    return home


def test_one_port_moves_everything(home: Home) -> None:
    told = environment({}, home, Ports(9000), demo=True)
    assert told["AIRFLOW__API__PORT"] == "9000"
    assert told["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:9000"
    assert told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:9000/execution/"
    assert told["AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT"] == "9001"
    assert told["TRACKER_COINBASE_URL"] == told["TRACKER_COINBASE_ADVANCED_URL"] == "http://127.0.0.1:9003"
    assert '"port": 9004' in told["AIRFLOW_CONN_SMTP_DEFAULT"]
    assert told["TRACKER_PUBLIC_URL"] == "http://127.0.0.1:9000/site"


def test_what_the_user_sets_wins(home: Home) -> None:
    given = {
        "AIRFLOW__CORE__PARALLELISM": "32",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://db/airflow",
        "TRACKER_PUBLIC_URL": "https://prices.example.com",
        "TRACKER_MAIL_TO": "me@example.com",
    }
    told = environment(given, home, Ports(8080), demo=True)
    assert {name: told[name] for name in given} == given


def test_a_home_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"TRACKER_HOME: .*file.*; make it a folder"),
        Home(tmp_path / "file").locked(),
    ):
        pass


def test_folders_are_absolute_and_lie_in_the_home(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"TRACKER_SITE_URL": "www", "TRACKER_RULES": "rules.toml", "TRACKER_SILENCES": "s.toml"}
    told = environment(given, home, Ports(8080), demo=False)
    assert told["TRACKER_SITE_URL"] == str(tmp_path / "www")
    assert told["TRACKER_RULES"] == str(tmp_path / "rules.toml")
    assert told["TRACKER_SILENCES"] == str(tmp_path / "s.toml")
    assert told["TRACKER_STORE_URL"] == str(home.path / "store")
    assert told["AIRFLOW_HOME"] == str(home.path / "airflow")


def test_a_site_in_a_bucket_gets_no_address_of_ours(home: Home) -> None:
    told = environment({"TRACKER_SITE_URL": "s3://pages/x"}, home, Ports(8080), demo=False)
    assert told["TRACKER_SITE_URL"] == "s3://pages/x"
    assert "TRACKER_PUBLIC_URL" not in told


def test_without_the_demo_nothing_is_simulated(home: Home) -> None:
    told = environment({}, home, Ports(8080), demo=False)
    assert not [name for name in told if name.startswith(("TRACKER_COINBASE", "AIRFLOW_CONN", "TRACKER_MAIL"))]


def test_bytecode_is_written_by_the_children(home: Home) -> None:
    assert "PYTHONDONTWRITEBYTECODE" not in environment({"PYTHONDONTWRITEBYTECODE": "1"}, home, Ports(1), demo=False)


def test_secrets_are_kept_and_readable_by_the_owner_only(home: Home) -> None:
    first = home.secrets()
    assert home.secrets() == first
    assert stat.S_IMODE((home.airflow / "secrets.json").stat().st_mode) == 0o600
    assert len(first["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64


def test_damaged_secrets_say_how_to_go_on(home: Home) -> None:
    (home.airflow / "secrets.json").write_text("{")
    with pytest.raises(ConfigError, match="remove it"):
        home.secrets()


def test_one_home_has_one_service(home: Home) -> None:
    with home.locked(), pytest.raises(ConfigError, match=r"already runs on .* TRACKER_HOME"), home.locked():
        pass


def killed_up(home: Home) -> IO[str]:
    """Hold the lock as the heir of a `tracker up` that was killed does."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    heir = (home.path / "up.lock").open("w")
    heir.write(str(gone.pid))
    heir.flush()
    fcntl.flock(heir, fcntl.LOCK_EX)
    return heir


def test_the_next_service_waits_until_the_children_of_a_killed_one_have_ended(home: Home) -> None:
    told = []
    with killed_up(home) as heir:

        def say(line: str) -> None:
            told.append(line)
            fcntl.flock(heir, fcntl.LOCK_UN)

        with home.locked(say), pytest.raises(ConfigError, match=f"pid {os.getpid()}"), home.locked():
            pass
    assert len(told) == 1
    assert "waiting" in told[0]


def test_it_does_not_wait_for_ever(home: Home) -> None:
    with killed_up(home), pytest.raises(ConfigError, match="already runs"), home.locked(patience=0.2):
        pass


def test_simulated_and_real_prices_do_not_mix(home: Home) -> None:
    home.keep_apart(demo=True)
    home.keep_apart(demo=True)
    with pytest.raises(ConfigError, match="TRACKER_HOME=data-real"):
        home.keep_apart(demo=False)


def test_a_taken_port_is_named_with_who_holds_it_and_what_to_do() -> None:
    first = six_free_ports(start=30_000)
    port = first + 4
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(ConfigError, match=rf"port {port} .*taken by .*pid \d+.*--port {port + 100}"):
            Ports(port).check(demo=False)
        with pytest.raises(ConfigError, match=rf"port {port} \(for mail\)"):
            Ports(first).check(demo=True)


def test_a_port_outside_the_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="65530"):
        Ports(80).check(demo=False)


def test_nobody_gets_in_without_a_password_from_another_machine(home: Home) -> None:
    admins = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"
    assert environment({}, home, Ports(8080), demo=False)[admins] == "True"
    assert environment({"AIRFLOW__API__HOST": "0.0.0.0"}, home, Ports(8080), demo=False)[admins] == "False"
