"""Send what waits in the outbox, one box per mail.

**pending** lists what waits in the outbox, **alert** sends one mail each, at most a few at a time (pool and
queue `alerts`). Starts when `track_prices` has queued a mail, and every five minutes for what was left behind.

A mail server that is down makes this run red and is tried again in five minutes; prices and pages go on.
A mail is sent at least once: it is marked as sent after the server took it.
"""

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, get_current_context, task

from tracker_telling import TELL_OPERATOR, Mail, Messenger
from tracker_wiring import ALERTS, DEFAULTS, START, pipeline

AT_ONCE = 500  # below Airflow's limit of 1024 mapped tasks; what is left waits for the next run


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("*/5 * * * *", timezone="UTC"), assets=[ALERTS]),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    allowed_run_types=["scheduled", "manual", "asset_triggered"],
    default_args=DEFAULTS,
    tags=["tracker", "alerts"],
    on_failure_callback=TELL_OPERATOR,
    doc_md=__doc__,
)
def deliver_alerts():
    @task
    def pending():
        return pipeline().pending()[:AT_ONCE]

    @task(
        pool="alerts",
        queue="alerts",
        retries=2,
        retry_delay=timedelta(seconds=15),
        retry_exponential_backoff=2.0,
        execution_timeout=timedelta(seconds=60),
        map_index_template="{{ mail }}",
    )
    def alert(mail):
        context = get_current_context()
        context["mail"] = mail
        report = pipeline(mail=Mail, messenger=Messenger).deliver(mail)
        context["mail"] = report.get("subject", mail)
        return report

    alert.expand(mail=pending())


deliver_alerts()
