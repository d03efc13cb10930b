"""Load the past from candles.

Each day loads the day before, so that gaps of the live minutes close. For more, and from where you like:

- **Backfill** (button on this page, or `airflow backfill create --dag-id load_history --from-date … --to-date …`):
  one run per day, one after the other: exchanges limit the rate.
- **Trigger** with *start* and *end*: one run for exactly that range, of one exchange if you name it.

Writes `candles/…parquet`, and again every summary that depends on it. Doing it twice changes nothing.
It never mails.
"""

from datetime import timedelta

from airflow.sdk import CronDataIntervalTimetable, Param, dag, task

from tracker_telling import TELL_OPERATOR
from tracker_wiring import DEFAULTS, PRICES, START, SUMMARY, brief, gently, pipeline, span_of

MOMENT = {"type": ["string", "null"], "format": "date-time"}
TEXT = {"type": ["string", "null"], "examples": ["coinbase", "kraken", "binance"]}


@dag(
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args={**DEFAULTS, "execution_timeout": timedelta(hours=2), "retry_delay": timedelta(minutes=1)},
    params={
        "start": Param(None, title="After", description="default: where the day of the run starts", **MOMENT),
        "end": Param(None, title="Up to and with", description="default: where it ends", **MOMENT),
        "exchange": Param(None, title="Exchange", description="default: all watched", **TEXT),
    },
    tags=["tracker", "history"],
    on_failure_callback=TELL_OPERATOR,
    doc_md=__doc__,
)
def load_history():
    @task(outlets=[PRICES, SUMMARY], pool="history", retries=3)
    def load(dag_run=None, params=None):
        gently()
        start, end = span_of(params, dag_run.data_interval_start, dag_run.data_interval_end)
        return brief(pipeline().load(start, end, exchange=params["exchange"] or None))

    load()


load_history()
