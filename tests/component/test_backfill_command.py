"""`tracker backfill` as a person at a terminal sees it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.exchange import Exchange, running
from tracker.model import iso, whole_hour


def command(exchange: Exchange, folder: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Give the command and environment that watch two markets of each exchange over a fresh store."""
    pairs = {"coinbase": ["BTC-USD", "ETH-USD"], "kraken": ["BTC-USD", "ETH-USD"]}
    (folder / "watched.json").write_text(json.dumps({"markets": pairs, "metrics": ["price", "volume_24h"]}))
    places = {"TRACKER_STORE_URL": str(folder / "store"), "TRACKER_METRICS": str(folder / "watched.json")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}
    return [sys.executable, "-m", "tracker", "backfill", *arguments], {**kept, **exchange.environment, **places}


def on_a_terminal(arguments: list[str], env: dict[str, str]) -> tuple[int, str]:
    """Run with a terminal of 120 columns as standard error; gives the exit code and what it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=theirs, env={**env, "COLUMNS": "120"})
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


@pytest.fixture
def now() -> datetime:
    """The product reads the real clock, so the simulator starts from it."""
    return datetime.now(UTC)  # noqa: TID251


def test_a_bar_tells_how_much_is_done_how_fast_and_how_long_it_takes(tmp_path: Path, now: datetime) -> None:
    with running(now=now, faults="slow;seconds=0.05") as exchange:
        start = iso(whole_hour(exchange.now) - timedelta(hours=60))
        code, shown = on_a_terminal(*command(exchange, tmp_path, "--start", start, "--exchange", "coinbase"))
    assert code == 0, shown
    assert re.search(r"coinbase \d{4}-\d\d-\d\d \d\d:\d\d .*\d+/\d+.* \d+\.\d/s .* left 0:00:\d\d", shown), shown


def test_what_kraken_does_not_keep_is_said_and_is_no_failure(tmp_path: Path, now: datetime) -> None:
    with running(now=now) as exchange:
        arguments, env = command(exchange, tmp_path, "--exchange", "kraken")
        done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    lost, volume = done.stderr.splitlines()
    assert re.fullmatch(
        r"  kraken: \S+Z to \S+Z is not available: kraken gives 1-minute candles of the last 12 hours only", lost
    )
    assert volume.startswith("  kraken: volume_24h of minutes that were not polled is not available: ")
    assert re.search(r": 144\d samples", done.stdout)  # 12 h of two prices a minute, and no volume


def test_what_went_wrong_is_one_line_that_says_what_to_do(tmp_path: Path, now: datetime) -> None:
    with running(now=now, faults="451;path=candles") as exchange:
        arguments, env = command(exchange, tmp_path, "--exchange", "coinbase")
        done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"tracker backfill: coinbase, /products/\w+-USD/candles: not served where this machine is \(HTTP 451\); "
        r"use another address of the exchange\n",
        done.stderr,
    ), done.stderr


def test_a_range_that_has_not_begun_is_refused_with_a_sentence(tmp_path: Path, now: datetime) -> None:
    with running(now=now) as exchange:
        span = ("--start", iso(whole_hour(now) + timedelta(days=2)), "--end", iso(whole_hour(now) + timedelta(days=3)))
        arguments, env = command(exchange, tmp_path, *span)
        done = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"tracker backfill: there is no history after \S+Z yet; it is \S+Z\n", done.stderr), done.stderr


@pytest.mark.parametrize("seconds", [0.1, 9])
def test_ctrl_c_ends_all_exchanges_at_once(seconds: float, tmp_path: Path, now: datetime) -> None:
    with running(now=now, faults=f"slow;seconds={seconds};path=candles,slow;seconds={seconds};path=OHLC") as exchange:
        arguments, env = command(exchange, tmp_path, "--start", iso(whole_hour(now) - timedelta(days=30)))
        hearing = ["env", "--default-signal=INT", *arguments]  # what runs in the background would ignore it
        process = subprocess.Popen(hearing, env=env, stderr=subprocess.PIPE, text=True)
        while not any("candles" in one for one in list(exchange.requests)):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - began < 8
        assert (process.returncode, said) == (130, "tracker backfill: interrupted\n")
        assert len(exchange.requests) < 200  # of 600
