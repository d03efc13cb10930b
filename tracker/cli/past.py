"""The stored past: load, seal, expire, read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tracker.cli.options import Commands, instant, now, product, progress_bar, span, takes_span, whole_minute_of
from tracker.model import DAY, HOUR, POLL_WITHIN, iso, whole_hour, whole_minute

if TYPE_CHECKING:
    import pandas as pd


def add(commands: Commands) -> None:
    one = commands.add(
        "backfill", _backfill, "load history from candles", "Doing it twice changes nothing; it never mails."
    )
    takes_span(one)
    one.add_argument("--exchange", metavar="E", help="only this exchange (default: all that are watched)")
    one.add_argument("--again", action="store_true", help="ask for hours that were loaded before as well")

    one = commands.add(
        "seal", _seal, "fill gaps from candles and build hour objects", "Polled samples stay as they are."
    )
    one.add_argument(
        "--hour", type=whole_minute_of, metavar="T", help="only this hour (default: all that ended in the last day)"
    )

    commands.add(
        "expire", _expire, "delete what the retention settings no longer cover", "See TRACKER_KEEP_* in the docs."
    )

    one = commands.add("read", _read, "write stored samples to standard output")
    takes_span(one)
    one.add_argument(
        "--series",
        action="append",
        metavar="S",
        help="coinbase:BTC-USD, or its price as coinbase:BTC-USD/price; again for more (default: all)",
    )
    one.add_argument("--format", choices=("table", "csv", "parquet", "json"), default="table")


def _backfill(options: argparse.Namespace) -> int:
    start, end = span(options)
    with progress_bar() as progress:
        report = product().load(start, end, exchange=options.exchange, again=options.again, progress=progress)
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
    pipeline = product()
    with progress_bar() as progress:
        repaired = pipeline.repair(whole_minute(until), progress=progress)
    report = pipeline.seal(until, hours_back=1 if options.hour else 26)
    filled = f"filled {repaired['gaps']} gaps with {repaired['rows']} samples"
    print(f"{filled}; {report['sealed']} hours are sealed, {report['changed']} of them anew")
    return 0


def _expire(_options: argparse.Namespace) -> int:
    report = product().expire()
    for problem in report["problems"]:
        print(f"  {problem['where']}: {problem['what']}", file=sys.stderr)
    print(
        "deleted "
        + ", ".join(f"{report[kind]} {kind}" for kind in ("inputs", "hours", "summaries", "reports", "drafts"))
    )
    return 0


def _read(options: argparse.Namespace) -> int:
    from tracker.reading import select, write_samples

    start, end = span(options)
    write_samples(select(product().store, options.series, start, end), options.format, sys.stdout)
    return 0


def samples_as_frame(series: Sequence[str], start: datetime | str | None, end: datetime | str | None) -> pd.DataFrame:
    """Give stored samples as a DataFrame; see `tracker.read`."""
    from tracker.reading import select

    until = instant(end) if end is not None else now()
    since = instant(start) if start is not None else until - DAY
    return select(product().store, series, since, until).to_pandas()
