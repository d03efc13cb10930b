"""The notifier of the plugins folder: a callback in anybody's DAG and in tracker's own, and their way to mail."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.airflow import airflows_own_warnings, read_dags
from tests.support.smtp import Server, closed_port, running
from tests.support.transitions import fired
from tests.support.windows import T0
from tracker.alerts import Batch, Channel
from tracker.errors import ConfigError, MailUnavailable
from tracker.mail.composing import compose

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.filterwarnings("default")]

RUN = {"dag_id": "their_dag", "run_id": "manual__2026", "logical_date": datetime(2026, 3, 1, 12, tzinfo=UTC)}
MESSAGE = compose(Batch("b", "ann@example.com", T0, (fired(),)), None, "tracker@example.com")


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    return read_dags()


@pytest.fixture
def module(dags: dict[str, Any]) -> ModuleType:
    return sys.modules["tracker_notifier"]


@pytest.fixture
def telling(dags: dict[str, Any]) -> ModuleType:
    return sys.modules["tracker_telling"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with running(Server()) as one:
        at_port(monkeypatch, one.port)
        monkeypatch.setenv("TRACKER_STORE_URL", str(tmp_path / "store"))
        monkeypatch.setenv("TRACKER_MAIL_TO", "ann@example.com")
        monkeypatch.setenv("TRACKER_AIRFLOW_URL", "http://airflow.example")
        with airflows_own_warnings():
            yield one


def at_port(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "tracker@example.com", "timeout": 5}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))


def test_as_a_failure_callback_it_tells_the_operator_which_run_and_why(module: ModuleType, server: Server) -> None:
    module.TrackerNotifier()({"dag_run": SimpleNamespace(**RUN), "run_id": RUN["run_id"], "reason": "task_failure"})
    (mail,) = server.taken
    assert mail["Subject"] == "[tracker] their_dag failed"
    assert mail["To"] == "ann@example.com"
    text = mail.get_content()
    assert "The run manual__2026 failed: task_failure." in text
    assert "http://airflow.example/dags/their_dag/runs/manual__2026" in text


def test_a_callback_that_runs_twice_is_recognised(module: ModuleType, server: Server) -> None:
    for _ in range(2):
        module.TrackerNotifier(to="ops@example.com, oncall@example.com")({"dag_run": RUN})
    ids = [mail["Message-ID"] for mail in server.taken]
    assert [mail["To"] for mail in server.taken] == ["ops@example.com", "oncall@example.com"] * 2
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]


def test_what_fails_every_minute_is_told_once_an_hour(module: ModuleType, server: Server) -> None:
    for _ in range(5):
        module.TrackerNotifier(every=86_400)({"dag_run": RUN})
    module.TrackerNotifier(subject="another", every=86_400)({"dag_run": RUN})
    assert len(server.taken) == 2


def test_a_store_that_is_down_keeps_no_failure_from_being_told_and_once_an_hour(
    module: ModuleType, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.sources.machine._writable", lambda _: tmp_path)
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRACKER_STORE_URL", str(tmp_path / "file" / "store"))
    for _ in range(3):
        module.TrackerNotifier(every=86_400)({"dag_run": RUN})
    assert len(server.taken) == 1


def test_a_server_that_is_down_is_an_error_and_is_told_again(
    module: ModuleType, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_port(monkeypatch, closed_port())
    with pytest.raises(MailUnavailable):
        module.TrackerNotifier(every=3600)({"dag_run": RUN})
    at_port(monkeypatch, server.port)
    module.TrackerNotifier(every=3600)({"dag_run": RUN})
    assert len(server.taken) == 1


def test_no_run_id_or_reason_bends_a_header(module: ModuleType, server: Server) -> None:
    evil = RUN | {"dag_id": "x\r\nBcc: all@example.com"}
    module.TrackerNotifier()({"dag_run": evil})
    (mail,) = server.taken
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[tracker] x")


def test_an_alert_goes_through_it_as_it_was_composed(
    telling: ModuleType, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "get_current_context", lambda: {"dag_run": RUN})
    telling.Mail(None).send(MESSAGE)
    assert server.taken[0].as_bytes() == MESSAGE.as_bytes().replace(b"\r\n", b"\n")


def test_any_notifier_by_its_dotted_path_gets_what_the_mail_would_say(
    telling: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.bases.notifier import BaseNotifier

    class Chat(BaseNotifier):
        template_fields = ("text",)
        said: list[str] = []  # noqa: RUF012

        def __init__(self, text: str = "") -> None:
            super().__init__()
            self.text = text

        def notify(self, context: Any) -> None:
            if self.text.startswith("boom"):
                raise RuntimeError("no such room")
            self.said.append(self.text)

    chat = ModuleType("chat_notifier")
    chat.Chat = Chat  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chat_notifier", chat)
    monkeypatch.setattr(telling, "get_current_context", lambda: {"dag_run": RUN})
    with airflows_own_warnings():
        telling.Messenger(Channel("ops", "chat_notifier.Chat", {"text": "{{ alert_subject }}"})).send(MESSAGE)
        assert Chat.said == [MESSAGE["Subject"]]
        with pytest.raises(MailUnavailable, match="RuntimeError: no such room"):
            telling.Messenger(Channel("ops", "chat_notifier.Chat", {"text": "boom"})).send(MESSAGE)
        with pytest.raises(ConfigError, match=r"the channel 'ops' of alert_rules\.toml cannot"):
            telling.Messenger(Channel("ops", "chat_notifier.Nobody", {})).send(MESSAGE)
        with pytest.raises(ConfigError, match="cannot be made"):
            telling.Messenger(Channel("ops", "chat_notifier.Chat", {"room": 1})).send(MESSAGE)


def test_every_dag_tells_the_operator_when_it_fails_and_the_minute_when_it_is_late(
    dags: dict[str, Any], module: ModuleType, server: Server
) -> None:
    # by name: Airflow loads the files of its plugins folder once more, as modules of their own
    assert {type(dag.on_failure_callback).__name__ for dag in dags.values()} == {module.TrackerNotifier.__name__}
    (late,) = dags["track_prices"].deadline
    assert (late.name, late.callback.path) == ("late", "tracker_notifier.TrackerNotifier")
    from airflow.sdk.execution_time.callback_supervisor import execute_callback

    context = {"dag_run": RUN, "deadline": {"id": "x"}}
    log = SimpleNamespace(debug=lambda *_, **__: None, info=lambda *_, **__: None, exception=lambda *_, **__: None)
    done, error = execute_callback(late.callback.path, {**late.callback.kwargs, "context": context}, "", None, log)
    assert (done, error) == (True, None)
    (mail,) = server.taken
    assert mail["Subject"] == "[tracker] a minute is late"
    assert "The minute 2026-03-01 12:00:00+00:00 was not published" in mail.get_content()
