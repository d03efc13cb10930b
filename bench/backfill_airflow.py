"""Load a week of history through Airflow, from its command line and from its UI, twice each.

    python -m bench.backfill_airflow [--days 7] [--markets 20]

Starts `tracker up` on a simulated exchange. `airflow backfill create` over the last days, then the same once more with
`--reprocess-behavior completed`: the bytes of what is stored must not change. Then the days before, twice, by the
buttons of the UI in a headless Chromium. Prints seconds, rows and what changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench.set_ups import BUNDLES, ROOT, SetUp, bundles, exchange, single, told, wait
from tests.support.airflow_ui import backfill
from tests.support.browser import FLAGS

DAY = timedelta(days=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, load again, compare; 1 when the second time changed a byte."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--markets", type=int, default=20)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="tracker-week-") as folder, exchange() as market:
        watched = Path(folder) / "watched.json"
        listed = SetUp("", market, list).api("/sim")["markets"]["coinbase"][: options.markets]
        watched.write_text(json.dumps({"markets": {"coinbase": listed}, "metrics": ["price", "volume_24h"]}))
        home = Path(folder) / "home"
        with single(home, told(market, watched)) as one:
            wait(lambda: one.api("/api/v2/dags/load_history"), one.look)
            return compared(one, home, options.days)


def compared(one: SetUp, home: Path, days: int) -> int:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first, last = today - (days + 1) * DAY, today - 2 * DAY
    span = [f"--from-date={first:%Y-%m-%d}", f"--to-date={last:%Y-%m-%d}"]
    print(f"{'':<34}{'seconds':>9}{'rows':>10}{'objects changed':>17}")
    timed(one, home, f"command line, {days} days", lambda: command_line(one, home, *span))
    again = timed(
        one, home, "the same again, all runs", lambda: command_line(one, home, *span, "--reprocess-behavior=completed")
    )
    before = (first - days * DAY, first - DAY)
    timed(one, home, f"UI, the {days} days before", lambda: by_hand(one, *before))
    again += timed(one, home, "the same again, all runs", lambda: by_hand(one, *before, again=True))
    return int(again > 0)


def timed(one: SetUp, home: Path, what: str, start: Callable[[], None]) -> int:
    """Start a backfill, wait for its end, print what it did; give how many stored objects changed or came."""
    wait(lambda: not active(one) and closed(one), one.look)
    before, began = digests(home), time.monotonic()
    start()
    wait(lambda: not active(one), one.look, 1800)
    spent, after = time.monotonic() - began, digests(home)
    changed = [path for path, digest in after.items() if before.get(path) != digest]
    rows = sum(rows_of(path) for path in changed)
    print(f"{what:<34}{spent:>9.1f}{rows:>10}{len(changed):>17}", flush=True)
    return len(set(changed) & before.keys())


def active(one: SetUp) -> int:
    """Count the runs of load_history that are not over."""
    runs = one.api("/api/v2/dags/load_history/dagRuns?state=queued&state=running&limit=1")
    return 1 if runs is None else int(runs["total_entries"])


def closed(one: SetUp) -> bool:
    """Say whether every backfill is marked as complete, up to half a minute after its last run."""
    found = one.api("/api/v2/backfills?dag_id=load_history")
    return found is not None and all(each["completed_at"] for each in found["backfills"])


def command_line(one: SetUp, home: Path, *span: str) -> None:
    """Ask on the command line; once more when SQLite was locked meanwhile: then only some of the runs were made."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        BUNDLES: bundles(str(ROOT)),
    }
    command = [sys.executable, "-m", "airflow", "backfill", "create", "--dag-id=load_history", *span]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if "database is locked" in done.stderr:
        print("SQLite was locked; asking once more", file=sys.stderr, flush=True)
        wait(lambda: closed(one), one.look)
        command_line(one, home, *span)
    elif done.returncode:
        raise SystemExit(f"airflow backfill create failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def by_hand(one: SetUp, first: datetime, last: datetime, *, again: bool = False) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        backfill(page, one.airflow, "load_history", first, last, again=again)
        browser.close()


def digests(home: Path) -> dict[Path, str]:
    stored = (home / "store" / "candles").rglob("*.parquet")
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in stored}


def rows_of(path: Path) -> int:
    from pyarrow.parquet import ParquetFile

    return int(ParquetFile(path).metadata.num_rows)


if __name__ == "__main__":
    sys.exit(main())
