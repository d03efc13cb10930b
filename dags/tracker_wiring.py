"""Airflow's words into ours: which minute a run is about, the mail server, links, and which errors are worth a retry.

Imported by every DAG file and therefore parsed again in every task: nothing heavy on top. The product itself
(pyarrow, obstore, Jinja) is imported by `pipeline()`, inside a task.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.observability import stats

from tracker.model import whole_minute
from tracker_notifier import mail_server, run_page

if TYPE_CHECKING:
    from airflow.sdk.definitions.retry_policy import RetryDecision
    from airflow.sdk.types import DagRunProtocol, RuntimeTaskInstanceProtocol

    from tracker.pipeline import Pipeline

START = datetime(2026, 1, 1, tzinfo=UTC)

PRICES = Asset(name="prices", uri="x-tracker://prices", group="tracker")
SUMMARY = Asset(name="summary", uri="x-tracker://summary", group="tracker")
ALERTS = Asset(name="alerts", uri="x-tracker://alerts", group="tracker")
SITE = Asset(name="site", uri="x-tracker://site", group="tracker")
ALERTS_QUEUED = AssetAlias("alerts-queued", group="tracker")
"""Stands for ALERTS, and only when there is a mail to send: an event without one would start a run for nothing."""


class Patience(ExceptionRetryPolicy):
    """Retry by kind of error; where the other side named a time to wait, wait that long."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        decision = super().evaluate(exception, try_number, max_tries, context)
        asked = getattr(exception, "retry_after", None)
        if decision.action is RetryAction.RETRY and asked:
            return replace(decision, retry_delay=timedelta(seconds=asked), reason=f"asked to wait {asked:g} s")
        return decision


PATIENCE = Patience(
    rules=[
        RetryRule("tracker.errors.RateLimited", RetryAction.RETRY, timedelta(seconds=15), "asked to slow down"),
        RetryRule("tracker.errors.RetriableError", RetryAction.RETRY, reason="may work a little later"),
        RetryRule("tracker.errors.PermanentError", RetryAction.FAIL, reason="would fail the same way again"),
        RetryRule("tracker.errors.ConfigError", RetryAction.FAIL, reason="a person has to change a setting"),
    ]
)

DEFAULTS: dict[str, Any] = {
    "owner": "tracker",
    "retries": 1,
    "retry_delay": timedelta(seconds=5),
    "retry_policy": PATIENCE,
    "execution_timeout": timedelta(seconds=60),
}
"""Every task has an end: a hang becomes a retry."""


def now() -> datetime:
    """Read the clock, on behalf of everything below."""
    return datetime.now(UTC)  # noqa: TID251 - here the clock is read


def minute_of(dag_run: DagRunProtocol) -> datetime:
    """Give the minute a run is about, as a plain datetime: its logical date, or when it was asked for."""
    return whole_minute(dag_run.logical_date or dag_run.run_after)


def pipeline(**ways: Any) -> Pipeline:
    """Put the product together from the environment of this task and the connection `smtp_default`.

    `ways`: how mails and messages leave, where the task sends some (`mail` and `messenger` of `build`).
    """
    from tracker.bootstrap import build

    return build(os.environ, now, server=mail_server(), **ways)


def gently() -> None:
    """Give way to the live minute: the rest of this task gets the processor when nobody else wants it."""
    os.nice(10)


def run_url(dag_run: DagRunProtocol) -> str | None:
    """Give the page of this run in Airflow's UI; None when TRACKER_AIRFLOW_URL does not say where that is."""
    return run_page(dag_run.dag_id, dag_run.run_id)


def skip_if_late(report: dict[str, Any]) -> None:
    """End the task as skipped when its minute was no longer polled."""
    if report["late"]:
        raise AirflowSkipException(f"{report['minute']} is too long ago to be polled; candles fill it")


def measure(report: dict[str, Any]) -> None:
    """Send the figures of a minute to whoever collects Airflow's metrics: StatsD or OpenTelemetry, if any is on."""
    for name, value in report["figures"].items():
        stats.gauge(f"tracker.{name}", value)


def brief(report: dict[str, Any]) -> dict[str, Any]:
    """Keep what fits an XCom: the counts of a report without its lists."""
    return {key: value for key, value in report.items() if not isinstance(value, (list, dict))}


def fail_if_a_step_failed(ti: RuntimeTaskInstanceProtocol, *steps: str) -> None:
    """Let the last task speak for the run: Airflow judges a run by its last task alone."""
    states = ti.get_task_states(ti.dag_id, task_ids=list(steps), run_ids=[ti.run_id]).get(ti.run_id, {})
    failed = [step for step in steps if states.get(step) in {"failed", "upstream_failed"}]
    if failed:
        raise AirflowFailException(f"done, but this minute is incomplete: {' and '.join(failed)} failed, see there")


def span_of(params: dict[str, Any], start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Give the range a run of history is about, (start, end]: what the form says, else the given one."""
    asked = [_instant(params[key]) if params.get(key) else None for key in ("start", "end")]
    start, end = asked[0] or start, asked[1] or end
    if start is None or end is None or start >= end:
        raise AirflowFailException(f"no range: start is {start}, end is {end}; give both, and start before end")
    return whole_minute(start), whole_minute(end)


def _instant(text: str) -> datetime:
    """Read what a person typed into the form; without a zone it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise AirflowFailException(f"{text!r} is not ISO 8601, as 2026-11-23T22:10Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
