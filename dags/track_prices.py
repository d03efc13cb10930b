"""Every minute: fetch, analyze, publish.

| task | does | writes |
|---|---|---|
| **fetch** | polls every exchange once | `minute/…parquet` |
| **analyze** | statistics, ranks, alerts | `summary/…parquet`, `alerts/…` |
| **publish** | renders the pages that changed | the site, its index last |

The logical date is the minute. Every task replaces what it wrote, so clearing one is always right.
A minute more than 90 s old is no longer polled (*fetch* is then skipped): its candles fill it.
When *fetch* fails the page is published all the same, says so, and the run is red.
Mails leave by `deliver_alerts` and cannot hold up the next minute. For the past use `load_history`.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from tracker_telling import LATE_MINUTE, TELL_OPERATOR
from tracker_wiring import (
    ALERTS,
    ALERTS_QUEUED,
    DEFAULTS,
    PRICES,
    SITE,
    START,
    SUMMARY,
    brief,
    fail_if_a_step_failed,
    measure,
    minute_of,
    pipeline,
    run_url,
    skip_if_late,
)


@dag(
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=3),
    allowed_run_types=["scheduled", "manual"],
    default_args={**DEFAULTS, "priority_weight": 10},
    tags=["tracker", "every minute"],
    on_failure_callback=TELL_OPERATOR,
    deadline=LATE_MINUTE,
    doc_md=__doc__,
)
def track_prices():
    @task(outlets=[PRICES], pool="fetch", retries=2)
    def fetch(dag_run=None):
        report = pipeline().fetch(minute_of(dag_run))
        skip_if_late(report)
        return brief(report)

    @task(inlets=[PRICES], outlets=[SUMMARY, ALERTS_QUEUED], trigger_rule="all_done")
    def analyze(dag_run=None, outlet_events=None):
        report = pipeline().analyze(minute_of(dag_run), run_url=run_url(dag_run))
        if report["queued"]:
            outlet_events[ALERTS_QUEUED].add(ALERTS, extra={"mails": report["queued"]})
        return brief(report)

    @task(inlets=[SUMMARY, ALERTS], outlets=[SITE], trigger_rule="all_done")
    def publish(dag_run=None, ti=None):
        report = pipeline().publish(minute_of(dag_run), run_id=dag_run.run_id, run_url=run_url(dag_run))
        measure(report)
        fail_if_a_step_failed(ti, "fetch", "analyze")
        return brief(report)

    fetch() >> analyze() >> publish()


track_prices()
