"""The `tracker` command. Heavy imports happen inside the commands, so that --help is quick."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker import __version__
from tracker.errors import TrackerError
from tracker.model import DAY, HOUR, POLL_WITHIN, iso, whole_hour, whole_minute

if TYPE_CHECKING:
    import pandas as pd

    from tracker.backfill import Progress
    from tracker.pipeline import Pipeline


def now() -> datetime:
    """Read the clock: the only place of the command line that does."""
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. 0: done; 1: failed, with one line on stderr; 2: wrong usage; 130: interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except TrackerError as error:
        print(f"tracker {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"tracker {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `tracker read | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _pipeline() -> Pipeline:
    from tracker.bootstrap import build

    return build(os.environ, now)


# steps of a minute -----------------------------------------------------------------------------


def _tick(options: argparse.Namespace) -> int:
    pipeline = _pipeline()
    code = _fetch(options, pipeline)
    _analyze(options, pipeline)
    _publish(options, pipeline)
    return max(code, _deliver(options, pipeline))


def _fetch(options: argparse.Namespace, pipeline: Pipeline | None = None) -> int:
    report = (pipeline or _pipeline()).fetch(options.minute)
    for feed in report["feeds"]:
        for problem in feed["problems"]:
            print(f"  {problem['where']}: {problem['what']}", file=sys.stderr)
    print(f"fetched {report['minute']}: {report['rows']} samples in {report['seconds']} s")
    return 1 if report["late"] else 0


def _analyze(options: argparse.Namespace, pipeline: Pipeline | None = None) -> int:
    report = (pipeline or _pipeline()).analyze(options.minute)
    alerts = f"{report['transitions']} alert changes, {report['queued']} mails queued"
    print(f"analyzed {report['minute']}: {report['series']} series, {alerts}, in {report['seconds']} s")
    if not report["series"]:
        print("  no samples in the 24 h before; `tracker fetch` gets this minute, `tracker backfill` the past")
    return 0


def _publish(options: argparse.Namespace, pipeline: Pipeline | None = None) -> int:
    report = (pipeline or _pipeline()).publish(options.minute)
    if report["older"]:
        print(f"published nothing: the site already shows a later minute than {report['minute']}")
    else:
        counts = f"{report['written']} of {report['pages']} objects changed"
        print(f"published {report['minute']}: {counts}, in {report['seconds']} s")
    return 0


def _deliver(_options: argparse.Namespace, pipeline: Pipeline | None = None) -> int:
    pipeline = pipeline or _pipeline()
    code, sent = 0, 0
    for batch in pipeline.pending():
        try:
            report = pipeline.deliver(batch)
        except TrackerError as error:
            print(f"  {batch}: {error}", file=sys.stderr)
            code = 1
        else:
            sent += report["sent"]
    print(f"delivered {sent} mails")
    return code


# the past --------------------------------------------------------------------------------------


def _backfill(options: argparse.Namespace) -> int:
    end = options.end or whole_minute(now())
    start = options.start or end - DAY
    _in_order(options, start, end)
    with _progress() as progress:
        report = _pipeline().load(start, end, exchange=options.exchange, again=options.again, progress=progress)
    for problem in report["problems"]:
        print(f"  {problem['where']}: {problem['what']}", file=sys.stderr)
    changed = (
        f"{report['changed']} of {report['hours']} hour objects changed, {report['analyzed']} minutes analyzed again"
    )
    skipped = f" ({report['skipped']} hours were loaded before)" if report["skipped"] else ""
    print(f"loaded {iso(start)} to {iso(end)}: {report['rows']} samples{skipped}; {changed}")
    return 0


def _seal(options: argparse.Namespace) -> int:
    until = options.hour + 2 * HOUR if options.hour else now()
    if options.hour and (options.hour != whole_hour(options.hour) or options.hour + HOUR + POLL_WITHIN > now()):
        options.fail(f"--hour {iso(options.hour)} is not a whole hour that is over")
    pipeline = _pipeline()
    with _progress() as progress:
        repaired = pipeline.repair(whole_minute(until), progress=progress)
    report = pipeline.seal(until, hours_back=1 if options.hour else 26)
    filled = f"filled {repaired['gaps']} gaps with {repaired['rows']} samples"
    print(f"{filled}; {report['sealed']} hours are sealed, {report['changed']} of them anew")
    return 0


def _expire(_options: argparse.Namespace) -> int:
    report = _pipeline().expire()
    for problem in report["problems"]:
        print(f"  {problem['where']}: {problem['what']}", file=sys.stderr)
    print(
        "deleted "
        + ", ".join(f"{report[kind]} {kind}" for kind in ("inputs", "hours", "summaries", "reports", "drafts"))
    )
    return 0


def _replay(options: argparse.Namespace) -> int:
    import json

    end = options.end or whole_minute(now())
    start = options.start or end - DAY
    _in_order(options, start, end)
    from tracker.bootstrap import rules_in

    rules = rules_in(options.rules) if options.rules else None
    with _progress() as progress:
        alerts = _pipeline().replay(start, end, rules=rules, progress=progress)
    if options.json:
        print(json.dumps(alerts, indent=1))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(alerts)} alerts would have fired", title_justify="left", box=None)
    for name in ("rule", "market", "metric", "fired (UTC)", "resolved", "peak", "rises"):
        table.add_column(name, justify="right" if name in {"peak", "rises"} else "left", overflow="fold")
    for one in alerts:
        fired, resolved = one["fired"][:16].replace("T", " "), (one["resolved"] or "open")
        peak = "from 0" if one["peak_ratio"] is None else f"{one['peak_ratio']:.3f}×"
        table.add_row(
            one["rule"], one["market"], one["metric"], fired, resolved[11:16] or resolved, peak, str(one["rises"])
        )
    Console().print(table)
    return 0


def _read(options: argparse.Namespace) -> int:
    from tracker.reading import select, write_samples

    end = options.end or whole_minute(now())
    start = options.start or end - DAY
    _in_order(options, start, end)
    write_samples(select(_pipeline().store, options.series, start, end), options.format, sys.stdout)
    return 0


def samples_as_frame(series: Sequence[str], start: datetime | str | None, end: datetime | str | None) -> pd.DataFrame:
    """Give stored samples as a DataFrame; see `tracker.read`."""
    from tracker.reading import select

    until = _instant(end) if end is not None else now()
    since = _instant(start) if start is not None else until - DAY
    return select(_pipeline().store, series, since, until).to_pandas()


def _instant(at: datetime | str) -> datetime:
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _in_order(options: argparse.Namespace, start: datetime, end: datetime) -> None:
    if start >= end:
        options.fail(f"--start {iso(start)} is not before --end {iso(end)}")


@contextmanager
def _progress() -> Iterator[Progress]:
    """Show a bar with rate and time left on a terminal's stderr; stay quiet elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("asking for markets", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


