"""Import what tasks need once, before workers are forked, so that a task finds it ready.

Airflow imports this file in every component; only those that fork tasks pay for it. Import only, never use: an object
store used before the fork hangs its children. The templates are compiled, which is pure Python.
Tasks run the code that is imported here: after an upgrade, start anew.
"""

import importlib
import sys

__all__: list[str] = []  # nothing here is a setting

HEAVY = (
    "_strptime",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.connection",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.retry_policy",
    "airflow.sdk.definitions.timetables.trigger",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.observability.stats",
    "airflow.timetables.base",
    "numpy.ma",
    "obstore.store",
    "pyarrow.compute",
    "pyarrow.parquet",
    "requests",
    "tracker.bootstrap",
    "tracker.mail.composing",
    "tracker.objects.local",
    "tracker.sources.binance",
    "tracker.sources.coinbase",
    "tracker.sources.kraken",
    "tracker_notifier",
)

if sys.argv[1:2] == ["scheduler"] or sys.argv[1:3] == ["celery", "worker"]:
    for name in HEAVY:
        importlib.import_module(name)
    importlib.import_module("tracker.site.templates").prepare()
