"""What the commands share: the clock, the product, instants and ranges as people write them, the progress bar."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tracker.model import DAY, iso, whole_minute

if TYPE_CHECKING:
    from tracker.backfill import Progress
    from tracker.pipeline import Pipeline


YEARS = range(2000, 2100)
"""Those with prices that can be asked for; beyond them are slips of the hand."""


def now() -> datetime:
    """Read the clock: the only place of the command line that does."""
    return datetime.now(UTC)


def product() -> Pipeline:
    """Put the product together from the environment; ConfigError names what is wrong."""
    from tracker.bootstrap import build

    return build(os.environ, now)


def instant(at: datetime | str) -> datetime:
    """Read ISO 8601; without a zone it is UTC. Raises ValueError."""
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def whole_minute_of(text: str) -> datetime:
    try:
        at = instant(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not ISO 8601, as 2026-11-23T22:10Z") from None
    if at.year not in YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is not in the years {YEARS[0]} to {YEARS[-1]}")
    if at != whole_minute(at):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole minute")
    return whole_minute(at)


def current_minute() -> datetime:
    return whole_minute(now())


def span(options: argparse.Namespace) -> tuple[datetime, datetime]:
    """Give the range asked for, (start, end]: by default the 24 h up to now. Ends as wrong usage when it is empty."""
    end = options.end or current_minute()
    start = options.start or end - DAY
    if start >= end:
        options.fail(f"--start {iso(start)} is not before --end {iso(end)}")
    return start, end


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show a bar with rate and time left on a terminal's stderr; stay quiet elsewhere."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """How many are done a second, of what the bar counts."""

        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.1f}/s", style="progress.data.speed")

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("asking for markets", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands of the parser; each family of them adds its own."""

    parsers: argparse._SubParsersAction[argparse.ArgumentParser]

    def add(
        self, name: str, run: Callable[[argparse.Namespace], Any], help_: str, more: str = ""
    ) -> argparse.ArgumentParser:
        """Add a command; what `run` returns is its exit code, nothing is 0."""
        one = self.parsers.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}. {more}")
        one.set_defaults(run=run, fail=one.error)
        return one


def takes_minute(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--minute",
        type=whole_minute_of,
        default=current_minute(),
        metavar="T",
        help="the minute, ISO 8601, UTC unless it says otherwise (default: the current one)",
    )


def takes_span(one: argparse.ArgumentParser, before: str = "24 h") -> None:
    one.add_argument(
        "--start", type=whole_minute_of, metavar="T", help=f"after this minute (default: {before} before the end)"
    )
    one.add_argument(
        "--end", type=whole_minute_of, metavar="T", help="up to and with this minute (default: the current one)"
    )
