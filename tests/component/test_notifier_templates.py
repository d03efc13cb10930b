"""The notifier renders as Airflow makes it render: strictly, with what each kind of callback knows."""

from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from tests.support.airflow import PLUGINS, airflows_own_warnings

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.filterwarnings("default")]

DAG = SimpleNamespace(dag_id="track_prices", render_template_as_native_obj=False)
RUN = {"dag_id": "track_prices", "run_id": "scheduled__x"}
STRICT = jinja2.Environment(undefined=jinja2.StrictUndefined)


def notifier(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    monkeypatch.syspath_prepend(str(PLUGINS))
    with airflows_own_warnings():
        from tracker_notifier import TrackerNotifier

        return TrackerNotifier(**options)


@pytest.mark.parametrize(
    ("context", "says"),
    [
        ({"dag": DAG, "dag_run": SimpleNamespace(**RUN)}, "scheduled__x failed."),
        (
            {"dag": DAG, "dag_run": RUN, "reason": "late"},
            "scheduled__x failed: late.",
        ),
        ({"dag_run": {"dag_id": "track_prices", "dag_run_id": "scheduled__x"}, "deadline": {}}, "scheduled__x failed."),
    ],
)
def test_every_kind_of_callback_can_be_rendered(
    monkeypatch: pytest.MonkeyPatch, context: dict[str, Any], says: str
) -> None:
    one = notifier(monkeypatch)
    one.render_template_fields(context, STRICT)
    assert one.subject == "[tracker] track_prices failed"
    assert one.text.endswith(says)


def test_a_composed_mail_needs_no_context_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    one = notifier(monkeypatch, message=EmailMessage())
    one.render_template_fields({}, STRICT)
    assert isinstance(one.message, EmailMessage)
