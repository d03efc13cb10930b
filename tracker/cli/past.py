"""The stored past: load, seal, expire, read."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tracker.cli.options import Commands, instant, now, product, progress_bar, span, takes_span, whole_minute_of
from tracker.model import DAY, HOUR, POLL_WITHIN, iso, whole_hour, whole_minute

if TYPE_CHECKING:
    import pandas as pd

    from tracker.ports import Store

SAMPLE_COLUMNS = ("market", "metric", "minute", "value", "observed_at", "origin")
"""As `frames.SAMPLES` has them, said here so that --help need not import Arrow."""


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

    one = commands.add(
        "read",
        _read,
        "write stored samples to standard output",
        "Hour by hour: a year takes no more memory than a day.",
    )
    takes_span(one)
    one.add_argument(
        "--series",
        action="append",
        metavar="S",
        help="coinbase:BTC-USD, or its price as coinbase:BTC-USD/price; again for more (default: all)",
    )
    one.add_argument("--columns", metavar="C,…", help=f"some of {','.join(SAMPLE_COLUMNS)} (default: all)")
    one.add_argument("--format", choices=("table", "csv", "parquet", "json"), default="table")
    one.add_argument("--store", metavar="URL", help="a folder or s3://bucket/prefix (default: TRACKER_STORE_URL)")


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
    columns = options.columns.split(",") if options.columns else []
    tables = select(_store(options.store), options.series or (), start, end, columns)
    write_samples(tables, options.format, columns or SAMPLE_COLUMNS, sys.stdout)
    return 0


def _store(url: str | None) -> Store:
    """Open the store of that URL, by default the one that TRACKER_STORE_URL names."""
    from tracker.settings import Settings, place
    from tracker.store import ParquetStore

    return ParquetStore(place("the store", url) if url else Settings.from_environment(os.environ).store_url)


def samples_as_frame(
    series: Sequence[str],
    start: datetime | str | None,
    end: datetime | str | None,
    columns: Sequence[str],
    store: str | None,
) -> pd.DataFrame:
    """Give stored samples as a DataFrame; see `tracker.read`."""
    from tracker.frames import SAMPLES, merged
    from tracker.reading import select

    until = instant(end) if end is not None else now()
    since = instant(start) if start is not None else until - DAY
    needed = [name for name in SAMPLES.names if name in {"market", "metric", "minute", *columns}] if columns else ()
    table = merged(list(select(_store(store), series, since, until, needed)))
    return (table.select(list(columns)) if columns else table).to_pandas()
