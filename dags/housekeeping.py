"""Once a day, delete what the retention settings (TRACKER_KEEP_…) no longer cover.

Minute and candle objects go only when their hour is sealed and verified; drafts of killed writers are swept.
Airflow's own runs and logs are forgotten beside it, by `dags/tracker_housekeeping.py`, which `tracker up` runs: a task
cannot, because Airflow keeps its database from tasks.
"""

import logging
from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from tracker_telling import TELL_OPERATOR
from tracker_wiring import DEFAULTS, brief, gently, pipeline

log = logging.getLogger(__name__)


@dag(
    schedule=CronTriggerTimetable("17 3 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    allowed_run_types=["scheduled", "manual"],
    default_args={**DEFAULTS, "execution_timeout": timedelta(minutes=30)},
    tags=["tracker", "history"],
    on_failure_callback=TELL_OPERATOR,
    doc_md=__doc__,
)
def housekeeping():
    @task(pool="history")
    def expire():
        gently()
        report = pipeline().expire()
        for problem in report["problems"]:
            log.warning("%s %s", problem["where"], problem["what"])
        return brief(report)

    expire()


housekeeping()
