"""The DAGs as Airflow sees them: their shape, and how they behave when the product underneath does well or badly."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.support.airflow import DAGS, PLUGINS, ROOT, airflows_own_warnings, read_dags, run
from tests.support.fakes import FakePipeline
from tracker.errors import ConfigError, MailRefused, MailUnavailable, RateLimited, SourceUnavailable
from tracker.sources import SOURCES

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.filterwarnings("default")]

MINUTE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    return read_dags()


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> FakePipeline:
    fake, bootstrap = FakePipeline(), ModuleType("tracker.bootstrap")
    bootstrap.build = lambda *_, **__: fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tracker.bootstrap", bootstrap)
    monkeypatch.setenv("TRACKER_AIRFLOW_URL", "http://airflow.example/")
    return fake


@pytest.fixture
def quick(dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the waiting out of retries."""
    for dag in dags.values():
        for task in dag.tasks:
            settings = task.partial_kwargs if task.is_mapped else vars(task)
            monkeypatch.setitem(settings, "retry_delay", timedelta(0))


# shape -----------------------------------------------------------------------------------------


def test_these_are_the_dags(dags: dict[str, Any]) -> None:
    assert set(dags) == {"track_prices", "deliver_alerts", "load_history", "seal_hours", "housekeeping", "replay_rules"}


def test_each_dag_says_what_it_is_and_whose(dags: dict[str, Any]) -> None:
    for dag in dags.values():
        assert dag.doc_md
        assert "tracker" in dag.tags
        assert not dag.catchup
        assert dag.max_active_runs == 1
        assert dag.dagrun_timeout is not None
        assert {task.owner for task in dag.tasks} == {"tracker"}


def test_every_task_has_an_end_a_policy_and_a_pool_that_exists(dags: dict[str, Any]) -> None:
    from airflow.models.pool import Pool

    pools = {one.pool for one in Pool.get_pools()}
    for dag in dags.values():
        for task in dag.tasks:
            assert task.execution_timeout is not None
            assert task.execution_timeout <= dag.dagrun_timeout
            assert task.retries >= 1
            assert task.retry_policy is not None
            assert task.pool in pools


@pytest.mark.parametrize(
    ("dag_id", "downstream"),
    [
        ("track_prices", {"fetch": {"analyze"}, "analyze": {"publish"}, "publish": set()}),
        ("deliver_alerts", {"pending": {"alert"}, "alert": set()}),
        ("load_history", {"load": set()}),
        ("seal_hours", {"repair": {"seal"}, "seal": set()}),
        ("housekeeping", {"expire": set()}),
        ("replay_rules", {"replay": set()}),
    ],
)
def test_tasks_stand_in_this_order(dags: dict[str, Any], dag_id: str, downstream: dict[str, set[str]]) -> None:
    assert {task.task_id: task.downstream_task_ids for task in dags[dag_id].tasks} == downstream


def test_the_minute_is_never_backfilled_and_history_can_be(dags: dict[str, Any]) -> None:
    assert {str(one.value) for one in dags["track_prices"].allowed_run_types} == {"scheduled", "manual"}
    assert not dags["load_history"].allowed_run_types


def test_only_history_can_be_backfilled(dags: dict[str, Any]) -> None:
    for dag_id, dag in dags.items():
        kinds = {str(one.value) for one in dag.allowed_run_types or []}
        assert ("backfill" in kinds or not kinds) == (dag_id == "load_history"), dag_id


def test_what_each_task_reads_and_writes_is_in_the_asset_graph(dags: dict[str, Any]) -> None:
    def names(assets: list[Any]) -> set[str]:
        return {one.name for one in assets}

    lineage = {
        (dag_id, task.task_id): (names(task.inlets), names(task.outlets))
        for dag_id, dag in dags.items()
        for task in dag.tasks
        if not task.is_mapped and (task.inlets or task.outlets)
    }
    assert lineage == {
        ("track_prices", "fetch"): (set(), {"prices"}),
        ("track_prices", "analyze"): ({"prices"}, {"summary", "alerts-queued"}),
        ("track_prices", "publish"): ({"summary", "alerts"}, {"site"}),
        ("load_history", "load"): (set(), {"prices", "summary"}),
        ("seal_hours", "repair"): (set(), {"prices", "summary"}),
        ("seal_hours", "seal"): ({"prices"}, {"prices"}),
        ("replay_rules", "replay"): ({"prices"}, set()),
    }


