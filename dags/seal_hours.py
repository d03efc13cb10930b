"""Close the gaps of the last 24 hours from candles, then seal the hours that are over; at five past every hour.

| task | does | writes |
|---|---|---|
| **repair** | loads the hours in which minutes are missing | `candles/…parquet` |
| **seal** | joins an hour's 60 minute objects into one | `hour/…parquet` |

A minute that was never polled (a standstill, an outage, a late run) is a gap; candles give back what was traded in
it. What was polled stays: a poll wins over a candle. Without gaps the exchange is asked for nothing.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from tracker_telling import TELL_OPERATOR
from tracker_wiring import DEFAULTS, PRICES, SUMMARY, brief, gently, minute_of, pipeline


@dag(
    schedule=CronTriggerTimetable("5 * * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=55),
    allowed_run_types=["scheduled", "manual"],
    default_args={**DEFAULTS, "execution_timeout": timedelta(minutes=25), "priority_weight": 5},
    tags=["tracker", "history"],
    on_failure_callback=TELL_OPERATOR,
    doc_md=__doc__,
)
def seal_hours():
    @task(outlets=[PRICES, SUMMARY], pool="history", execution_timeout=timedelta(minutes=45))
    def repair(dag_run=None):
        gently()
        until = minute_of(dag_run) - timedelta(minutes=3)  # exchanges publish a candle a little after its end
        return brief(pipeline().repair(until))

    @task(inlets=[PRICES], outlets=[PRICES], pool="history", trigger_rule="all_done")
    def seal(dag_run=None):
        gently()
        return brief(pipeline().seal(minute_of(dag_run)))

    repair() >> seal()


seal_hours()
