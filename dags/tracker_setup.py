"""Check the settings and prepare Airflow's database: `python dags/tracker_setup.py`, before any component starts.

Migrates it and creates the pools that the DAGs name; a pool that is there keeps the slots someone gave it.
With `--make-buckets` also the S3 buckets of store and site, where they are missing.
A wrong setting would make every task fail: it ends this script with 1 and a line that says how to mend it, and so does
a database that cannot be used.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from datetime import UTC, datetime

POOLS = {
    "fetch": (4, "polls of the exchanges, each minute"),
    "alerts": (4, "mails sent at the same time"),
    "history": (1, "loads of the past, one at a time: exchanges limit the rate"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Check the settings and prepare Airflow's database.")
    parser.add_argument("--make-buckets", action="store_true", help="also make the S3 buckets of store and site")
    options = parser.parse_args()
    check_settings(make_buckets=options.make_buckets)
    prepare_database()


def check_settings(*, make_buckets: bool = False) -> None:
    from tracker.bootstrap import build
    from tracker.errors import TrackerError
    from tracker.objects import make_bucket
    from tracker.settings import Settings

    try:
        build(os.environ, lambda: datetime.now(UTC))  # noqa: TID251 - here the clock is read
        settings = Settings.from_environment(os.environ)
        for url in (settings.store_url, settings.site_url) if make_buckets else ():
            make_bucket(url)
    except TrackerError as error:
        sys.exit(str(error))


def prepare_database() -> None:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        migrate()
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        traceback.print_exc()
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        sys.exit(f"Airflow's database cannot be used: {why}; {mend(error)}")


def migrate() -> None:
    from airflow.models.pool import Pool
    from airflow.utils.db import upgradedb

    upgradedb()
    for name, (slots, description) in POOLS.items():
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, slots, description, include_deferred=False)


def mend(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return "`make scale` installs the drivers of PostgreSQL"
    return "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN says where it is"


if __name__ == "__main__":
    main()
