"""Prepare Airflow's metadata database: `python dags/tracker_setup.py`, before any component starts.

Migrates it and creates the pools that the DAGs name; a pool that is there keeps the slots someone gave it.
"""

from __future__ import annotations

POOLS = {
    "fetch": (4, "polls of the exchanges, each minute"),
    "alerts": (4, "mails sent at the same time"),
    "history": (1, "loads of the past, one at a time: exchanges limit the rate"),
}


def main() -> None:
    from airflow.models.pool import Pool
    from airflow.utils.db import upgradedb

    upgradedb()
    for name, (slots, description) in POOLS.items():
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, slots, description, include_deferred=False)


if __name__ == "__main__":
    main()
