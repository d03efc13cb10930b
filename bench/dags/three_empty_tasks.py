"""Do nothing, three times a minute: what Airflow itself costs."""

from datetime import UTC, datetime

from airflow.sdk import CronTriggerTimetable, dag, task


@dag(
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
)
def three_empty_tasks():
    @task
    def first(): ...

    @task
    def second(): ...

    @task
    def third(): ...

    first() >> second() >> third()


three_empty_tasks()