def test_the_form_of_history_explains_itself_and_refuses_nonsense(dags: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = dags["load_history"].params
    for name in ("start", "end", "exchange"):
        param = params.get_param(name)
        assert param.schema["title"]
        assert param.description
    assert params.get_param("exchange").schema["examples"] == list(SOURCES)
    with pytest.raises(ParamValidationError):
        params.get_param("start").resolve(20261123)


def test_every_task_leads_to_a_page_and_what_writes_an_object_to_it(dags: dict[str, Any]) -> None:
    links = {dag_id: {task.task_id for task in dag.tasks} for dag_id, dag in dags.items()}
    for dag_id, tasks in links.items():
        assert {(dag_id, task) for task in tasks} <= set(plugin().PAGES), dag_id
    assert all(task in links[dag_id] for dag_id, task in [*plugin().PAGES, *plugin().OBJECTS])


def plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tracker_plugin_of_links", PLUGINS / "tracker_plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_alerts_have_a_pool_and_a_queue_of_their_own(dags: dict[str, Any]) -> None:
    alert = dags["deliver_alerts"].get_task("alert")
    assert (alert.pool, alert.queue) == ("alerts", "alerts")


def test_parsing_is_light() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(DAGS)!r})
sys.path.append({str(PLUGINS)!r})
import airflow.sdk, airflow.sdk.definitions.retry_policy
import track_prices, deliver_alerts, load_history, seal_hours
print([m for m in ("pandas", "pyarrow", "duckdb", "obstore", "requests", "numpy") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_celery_executor_can_be_imported() -> None:
    code = "import airflow.providers.celery.executors.celery_executor"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True)


def test_every_dag_file_fits_a_screen() -> None:
    for file in DAGS.glob("*.py"):
        if not file.name.startswith("tracker_"):
            assert len(file.read_text(encoding="utf-8").splitlines()) <= 75, file.name


# behaviour -------------------------------------------------------------------------------------


def test_a_minute_is_fetched_analyzed_and_published(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    state, tasks = run(dags["track_prices"], MINUTE)
    assert (state, set(tasks.values())) == ("success", {"success"})
    assert pipeline.calls[:2] == [("fetch", MINUTE), ("analyze", MINUTE)]
    step, minute, run_id, run_url = pipeline.calls[2]
    assert (step, minute) == ("publish", MINUTE)
    assert type(minute) is datetime  # pendulum stops at the border
    assert run_url.startswith("http://airflow.example/dags/track_prices/runs/")
    assert run_id in run_url.replace("%3A", ":").replace("%2B", "+")


def test_the_object_of_a_task_is_found_from_its_run(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    run(dags["track_prices"], MINUTE + timedelta(minutes=7))
    [run_id] = [call[2] for call in pipeline.calls if call[0] == "publish"]
    key = SimpleNamespace(dag_id="track_prices", task_id="analyze", run_id=run_id)
    with airflows_own_warnings():
        link = plugin().ObjectLink().get_link(None, ti_key=key)
    assert link == "/store/summary/date=2026-03-01/hour=12/1207.parquet"


def test_a_failed_fetch_still_publishes_and_the_run_is_red(
    dags: dict[str, Any], pipeline: FakePipeline, quick: None
) -> None:
    pipeline.errors["fetch"] = [SourceUnavailable(f"try {n}") for n in range(9)]
    state, tasks = run(dags["track_prices"], MINUTE + timedelta(minutes=1))
    assert state == "failed"
    assert tasks == {"fetch": "failed", "analyze": "success", "publish": "failed"}
    assert [call[0] for call in pipeline.calls] == ["fetch"] * 3 + ["analyze", "publish"]


def test_a_minute_too_old_to_poll_is_skipped_and_the_rest_goes_on(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    pipeline.late = True
    state, tasks = run(dags["track_prices"], MINUTE + timedelta(minutes=2))
    assert (state, tasks) == ("success", {"fetch": "skipped", "analyze": "success", "publish": "success"})


def test_a_wrong_setting_is_not_tried_again(dags: dict[str, Any], pipeline: FakePipeline, quick: None) -> None:
    pipeline.errors["fetch"] = [ConfigError("no such file") for _ in range(9)]
    run(dags["track_prices"], MINUTE + timedelta(minutes=3))
    assert [call[0] for call in pipeline.calls].count("fetch") == 1


def test_only_a_queued_mail_wakes_the_delivery(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    before = events("alerts")
    run(dags["track_prices"], MINUTE + timedelta(minutes=4))
    assert events("alerts") == before
    pipeline.queued = 2
    run(dags["track_prices"], MINUTE + timedelta(minutes=5))
    assert events("alerts") == before + 1


def events(asset: str) -> int:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    with airflows_own_warnings(), create_session() as session:
        query = select(func.count()).select_from(AssetEvent).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
        return int(session.scalar(query.where(AssetModel.name == asset)) or 0)


def test_each_mail_is_a_task_of_its_own_and_a_bad_one_holds_up_nobody(
    dags: dict[str, Any], pipeline: FakePipeline, quick: None
) -> None:
    pipeline.waiting = ["a", "b", "c"]
    pipeline.errors["deliver", "a"] = [MailRefused("no such mailbox")]  # mapped tasks run in any order
    pipeline.errors["deliver", "b"] = [MailUnavailable("busy")]
    state, tasks = run(dags["deliver_alerts"], None)
    assert state == "failed"
    assert tasks == {"pending": "success", "alert[0]": "failed", "alert[1]": "success", "alert[2]": "success"}
    assert sorted(call[1] for call in pipeline.calls) == ["a", "b", "b", "c"]


def test_a_sent_mail_is_named_by_its_subject(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    pipeline.waiting = ["a"]
    with airflows_own_warnings():
        done = dags["deliver_alerts"].test()
    assert [one.rendered_map_index for one in done.get_task_instances() if one.task_id == "alert"] == ["about a"]


def test_nothing_to_send_is_no_failure(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    assert run(dags["deliver_alerts"], None)[0] == "success"


def test_history_loads_the_day_of_its_run(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    day = datetime(2026, 2, 1, tzinfo=UTC)
    assert run(dags["load_history"], day)[0] == "success"
    [(_, start, end, exchange)] = pipeline.calls
    assert (start, end, exchange) == (day - timedelta(days=1), day, None)


def test_history_loads_the_range_a_person_asked_for(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    asked = {"start": "2026-01-05T10:00:00Z", "end": "2026-01-05T12:30:00+00:00", "exchange": "kraken"}
    assert run(dags["load_history"], datetime(2026, 2, 2, tzinfo=UTC), run_conf=asked)[0] == "success"
    start, end = datetime(2026, 1, 5, 10, tzinfo=UTC), datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
    assert pipeline.calls == [("load", start, end, "kraken")]


def test_rules_are_replayed_over_the_range_a_person_asked_for(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    asked = {"start": "2026-01-05T10:00", "end": "2026-01-06T10:00Z"}
    assert run(dags["replay_rules"], datetime(2026, 2, 2, tzinfo=UTC), run_conf=asked)[0] == "success"
    start = datetime(2026, 1, 5, 10, tzinfo=UTC)  # without a zone it is UTC
    assert pipeline.calls == [("replay", start, start + timedelta(days=1))]


def test_without_a_range_rules_are_replayed_over_the_day_before(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    at = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)
    empty = {"start": None, "end": None}  # as the form sends it
    assert run(dags["replay_rules"], at, run_conf=empty)[0] == "success"
    assert pipeline.calls == [("replay", at - timedelta(days=1), at)]


def test_gaps_are_closed_up_to_where_candles_are_finished(dags: dict[str, Any], pipeline: FakePipeline) -> None:
    assert run(dags["seal_hours"], datetime(2026, 2, 1, 12, 5, tzinfo=UTC))[0] == "success"
    noon = datetime(2026, 2, 1, 12, tzinfo=UTC)
    assert pipeline.calls == [("repair", noon + timedelta(minutes=2)), ("seal", noon + timedelta(minutes=5))]


@pytest.mark.parametrize(
    ("start", "end"), [("2026-01-05T12:00:00Z", "2026-01-05T10:00:00Z"), ("yesterday", "2026-01-05T10:00:00Z")]
)
def test_a_range_that_is_none_is_refused_at_once(
    dags: dict[str, Any], pipeline: FakePipeline, start: str, end: str
) -> None:
    asked = {"start": start, "end": end}
    day = datetime(2026, 2, 3, tzinfo=UTC) + timedelta(days=len(start))
    state, _ = run(dags["load_history"], day, run_conf=asked)
    assert (state, pipeline.calls) == ("failed", [])


# wiring ----------------------------------------------------------------------------------------


@pytest.fixture
def wiring(dags: dict[str, Any]) -> ModuleType:
    return sys.modules["tracker_wiring"]


def test_a_run_without_a_logical_date_is_about_the_minute_it_was_asked_for(wiring: ModuleType) -> None:
    asked = SimpleNamespace(logical_date=None, run_after=datetime(2026, 1, 1, 12, 0, 42, tzinfo=UTC))
    assert wiring.minute_of(asked) == datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "action", "seconds"),
    [
        (RateLimited("slow down", retry_after=21), "retry", 21),
        (RateLimited("slow down"), "retry", 15),
        (SourceUnavailable("502"), "retry", None),
        (MailRefused("550"), "fail", None),
        (ConfigError("no file"), "fail", None),
        (ValueError("a bug"), "default", None),
    ],
)
def test_the_kind_of_error_decides_the_retry(
    wiring: ModuleType, error: Exception, action: str, seconds: int | None
) -> None:
    decision = wiring.PATIENCE.evaluate(error, 1, 3)
    assert decision.action.value == action
    assert decision.retry_delay == (timedelta(seconds=seconds) if seconds else None)


def test_the_mail_server_is_the_connection_wherever_airflow_keeps_it(
    wiring: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_server: Callable[[], Any] = sys.modules["tracker_notifier"].mail_server
    with airflows_own_warnings():
        assert mail_server() is None
        monkeypatch.setenv(
            "AIRFLOW_CONN_SMTP_DEFAULT",
            '{"conn_type": "smtp", "host": "mail", "port": 587, "login": "me", "extra": {"disable_ssl": true}}',
        )
        server = mail_server()
    assert (server.host, server.port, server.user, server.ssl, server.starttls) == ("mail", 587, "me", False, True)