# programs that keep running ---------------------------------------------------------------------


def _simulate(options: argparse.Namespace) -> int:
    from tracker.sim.server import serve

    serve(
        port=options.port,
        seed=options.seed,
        replay=options.replay,
        ahead=timedelta(minutes=options.ahead),
        faults=options.faults,
        rate_limit=options.rate_limit,
        clock=now,
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


# parser ----------------------------------------------------------------------------------------


def _minute(text: str) -> datetime:
    try:
        at = _instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not ISO 8601, as 2026-11-23T22:10Z") from None
    if at != whole_minute(at):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole minute")
    return whole_minute(at)


def _current_minute() -> datetime:
    return whole_minute(now())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tracker",
        description="Watch market metrics every minute, rank them by how much they move, tell people what moved.",
        epilog="Settings are environment variables TRACKER_*: see docs/configuration.md.",
    )
    parser.add_argument("--version", action="version", version=f"tracker {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[argparse.Namespace], Any], help_: str, more: str = ""
    ) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}. {more}")
        one.set_defaults(run=run, fail=one.error)
        return one

    def minute(one: argparse.ArgumentParser) -> None:
        one.add_argument(
            "--minute",
            type=_minute,
            default=_current_minute(),
            metavar="T",
            help="the minute, ISO 8601, UTC unless it says otherwise (default: the current one)",
        )

    def span(one: argparse.ArgumentParser) -> None:
        one.add_argument("--start", type=_minute, metavar="T", help="after this minute (default: 24 h before the end)")
        one.add_argument(
            "--end", type=_minute, metavar="T", help="up to and with this minute (default: the current one)"
        )

    minute(command("tick", _tick, "fetch, analyze, publish and deliver one minute, without Airflow"))
    minute(
        command(
            "fetch", _fetch, "poll every exchange once and store the samples", "Only the current minute can be polled."
        )
    )
    minute(command("analyze", _analyze, "compute the statistics of a minute and decide its alerts"))
    minute(command("publish", _publish, "render the site as of a minute and upload what changed"))
    command("deliver", _deliver, "send the mails that wait in the outbox")

    one = command("backfill", _backfill, "load history from candles", "Doing it twice changes nothing; it never mails.")
    span(one)
    one.add_argument("--exchange", metavar="E", help="only this exchange (default: all that are watched)")
    one.add_argument("--again", action="store_true", help="ask for hours that were loaded before as well")

    one = command("seal", _seal, "fill gaps from candles and build hour objects", "Polled samples stay as they are.")
    one.add_argument(
        "--hour", type=_minute, metavar="T", help="only this hour (default: all that ended in the last day)"
    )

    command("expire", _expire, "delete what the retention settings no longer cover", "See TRACKER_KEEP_* in the docs.")

    one = command("replay", _replay, "say which alerts would have fired over stored samples", "Never mails.")
    span(one)
    one.add_argument("--rules", type=Path, metavar="FILE", help="other rules than the ones in force")
    one.add_argument("--json", action="store_true", help="a JSON list instead of a table")

    one = command("read", _read, "write stored samples to standard output")
    span(one)
    one.add_argument(
        "--series",
        action="append",
        metavar="S",
        help="coinbase:BTC-USD, or its price as coinbase:BTC-USD/price; again for more (default: all)",
    )
    one.add_argument("--format", choices=("table", "csv", "parquet", "json"), default="table")

    one = command(
        "simulate", _simulate, "serve simulated exchanges over HTTP on this machine", "It listens on 127.0.0.1 only."
    )
    one.add_argument("--port", type=int, default=8083, metavar="P", help="where to listen (default: 8083)")
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
        type=int,
        default=0,
        metavar="MIN",
        help="with --replay: keep the last MIN minutes for the future (default: 0)",
    )
    one.add_argument("--faults", metavar="SPEC", help="misbehave, as 429:0.1,html:0.05; `--faults help` lists all")
    one.add_argument("--no-rate-limit", dest="rate_limit", action="store_false", help="answer any number of requests")

    one = command("mailbox", _mailbox, "catch mails on this machine and show them", "It listens on 127.0.0.1 only.")
    one.add_argument("--smtp-port", type=int, default=8084, metavar="P", help="where mails are taken (default: 8084)")
    one.add_argument("--http-port", type=int, default=8085, metavar="P", help="where they are shown (default: 8085)")
    one.add_argument(
        "--folder", type=Path, default=Path("data/mail"), metavar="DIR", help="where they are kept (default: data/mail)"
    )

    one = command("up", _up, "run everything on this machine: Airflow, and with --demo simulated markets and a mailbox")
    one.add_argument("--demo", action="store_true", help="simulated markets instead of real ones, mails caught here")
    one.add_argument(
        "--port",
        type=int,
        default=8080,
        metavar="P",
        help="Airflow and the site; the next five ports belong to its helpers (default: 8080)",
    )

    command(
        "doctor",
        _doctor,
        "check settings, sources, store, site, mail server, clock and Airflow",
        "It says how to mend each.",
    )
    return parser
