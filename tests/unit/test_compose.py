"""docker-compose.yml, the image and the values for Kubernetes: what can be held against them without running them."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import yaml

from tests.support.compose import FILE, dotenv, load, running
from tracker import __version__, cli
from tracker.service.home import Home, Ports, environment
from tracker.settings import ROOT, Settings

EXAMPLE = dotenv((ROOT / ".env.example").read_text(encoding="utf-8"))
COMPOSE = load(EXAMPLE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, one in SERVICES.items() if one["image"].startswith("tracker:")]


def test_the_file_follows_the_compose_specification():
    schema = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(yaml.safe_load(FILE.read_text(encoding="utf-8")), schema)
    jsonschema.validate(COMPOSE, schema)


def test_every_image_has_a_version():
    for name, one in SERVICES.items():
        assert re.fullmatch(r"[\w/-]+:v?\d+(\.\d+)+(-\w+)?", one["image"]), name
    assert {SERVICES[name]["image"] for name in OURS} == {f"tracker:{__version__}"}


def test_every_service_has_a_limit_of_memory_and_short_logs():
    for name, one in SERVICES.items():
        assert re.fullmatch(r"\d+[mg]", one["mem_limit"]), name
        assert one["logging"]["options"]["max-size"], name


def test_every_service_that_goes_on_is_restarted_and_looked_after():
    for name, one in SERVICES.items():
        once, idle = one["restart"] == "no", name == "housekeeping"
        assert once or one["restart"] == "unless-stopped", name
        assert once or idle or one["healthcheck"]["test"], name


def test_only_what_people_open_leaves_the_containers_and_only_to_this_machine():
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert set(published) == {"web", "api-server", "mailpit"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("name", [name for name, value in EXAMPLE.items() if value.startswith("RANDOM")])
def test_no_secret_has_a_value_that_others_know(name: str):
    with pytest.raises(KeyError, match=name):
        load(EXAMPLE | {name: ""})


def test_no_secret_stands_in_a_command():
    values = [value for value in EXAMPLE.values() if value.startswith("RANDOM")]
    assert values
    for one in SERVICES.values():
        shown = json.dumps([one.get("command"), one.get("entrypoint"), one.get("healthcheck")])
        assert "RANDOM" not in shown


def test_workers_know_neither_the_database_nor_the_keys():
    for name in ("worker", "worker-alerts"):
        told = SERVICES[name]["environment"]
        assert not [one for one in told if re.search("SQL_ALCHEMY|JWT|FERNET|SECRET_KEY$", one) and "AWS" not in one]


def test_there_is_a_worker_for_each_queue_and_any_number_of_them():
    queues = {
        word.partition("=")[2] for one in SERVICES.values() for word in one.get("command", []) if "--queues" in word
    }
    assert queues == {"default", "alerts"}
    for name in ("worker", "worker-alerts"):
        assert not SERVICES[name].keys() & {"container_name", "ports", "hostname"}  # each would forbid --scale


def test_without_docker_a_server_beside_the_services_keeps_its_address():
    given = {"TRACKER_KRAKEN_URL": "http://127.0.0.1:50123"}
    with running(given, leave_out=SERVICES) as stack:
        told = stack.environment("worker")
    assert told["TRACKER_KRAKEN_URL"] == given["TRACKER_KRAKEN_URL"]
    assert ":8083" not in told["TRACKER_COINBASE_URL"]  # a service's own moves to a free port


def test_tasks_can_be_told_every_setting():
    told = SERVICES["worker"]["environment"]
    assert {f"TRACKER_{one.name.upper()}" for one in fields(Settings)} <= set(told)
    Settings.from_environment({name: value for name, value in told.items() if name.startswith("TRACKER_")})


def test_what_both_set_ups_tell_airflow_is_the_same(tmp_path):
    home = Home.of({"TRACKER_HOME": str(tmp_path)})
    with home.locked():
        single = environment({}, home, Ports(8080), demo=False)
    differ = re.compile("FOLDER|HOST|URL|SECRET|KEY|PARALLELISM|_PORT")  # places, secrets, sizes
    for name in OURS:
        for key, value in SERVICES[name].get("environment", {}).items():
            if key in single and key.startswith("AIRFLOW__") and not differ.search(key):
                assert value == single[key], f"{name}: {key}"


def test_every_variable_of_the_file_is_explained_or_has_a_default():
    named = set(re.findall(r"\$\{(\w+):\?", FILE.read_text(encoding="utf-8")))
    assert named <= set(EXAMPLE)


# the image ---------------------------------------------------------------------------------------

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_image_is_made_from_pinned_things_with_bytecode_and_not_as_root():
    assert re.search(r"^ARG PYTHON=3\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"python:${PYTHON}"}
    installs = re.findall(r"install (?=.*-r )[^\n]*", DOCKERFILE)
    assert len(installs) == 2
    assert all("--require-hashes" in one for one in installs)
    assert "--compile-bytecode" in installs[1]
    assert "compileall" in DOCKERFILE
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE)[-1] == "airflow"
    assert "PYTHONDONTWRITEBYTECODE" not in DOCKERFILE


def test_what_the_image_copies_is_there_and_reaches_the_builder():
    sources = {
        word for line in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    }
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert sources == sent
    assert all((ROOT / one).exists() for one in sources)


def test_no_secret_can_reach_the_image():
    first, *_ = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert first == "*"


def test_the_locks_agree():
    def pins(name: str) -> dict[str, str]:
        found = re.findall(r"^([\w.-]+)==(\S+?)(?: ;| \\|$)", (ROOT / name).read_text(), re.MULTILINE)
        return dict(found)

    single, scale = pins("requirements.lock"), pins("requirements-scale.lock")
    assert single.items() <= scale.items()
    assert {"celery", "redis", "psycopg2-binary"} <= scale.keys() - single.keys()
    assert tuple(int(part) for part in scale["celery"].split(".")[:2]) < (5, 7)


# Kubernetes and systemd ---------------------------------------------------------------------------


def test_the_values_for_kubernetes_say_what_compose_says():
    values = yaml.safe_load((ROOT / "deploy" / "helm-values.yaml").read_text(encoding="utf-8"))
    assert values["defaultAirflowTag"] == __version__
    assert f"apache-airflow=={values['airflowVersion']} " in (ROOT / "requirements-scale.lock").read_text()
    told = {one["name"]: one["value"] for one in values["env"]}
    Settings.from_environment({name: value for name, value in told.items() if name.startswith("TRACKER_")})
    assert {one["secretKey"] for one in values["secret"]} <= set(EXAMPLE)
    compose = {name: value for one in OURS for name, value in SERVICES[one].get("environment", {}).items()}
    for section, options in values["config"].items():
        for option, value in options.items():
            assert compose[f"AIRFLOW__{section}__{option}".upper()] == value, option


def test_the_unit_of_systemd_starts_what_the_command_line_takes():
    unit = dict(
        line.split("=", 1)
        for line in (ROOT / "deploy" / "tracker.service").read_text(encoding="utf-8").splitlines()
        if "=" in line and not line.startswith("#")
    )
    program, *arguments = unit["ExecStart"].split()
    assert program == f"{unit['WorkingDirectory']}/.venv/bin/tracker"
    cli._parser().parse_args(arguments)
    assert unit["KillMode"] == "mixed"  # the supervisor stops its children itself, in order
    assert int(unit["TimeoutStopSec"]) > 20
