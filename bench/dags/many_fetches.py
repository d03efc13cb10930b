"""For bench.scale: as many fetches of the present minute beside each other as a person asks for.

The product fetches once a minute; this asks how much of that Celery workers can do. All write the same bytes.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), max_active_tasks=64, params={"tasks": 8})
def many_fetches():
    @task
    def numbers(params=None):
        return list(range(int(params["tasks"])))

    @task(execution_timeout=timedelta(minutes=2))
    def fetch(number):
        from tracker.bootstrap import build
        from tracker.model import whole_minute

        report = build(os.environ, lambda: datetime.now(UTC)).fetch(whole_minute(datetime.now(UTC)))
        return {"number": number, "rows": report["rows"], "seconds": report["seconds"]}

    fetch.expand(number=numbers())


many_fetches()
