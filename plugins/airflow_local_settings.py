"""Import heavy libraries once, before workers are forked, so that a task finds them ready (0.2 s instead of 1.6).

Airflow imports this file in every component; only those that fork tasks pay for it. Import only, never use:
an object store used before the fork hangs its children.
"""

import importlib
import sys

__all__: list[str] = []  # nothing here is a setting

HEAVY = ("airflow.sdk.execution_time.task_runner", "jinja2", "obstore.store", "pyarrow.parquet", "requests")

if sys.argv[1:2] == ["scheduler"] or sys.argv[1:3] == ["celery", "worker"]:
    for name in HEAVY:
        importlib.import_module(name)
