"""Kill every part of a running `tracker up` at random, with -9, and look at what is left.

    python -m bench.chaos [--minutes 60] [--times 3] [--port 8480] [--seed 1] [--keep DIR]

Starts `tracker up --demo` on a few markets. Then, until the minutes are over and every part has died at least so many
times, kills one of: API server, DAG processor, scheduler, simulated exchange, mailbox, the process of a running task,
an executor's worker, and `tracker up` itself, which is then started again as systemd would. At the end it waits
for a fresh page and the last mail, fills gaps from candles (`tracker seal`) and checks, from the outside:

- no minute is lost that candles can give back: every market has a price at each;
- no row is wrong: one row per series and minute, and its value is what the exchange showed when it was asked;
- it never stood still for more than five minutes;
- every alert was told, once, and its mail came; copies of it carry one Message-ID;
- after SIGTERM no process is left.

Prints a table of kills and how soon the part was back; exits with 1 when a check fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from bench.witness import EXCHANGE, faults, standstill
from tracker.alerts import Transition
from tracker.mail.composing import message_id
from tracker.model import DAY, MINUTE
from tracker.outbox import ObjectOutbox
from tracker.outbox.rows import read_mail
from tracker.service.processes import marked
from tracker.sim.mailbox import Mailbox

MARKETS = ["BTC-USD", "ETH-USD", "SOL-USD", "ADA-USD", "LTC-USD"]
PARTS = {
    "api-server": "airflow api-server",
    "dag-processor": "airflow dag-processor",
    "scheduler": "airflow scheduler",
    "simulator": "tracker simulate",
    "mailbox": "tracker mailbox",
    "a task": "airflow worker -- <its id>",
    "an executor's worker": "airflow worker -- LocalExecutor",
    "tracker up": "tracker up",
}
METRICS = ["price", "volume_24h"]
STANDSTILL = 5
"""So many minutes may pass without a poll; candles fill them."""

SENDER = "tracker@example.com"


class Victim:
    """A `tracker up --demo` in a home of its own, started again when it was killed."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port = home, port
        watched = home.parent / "watched.json"
        watched.write_text(json.dumps({"markets": {EXCHANGE: MARKETS}, "metrics": METRICS}))
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "AIRFLOW"))}
        self.environment = plain | {"TRACKER_HOME": str(home), "TRACKER_METRICS": str(watched)}
        self.outbox, self.mails = ObjectOutbox(str(home / "store")), home / "store/alerts/outbox"
        self.log = (home.parent / "up.txt").open("ab")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tracker", "up", "--demo", "--port", str(self.port)]
        deadline = time.monotonic() + 60
        while True:  # until its heir has ended what was left, the home is locked
            self.process = subprocess.Popen(command, env=self.environment, stdout=self.log, stderr=self.log)
            time.sleep(3)
            if self.process.poll() is None or time.monotonic() > deadline:
                return

    def get(self, path: str, offset: int = 0) -> Any:
        url = f"http://127.0.0.1:{self.port + offset}{path}"
        with suppress(URLError, OSError, ValueError), urlopen(url, timeout=10) as answer:
            return json.load(answer)
        return None

    def minute(self) -> datetime | None:
        """Give the minute of the published ranking, from its file: the API server may be the one that is dead."""
        with suppress(OSError, ValueError, KeyError):
            return datetime.fromisoformat(json.loads((self.home / "site/api/v1/ranking.json").read_text())["minute"])
        return None

    def look(self) -> None:
        """Start `tracker up` again when it ended by itself, as systemd would."""
        if (code := self.process.poll()) is not None:
            print(
                f"  {datetime.now(UTC):%H:%M:%S} tracker up ended by itself with {code}; starting it again", flush=True
            )
            self.start()

    def find(self, part: str) -> psutil.Process | None:
        """Find a living process of a part."""
        if part == "tracker up":
            return psutil.Process(self.process.pid)
        found = [one for one in marked(str(self.home)) if part == part_of(one)]
        return random.choice(found) if found else None


def part_of(one: psutil.Process) -> str | None:
    """Name the part a process is, by the title Airflow gives it or by its command line."""
    with suppress(psutil.Error, OSError):
        words = " ".join(one.cmdline()).replace("_", "-").strip("\0 ")
        if "airflow worker -- " in words:
            return "an executor's worker" if "LocalExecutor" in words else "a task"
        if os.getsid(one.pid) == one.pid:
            words = words.replace("-m airflow", "airflow").replace("-m tracker", "tracker")
            return next((part for part, title in PARTS.items() if title in words), None)
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Torment, check, print; 1 when something is lost, wrong or left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--times", type=int, default=3, help="how often each part dies at least (default: 3)")
    parser.add_argument("--port", type=int, default=8480)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep",
        type=Path,
        help="where to leave everything, and to go on with what is there (default: a temporary folder)",
    )
    options = parser.parse_args(arguments)
    random.seed(options.seed)
    folder = (options.keep or Path(tempfile.mkdtemp(prefix="chaos-"))).resolve()
    (folder / "home").mkdir(parents=True, exist_ok=True)
    victim = Victim(folder / "home", options.port)
    try:
        first = wait(victim.minute, 300)
        print(f"first page {first:%H:%M}; killing …", flush=True)
        kills = torment(victim, options.minutes * 60, options.times)
        last = wait(lambda: at_peace(victim), 400)
        bad = check(victim, first, last)
    finally:
        victim.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        victim.process.wait(timeout=60)
        took = time.monotonic() - began
    time.sleep(1)
    left = marked(str(victim.home))
    print(f"stopped in {took:.1f} s, {len(left)} processes left")
    print(f"{sum(kills.values())} kills: {', '.join(f'{part} {count}' for part, count in kills.items())}")
    for part in PARTS:
        if kills[part] < options.times:
            bad.append(f"{part} died only {kills[part]} times")
    bad += [f"process {one.pid} is left" for one in left]
    print("good" if not bad else "BAD: " + "; ".join(bad), "-", folder)
    return int(bool(bad))


