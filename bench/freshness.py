"""Measure how soon after the minute the index is readable, in three set-ups and three sizes, and what it costs.

    python -m bench.freshness [--minutes 30] [--set-ups sqlite,postgresql,celery] [--series 30,300,3000] [--into FILE]

A cell of the table is one set-up at one size: `tracker up` on SQLite or PostgreSQL, or the services of
docker-compose.yml, on simulated markets, with a second DAG of three empty tasks beside it as the yardstick. Looks at
`api/v1/ranking.json` and `index.html` ten times a second, as a reader would, and asks Airflow for its runs.

Each cell is written into FILE when it is done, and the table so far is printed; started again with the same FILE, the
cells that are there are not measured again. The first minute after the start is left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from bench.set_ups import YARDSTICK, SetUp, celery, exchange, single, stack, told, wait

EXCHANGES = ("coinbase", "kraken", "binance")
MINUTE = timedelta(minutes=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what FILE does not have yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=30, help="in each cell (default: 30)")
    parser.add_argument("--set-ups", default="sqlite,postgresql,celery")
    parser.add_argument("--series", default="30,300,3000")
    parser.add_argument(
        "--into", type=Path, default=Path("freshness.json"), help="the results (default: freshness.json)"
    )
    options = parser.parse_args(arguments)
    cells: dict[str, Any] = json.loads(options.into.read_text()) if options.into.exists() else {}
    for series in map(int, options.series.split(",")):
        for name in options.set_ups.split(","):
            key = f"{name}, {series} series"
            if key not in cells:
                cells[key] = measured(name, series, options.minutes)
                options.into.write_text(json.dumps(cells, indent=1))
                table(cells)
    table(cells)
    return 0


def measured(name: str, series: int, minutes: int) -> dict[str, Any]:
    """Start a set-up, watch so many minutes, stop it."""
    with tempfile.TemporaryDirectory(prefix="tracker-freshness-") as folder, exchange() as market:
        watched = Path(folder) / "watched.json"
        watched.write_text(json.dumps({"markets": chosen(market, series // 2), "metrics": ["price", "volume_24h"]}))
        with started(name, Path(folder), told(market, watched)) as one:
            return watch(one, minutes)


def chosen(market: str, count: int) -> dict[str, list[str]]:
    """Choose so many markets, from as few exchanges as have them."""
    listed = SetUp("", market, list).api("/sim")["markets"]
    found: dict[str, list[str]] = {}
    for name in EXCHANGES:
        if count > 0:
            found[name] = listed[name][:count]
            count -= len(found[name])
    return found


@contextmanager
def started(name: str, folder: Path, given: dict[str, str]) -> Iterator[SetUp]:
    if name == "celery":
        with celery(given) as one:
            yield one
    elif name == "postgresql":
        services = {"postgres"}
        with stack(given, leave_out=all_but(services)) as database:
            secret = database.environment("postgres")["POSTGRES_PASSWORD"]
            url = f"postgresql+psycopg2://airflow:{secret}@127.0.0.1:{database.port('postgres', 5432)}/airflow"
            with single(folder / "home", given | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}) as one:
                yield one
    else:
        with single(folder / "home", given) as one:
            yield one


def all_but(services: set[str]) -> list[str]:
    from tests.support.compose import FILE, yaml

    return [name for name in yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"] if name not in services]


def watch(one: SetUp, minutes: int) -> dict[str, Any]:
    """Let the first minute pass, then note for each of the next when its pages were readable and its runs ended."""
    wait(lambda: one.read("index.html"), one.look)
    first = datetime.now(UTC).replace(second=0, microsecond=0) + 2 * MINUTE
    while datetime.now(UTC) < first:
        one.look()
        time.sleep(0.2)
    before, began = one.usage(), time.monotonic()
    seen = [readable(one, first + n * MINUTE) for n in range(minutes)]
    after, spent = one.usage(), time.monotonic() - began
    time.sleep(5)
    return {
        "index": [page["index.html"] for page in seen],
        "ranking": [page["api/v1/ranking.json"] for page in seen],
        "run": ends(one, "track_prices", first, minutes),
        "yardstick": ends(one, YARDSTICK, first, minutes),
        "pss": after["pss"],
        "cpu": (after["cpu"] - before["cpu"]) / spent,
        "processes": after["processes"],
    }


def readable(one: SetUp, minute: datetime) -> dict[str, float | None]:
    """Wait for the pages of a minute, at most until a second before the next one; seconds after the minute."""
    stamp = f"{minute:%Y-%m-%dT%H:%M:00Z}"
    found: dict[str, float | None] = {"api/v1/ranking.json": None, "index.html": None}
    while (age := (datetime.now(UTC) - minute).total_seconds()) < 59:
        for path, at in found.items():
            if at is None and stamp in (one.read(path) or ""):
                found[path] = (datetime.now(UTC) - minute).total_seconds()
        one.look()
        time.sleep(max(0.1, -age) if age < 0 else 0.1 if None in found.values() else 0.5)
    return found


def ends(one: SetUp, dag_id: str, first: datetime, minutes: int) -> list[float | None]:
    """Ask Airflow when the runs of these minutes ended, in seconds after the minute."""
    found: list[float | None] = []
    for n in range(minutes):
        minute = first + n * MINUTE
        run = one.api(f"/api/v2/dags/{dag_id}/dagRuns/{quote(f'scheduled__{minute.isoformat()}')}") or {}
        end = run.get("end_date")
        found.append((datetime.fromisoformat(end) - minute).total_seconds() if end else None)
    return found


def table(cells: dict[str, Any]) -> None:
    shown = {"index": "index", "run": "run ended", "yardstick": "3 empty tasks"}
    print(f"\n{'median / worst, s after the minute':<34}", *(f"{title:>13}" for title in shown.values()), end="")
    print(f"{'minutes':>9}{'PSS MB':>8}{'CPU %':>7}", flush=True)
    for key, cell in cells.items():
        there = sum(one is not None for one in cell["index"])
        print(f"{key:<34}", *(f"{told_as(cell[name]):>13}" for name in shown), end="")
        print(f"{there:>5}/{len(cell['index']):<3}{cell['pss'] / 1e6:>8.0f}{100 * cell['cpu']:>7.1f}", flush=True)


def told_as(seconds: list[float | None]) -> str:
    there = [one for one in seconds if one is not None]
    return f"{median(there):.1f} / {max(there):.1f}" if there else "never"


if __name__ == "__main__":
    sys.exit(main())
