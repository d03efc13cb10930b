"""For bench.scale: as many fetches of the present minute beside each other as a person asks for.

The product fetches once a minute; this asks how much of that Celery workers can do. All write the same bytes.
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task

from tracker.model import whole_minute
from tracker_wiring import START, brief, now, pipeline


@dag(schedule=None, start_date=START, catchup=False, max_active_tasks=64, params={"tasks": 8})
def many_fetches():
    @task
    def numbers(params=None):
        return list(range(int(params["tasks"])))

    @task(execution_timeout=timedelta(minutes=2))
    def fetch(number):
        return {**brief(pipeline().fetch(whole_minute(now()))), "number": number, "at": datetime.now(UTC).isoformat()}

    fetch.expand(number=numbers())


many_fetches()
