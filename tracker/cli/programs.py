"""Programs that keep running, and the doctor."""

from __future__ import annotations

import argparse
import os
from datetime import timedelta
from functools import partial
from pathlib import Path

from tracker.cli.options import Commands, now


def add(commands: Commands) -> None:
    one = commands.add("simulate", _simulate, "serve simulated exchanges over HTTP on this machine")
    one.add_argument("--port", type=int, default=8083, metavar="P", help="where to listen (default: 8083)")
    one.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="for whom: 0.0.0.0 is everybody (default: 127.0.0.1)"
    )
    one.add_argument(
        "--seed", type=int, default=1, metavar="N", help="the same seed gives the same markets (default: 1)"
    )
    one.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="serve recorded candles from a Parquet file, shifted so that they end now",
    )
    one.add_argument(
        "--ahead",
        type=_minutes,
        default=timedelta(0),
        metavar="MIN",
        help="with --replay: keep the last MIN minutes for the future (default: 0)",
    )
    one.add_argument("--faults", metavar="SPEC", help="misbehave, as 429:0.1,html:0.05; `--faults help` lists all")
    one.add_argument("--many", action="store_true", help="as many markets as the real exchanges list: 3,400 in all")
    one.add_argument("--no-rate-limit", dest="rate_limit", action="store_false", help="answer any number of requests")

    one = commands.add(
        "mailbox", _mailbox, "catch mails on this machine and show them", "It listens on 127.0.0.1 only."
    )
    one.add_argument("--smtp-port", type=int, default=8084, metavar="P", help="where mails are taken (default: 8084)")
    one.add_argument("--http-port", type=int, default=8085, metavar="P", help="where they are shown (default: 8085)")
    one.add_argument(
        "--folder", type=Path, default=Path("data/mail"), metavar="DIR", help="where they are kept (default: data/mail)"
    )

    one = commands.add(
        "up", _up, "run everything on this machine: Airflow, and with --demo simulated markets and a mailbox"
    )
    one.add_argument("--demo", action="store_true", help="simulated markets instead of real ones, mails caught here")
    one.add_argument(
        "--port",
        type=int,
        default=8080,
        metavar="P",
        help="Airflow and the site; the next five ports belong to its helpers (default: 8080)",
    )

    commands.add(
        "doctor",
        _doctor,
        "check settings, sources, store, site, mail server, clock and Airflow",
        "It says how to mend each.",
    )


def _minutes(text: str) -> timedelta:
    if not (text.isdecimal() and len(text) <= 6):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes from 0 to 999999")
    return timedelta(minutes=int(text))


def _simulate(options: argparse.Namespace) -> int:
    from tracker.sim.server import Simulation, serve

    simulation = Simulation.make(
        now,
        seed=options.seed,
        replay=options.replay,
        ahead=options.ahead,
        faults=options.faults,
        rate_limit=options.rate_limit,
        many=options.many,
    )
    serve(
        options.port,
        simulation,
        host=options.host,
        ready=lambda url: print(f"simulated exchanges at {url}; Ctrl-C ends it", flush=True),
    )
    return 0


def _mailbox(options: argparse.Namespace) -> int:
    from tracker.sim.mailbox import serve

    serve(smtp_port=options.smtp_port, http_port=options.http_port, folder=options.folder)
    return 0


def _up(options: argparse.Namespace) -> int:
    from tracker.service import up

    up(os.environ, demo=options.demo, port=options.port, say=partial(print, flush=True))
    return 0


def _doctor(_options: argparse.Namespace) -> int:
    from tracker.doctor import examine

    bad = 0
    for finding in examine(os.environ, now):
        mark = {True: "ok  ", False: "BAD ", None: "note"}[finding.good]
        print(f"{mark}  {finding.what}")
        if finding.mend:
            print(f"      {finding.mend}")
        bad += finding.good is False
    print("all is well" if not bad else f"{bad} to mend")
    return 1 if bad else 0