def torment(victim: Victim, seconds: float, times: int) -> Counter[str]:
    """Kill one part after the other at random moments; each in its turn, so that none is spared."""
    kills: Counter[str] = Counter()
    end = time.monotonic() + seconds
    hard_end = end + 900
    order: list[str] = []
    while time.monotonic() < end or (min(kills[part] for part in PARTS) < times and time.monotonic() < hard_end):
        order = order or random.sample(list(PARTS), len(PARTS))
        part = order.pop()
        pause = max(4.0, seconds / (len(PARTS) * times * 1.5)) * random.uniform(0.4, 1.6)
        time.sleep(pause)
        one = sought(victim, part, 90.0)
        if one is None:
            continue
        with suppress(psutil.Error):
            one.kill()
            kills[part] += 1
            print(f"  {datetime.now(UTC):%H:%M:%S} killed {part} ({one.pid})", flush=True)
        if part == "tracker up":
            victim.process.wait()
            victim.start()
    return kills


def sought(victim: Victim, part: str, seconds: float) -> psutil.Process | None:
    """Wait for a living process of the part: a task lives for half a second of each minute."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        victim.look()
        if one := victim.find(part):
            return one
        time.sleep(0.05)
    return None


def at_peace(victim: Victim) -> datetime | None:
    """Give the published minute once it is fresh, no mail waits, and everything answers again."""
    seen, now = victim.minute(), datetime.now(UTC)
    if seen is None or now - seen > MINUTE or victim.outbox.pending(now):
        return None
    return seen if victim.get("/time", 3) and victim.get("/api/v2/monitor/health") else None


def check(victim: Victim, first: datetime, last: datetime) -> list[str]:
    """Hold samples against what the exchange showed, and mails against alerts; say what is wrong."""
    rows = stored(victim, first, last)
    bad = faults(rows, MARKETS, METRICS, (first, last))
    origins = dict(Counter(row["origin"] for row in rows))
    print(f"{len(rows)} samples of {first:%H:%M} to {last:%H:%M} {origins}: {len(bad)} wrong, twice or lost")
    if (still := standstill(rows, (first, last))) > STANDSTILL:
        bad.append("it stood still too long")
    print(f"the longest standstill: {still} minutes without a poll")
    return bad + untold(victim)


def stored(victim: Victim, first: datetime, last: datetime) -> list[dict[str, Any]]:
    """Fill the gaps from candles and give every stored sample of the minutes [first, last]."""
    exchange = f"http://127.0.0.1:{victim.port + 3}"
    environment = victim.environment | {
        "TRACKER_COINBASE_URL": exchange,
        "TRACKER_COINBASE_ADVANCED_URL": exchange,
        "TRACKER_PACE": "off",
        "TRACKER_STORE_URL": str(victim.home / "store"),
        "TRACKER_SITE_URL": str(victim.home / "site"),
    }

    def tracker(*words: str) -> str:
        command = [sys.executable, "-m", "tracker", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    print(tracker("seal").strip())
    span = ["--start", (first - MINUTE).isoformat(), "--end", last.isoformat()]
    return list(json.loads(tracker("read", *span, "--format", "json")))


def untold(victim: Victim) -> list[str]:
    """Say which alerts no mail was queued for, or two, and which mails did not come."""
    now, box = datetime.now(UTC), Mailbox(victim.home / "mail")
    alerts = victim.outbox.transitions(now - DAY, now)
    mails = [read_mail(path.read_bytes(), path.stem, str(path)) for path in victim.mails.rglob("*.json")]
    came = Counter(mail.message_id for name in box.names() if (mail := box.read(name)))
    queued = Counter(one.id for mail in mails for one in mail.transitions)
    bad = [f"{one.id} was queued {queued[one.id]} times" for one in alerts if queued[one.id] != is_told(one)]
    bad += [f"the mail of {mail.minute:%H:%M} did not come" for mail in mails if not came[message_id(mail, SENDER)]]
    copies = sum(came[message_id(mail, SENDER)] for mail in mails) - len(mails)
    notices = came.total() - copies - len(mails)
    print(f"{sum(map(is_told, alerts))} events to tell in {len(mails)} mails, {copies} came twice; {notices} notices")
    return bad if mails else [*bad, "no mail"]


def is_told(one: Transition) -> bool:
    return not one.would_have_fired and one.muted is None


def wait(what: Any, seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.5)
    return found


if __name__ == "__main__":
    sys.exit(main())
