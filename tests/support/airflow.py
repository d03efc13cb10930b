"""Airflow inside the tests: a home of its own, made before anything imports airflow, and the DAGs as it reads them.

Import this module first. Mark the tests with `pytestmark = pytest.mark.xdist_group("airflow")`, so that one worker
pays for the metadata database.
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
DAGS = ROOT / "dags"
PLUGINS = ROOT / "plugins"

assert "airflow" not in sys.modules or "AIRFLOW_HOME" in os.environ, "import tests.support.airflow before airflow"
if "airflow" not in sys.modules:
    HOME = tempfile.TemporaryDirectory(prefix="tracker-airflow-", ignore_cleanup_errors=True)  # goes when Python ends
    os.environ |= {
        "AIRFLOW_HOME": HOME.name,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


@contextmanager
def airflows_own_warnings() -> Iterator[None]:
    """Let Airflow and its libraries deprecate what they like; it is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_dags() -> dict[str, Any]:
    """Make the metadata database and the pools, and read the DAGs as Airflow's DAG processor does."""
    import importlib.util

    with airflows_own_warnings():
        from airflow.dag_processing.dagbag import BundleDagBag

        spec = importlib.util.spec_from_file_location("tracker_setup", DAGS / "tracker_setup.py")
        assert spec is not None
        assert spec.loader is not None
        setup = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(setup)
        setup.prepare_database()
        bag = BundleDagBag(str(DAGS), bundle_path=DAGS, bundle_name="dags-folder")
        assert bag.import_errors == {}
        return dict(bag.dags)


def run(dag: Any, minute: datetime | None, **options: Any) -> tuple[str, dict[str, str]]:
    """Run a DAG in this process; give the state of the run and of each task (`task[index]` when mapped)."""
    with airflows_own_warnings(), mock.patch.object(dag, "deadline", None):  # 3.3.2: dag.test() breaks with deadlines
        done = dag.test(logical_date=minute, **options)
    states = {}
    for one in done.get_task_instances():
        states[one.task_id if one.map_index < 0 else f"{one.task_id}[{one.map_index}]"] = str(one.state)
    return str(done.state), states
