"""Say which alerts the rules would have raised over stored samples. Nothing is written and nobody is told.

**Trigger** with *After* and *Up to and with*, or with neither for the last 24 hours: after a change of
`resources/alert_rules.toml`, before anybody is woken by it. The log of **replay** lists each alert, its result counts
them. For ranges that are not stored yet run `load_history` first; for a report as a page use `tracker replay`.
"""

import logging
from datetime import timedelta

from airflow.sdk import Param, dag, task

from tracker_telling import TELL_OPERATOR
from tracker_wiring import DEFAULTS, PRICES, START, gently, minute_of, pipeline, span_of

log = logging.getLogger(__name__)

MOMENT = {"type": ["string", "null"], "format": "date-time"}


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    allowed_run_types=["manual"],
    default_args={**DEFAULTS, "execution_timeout": timedelta(hours=1)},
    params={
        "start": Param(None, title="After", description="default: a day before the run", **MOMENT),
        "end": Param(None, title="Up to and with", description="default: when the run was asked for", **MOMENT),
    },
    tags=["tracker", "alerts"],
    on_failure_callback=TELL_OPERATOR,
    doc_md=__doc__,
)
def replay_rules():
    @task(inlets=[PRICES], pool="history")
    def replay(dag_run=None, params=None):
        gently()
        asked = minute_of(dag_run)
        start, end = span_of(params, asked - timedelta(days=1), asked)
        alerts = pipeline().replay(start, end)
        for one in alerts:
            log.info(
                "%s %s %s fired %s, ended %s", *(one[k] for k in ("rule", "market", "metric", "fired", "resolved"))
            )
        return {"start": start.isoformat(), "end": end.isoformat(), "alerts": len(alerts)}

    replay()


replay_rules()
