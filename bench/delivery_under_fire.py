"""200 alerts through a mail server that fails in every way, while senders are killed with -9: count what is lost.

python -m bench.delivery_under_fire steps     each step of a sender killed, many times, without Airflow
python -m bench.delivery_under_fire airflow   `tracker up` with tasks, scheduler and supervisor killed (15 minutes)

The mail server is a process of its own; its mood lies in a file: ok, slow, busy (421), later (451), taken (once it
takes a mail and hangs up before it says so). It never takes mail to gone@example.com (550). It notes what it took.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from tests.support.transitions import fired, queue, series
from tracker.errors import MailRefused, MailUnavailable
from tracker.mail.composing import compose, message_id
from tracker.mail.smtp import SmtpNotifier
from tracker.model import MINUTE, whole_minute
from tracker.outbox import ObjectOutbox
from tracker.service.processes import MARK
from tracker.settings import MailServer

ANN, GONE = "ann@example.com", "gone@example.com"
SENDER = "tracker@example.com"
ALERTS = 200
REFUSED = 20
STEPS = ("claim", "read", "send", "accepted", "mark", "marked", "release")
KILLS_A_STEP = 30


# the mail server -------------------------------------------------------------------------------


def serve(port: int, mood: Path, log: Path) -> None:  # noqa: C901 - a handler for each word of SMTP
    """Take mails as the mood says, until killed."""
    from aiosmtpd.smtp import SMTP

    def now() -> str:
        return mood.read_text(encoding="ascii")

    def calm_down() -> None:
        mood.write_text("ok", encoding="ascii")

    class Handler:
        async def handle_EHLO(self, _server, session, _envelope, hostname, responses):  # noqa: N802
            session.host_name = hostname
            return ["421 4.3.2 try later"] if now() == "busy" else responses

        async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
            if address == GONE:
                return "550 5.1.1 no such user"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, _session, envelope):  # noqa: N802
            feels = now()
            if feels == "slow":
                await asyncio.sleep(3)
            if feels == "later":
                return "451 4.3.0 out of disk"
            text = envelope.content.decode()
            mail_id = next(line[12:].strip() for line in text.splitlines() if line.lower().startswith("message-id:"))
            with log.open("a") as out:
                out.write(f"{mail_id}\n")
            if feels == "taken":  # once: a server that did so for ever would get a copy of every mail at every try
                calm_down()
                server.transport.abort()
            return "250 taken"

    async def run() -> None:
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: SMTP(Handler(), loop=loop), "127.0.0.1", port)
        await listening.serve_forever()

    asyncio.run(run())


class Server:
    """The mail server as a process, and what it took."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.mood_file, self.log = folder / "mood", folder / "taken.log"
        self.mood("ok")
        self.log.touch()
        self.process: subprocess.Popen[bytes] | None = None

    def mood(self, word: str) -> None:
        self.mood_file.write_text(word)

    def start(self) -> None:
        arguments = [str(self.port), str(self.mood_file), str(self.log)]
        self.process = subprocess.Popen([sys.executable, "-m", "bench.delivery_under_fire", "serve", *arguments])
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.1):
                return
            time.sleep(0.05)
        raise RuntimeError("the mail server does not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def taken(self) -> Counter[str]:
        return Counter(self.log.read_text().split())


# the senders -----------------------------------------------------------------------------------


class Dying:
    """An outbox and a notifier that kill their own process with -9 at one step."""

    def __init__(self, outbox: ObjectOutbox, notifier: SmtpNotifier, step: str, after: int) -> None:
        self._outbox, self._notifier, self._step, self._left = outbox, notifier, step, after

    def _at(self, step: str) -> None:
        if step == self._step:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def deliver(self, now: datetime) -> None:
        """Send what waits, as the deliver step does."""
        for waiting in self._outbox.pending(now):
            self._at("claim")
            if not self._outbox.claim(waiting.id, now):
                continue
            self._at("read")
            batch = self._outbox.batch(waiting.id)
            if batch is not None:
                self._at("send")
                try:
                    self._notifier.send(compose(batch, None, SENDER))
                except MailRefused as error:
                    self._outbox.mark_failed(batch, str(error), now)
                except MailUnavailable:
                    pass
                else:
                    self._at("accepted")
                    self._at("mark")
                    self._outbox.mark_sent(batch, now)
                    self._at("marked")
            self._at("release")
            self._outbox.release(waiting.id)


def send(store: str, port: int, step: str, after: int, now: str) -> None:
    """Be a sender that dies at a step."""
    server = MailServer("127.0.0.1", port, ssl=False, starttls=False, timeout=10, sender=SENDER)
    Dying(ObjectOutbox(store), SmtpNotifier(server), step, after).deliver(datetime.fromisoformat(now))


def filled(store: str, until: datetime) -> dict[str, str]:
    """Queue a mail for each of 200 alerts, and 20 to somebody who is refused; give the Message-ID of each key."""
    outbox = ObjectOutbox(store)
    for index in range(ALERTS):
        alert = fired(series(f"C{index}"), until - index * MINUTE)
        queue(outbox, [alert], [ANN, GONE] if index < REFUSED else [ANN])
    batches = [outbox.batch(one.id) for one in outbox.pending(until)]
    return {batch.id: message_id(batch, SENDER) for batch in batches if batch is not None}


def verdict(outbox: ObjectOutbox, ids: dict[str, str], taken: Counter[str], until: datetime) -> int:
    """Print what became of every key; 1 if one is lost or a twin has another Message-ID."""
    states = {one.id: one.state for one in outbox.deliveries(until - timedelta(days=2), until, until)}
    wanted = {mail_id for key, mail_id in ids.items() if states[key] != "failed"}
    lost = [one for one in wanted if not taken[one]]
    strange = [one for one in taken if one not in set(ids.values())]
    twice = {one: count for one, count in taken.items() if count > 1 and one in wanted}
    print(f"  keys {len(ids)}: {Counter(states[key] for key in ids)}")
    copies = sum(twice.values()) - len(twice)
    print(
        f"  lost {len(lost)}; taken more than once {len(twice)}, {copies} copies, all with the Message-ID of the first"
    )
    print(f"  other mails (of the demo itself): {len(strange)}")
    still = sum(states[key] == "waiting" for key in ids)
    return 1 if lost or still else 0


def steps() -> int:
    """Kill a sender at each step, again and again, in all moods of the server."""
    chance = random.Random(5)
    bad = False
    print(f"{'killed at':10} {'kills':>6} {'taken':>6} {'lost':>5} {'hang-ups':>8} {'copies':>7} {'failed':>7}")
    for step in STEPS:
        with tempfile.TemporaryDirectory() as folder:
            server, store = Server(Path(folder)), f"{folder}/store"
            now = datetime(2026, 3, 1, 20, tzinfo=UTC)
            ids = filled(store, now)
            outbox = ObjectOutbox(store)
            server.start()
            kills = hang_ups = 0
            while kills < KILLS_A_STEP:
                feels = chance.choice(["ok", "ok", "ok", "busy", "later", "taken"])
                server.mood(feels)
                if chance.random() < 0.1:
                    server.kill()
                    server.start()
                arguments = [store, str(server.port), step, str(chance.randrange(4)), now.isoformat()]
                code = subprocess.call([sys.executable, "-m", "bench.delivery_under_fire", "send", *arguments])
                kills += code == -signal.SIGKILL
                hang_ups += feels == "taken" and server.mood_file.read_text() == "ok"
                now += 3 * MINUTE  # claims of the dead are over
                if not outbox.pending(now):
                    break
            server.mood("ok")
            send(store, server.port, "never", 0, now.isoformat())
            server.kill()
            taken, states = (
                server.taken(),
                Counter(one.state for one in outbox.deliveries(now - timedelta(2), now, now)),
            )
            wanted = {ids[one.id] for one in outbox.deliveries(now - timedelta(2), now, now) if one.state == "sent"}
            lost = ALERTS - len(wanted & set(taken))
            copies = sum(taken.values()) - len(taken)
            bad |= (
                lost > 0 or states["waiting"] > 0 or states["failed"] != REFUSED or not set(taken) <= set(ids.values())
            )
            print(f"{step:10} {kills:6} {len(taken):6} {lost:5} {hang_ups:8} {copies:7} {states['failed']:7}")
    return int(bad)


# Airflow ---------------------------------------------------------------------------------------


@contextmanager
def up(home: Path, smtp: int) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Run `tracker up --demo` on free ports, its mails to our server; the process may be replaced within."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = min(60_000, max(20_000, int(free.getsockname()[1])))
    plain = {"disable_ssl": True, "disable_tls": True, "timeout": 10, "from_email": SENDER}
    mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": smtp, "extra": plain}
    watched = home.parent / "metrics.json"
    watched.write_text(json.dumps({"markets": {"coinbase": ["BTC-USD", "ETH-USD"]}, "metrics": ["price"]}))
    told = {
        "TRACKER_HOME": str(home),
        "TRACKER_METRICS": str(watched),
        "TRACKER_MAIL_TO": ANN,
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACKER_", "AIRFLOW"))}
    running: dict[str, subprocess.Popen[bytes]] = {}

    def start() -> None:
        with (home.parent / "up.log").open("ab") as out:
            command = [sys.executable, "-m", "tracker", "up", "--demo", "--port", str(port)]
            running["up"] = subprocess.Popen(command, env=kept | told, stdout=out, stderr=subprocess.STDOUT)

    running["start"] = start  # type: ignore[assignment]
    start()
    try:
        yield running
    finally:
        running["up"].send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            running["up"].wait(40)
        for one in ours(home):
            with suppress(psutil.Error):
                one.kill()


def ours(home: Path) -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if one.environ().get(MARK) == str(home):
                found.append(one)
    return found


PARTS = {
    "task": lambda line: line.startswith("airflow worker -- ") and "Executor" not in line,
    "worker": lambda line: line.startswith("airflow supervisor: ") or "LocalExecutor" in line,
    "scheduler": lambda line: "airflow scheduler" in line,
}
"""The processes of Airflow by their titles: a task, what runs and watches it, the scheduler."""


def of(home: Path, part: str, patience: float = 6) -> list[psutil.Process]:
    """Find our processes that are such a part; a task lives for half a second, so look out for one."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found = []
        for one in ours(home):
            with suppress(psutil.Error):
                found += [one] if PARTS[part](" ".join(one.cmdline())) else []
        if found:
            return found
    return []


def airflow(minutes: float) -> int:
    """Kill tasks, scheduler and supervisor of a running `tracker up` until all is told."""
    chance = random.Random(7)
    kills: Counter[str] = Counter()
    moods: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="tracker-fire-") as folder:
        home, server = Path(folder) / "home", Server(Path(folder))
        server.start()
        store = str(home / "store")
        ids = filled(store, whole_minute(datetime.now(UTC)))
        outbox = ObjectOutbox(store)
        began = time.monotonic()
        with up(home, server.port) as running:
            fire_until = began + 60 * minutes
            while time.monotonic() - began < 60 * (minutes + 15):
                time.sleep(chance.uniform(2, 7))
                now = datetime.now(UTC)
                known = {one.id: one.state for one in outbox.deliveries(now - timedelta(days=1), now, now)}
                waiting = sum(known.get(key) == "waiting" for key in ids)
                if not waiting:
                    break
                if time.monotonic() > fire_until:
                    server.mood("ok")
                    continue
                mood = chance.choice(["ok", "ok", "ok", "ok", "slow", "busy", "later", "taken"])
                server.mood(mood)
                moods[mood] += 1
                what = chance.choice(
                    ["task", "task", "task", "worker", "worker", "scheduler", "server", "supervisor", "nothing"]
                )
                shoot(what, home, running, server, kills, chance)
            spent = time.monotonic() - began
        server.kill()
        now = datetime.now(UTC)
        print(f"tracker up: {ALERTS} alerts and {REFUSED} to a refused recipient, told after {spent:.0f} s")
        print(f"  killed with -9: {dict(kills)}; moods of the server: {dict(moods)}")
        return verdict(outbox, ids, server.taken(), now)


def shoot(what, home, running, server, kills, chance) -> None:  # noqa: PLR0917
    """Kill one thing, and bring back what nobody else would."""
    if what == "server":
        server.kill()
        time.sleep(chance.uniform(0.5, 4))
        server.start()
        kills[what] += 1
    elif what == "supervisor":
        running["up"].kill()
        running["up"].wait()
        time.sleep(8)  # its children end themselves
        while running["up"].poll() is not None:  # as long as they have not ended it refuses to begin
            running["start"]()
            time.sleep(5)
        kills[what] += 1
    elif what in PARTS and (found := of(home, what)):
        with suppress(psutil.Error):
            chance.choice(found).kill()
            kills[what] += 1


def main(arguments: list[str]) -> int:
    what, *more = arguments or ["steps"]
    if what == "serve":
        serve(int(more[0]), Path(more[1]), Path(more[2]))
        return 0
    if what == "send":
        send(more[0], int(more[1]), more[2], int(more[3]), more[4])
        return 0
    return airflow(float(more[0]) if more else 6) if what == "airflow" else steps()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
