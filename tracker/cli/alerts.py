"""What the alert rules do: explained beforehand, and replayed over what is stored."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.cli.options import Commands, current_minute, product, progress_bar, span, takes_span
from tracker.model import DAY

if TYPE_CHECKING:
    from tracker.alerts import AlertRule
    from tracker.replayed import Replayed

CHECKED = 7 * DAY
"""How much of the stored history `tracker rules check` looks through, unless it is told."""


def add(commands: Commands) -> None:
    one = commands.add("replay", _replay, "say which alerts would have fired over stored samples", "Never mails.")
    takes_span(one)
    _takes_rules(one)
    how = one.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="a JSON list instead of a table")
    how.add_argument("--html", type=Path, metavar="FILE", help="write a report with a timeline to a file")

    one = commands.add(
        "rules",
        _check,
        "check the alert rules and explain them in words and numbers",
        "With the nearest miss of each in what is stored.",
    )
    one.add_argument("action", choices=("check",), help="read the file, explain each rule, replay it")
    takes_span(one, f"{CHECKED.days} days")
    _takes_rules(one)


def _takes_rules(one: argparse.ArgumentParser) -> None:
    one.add_argument("--rules", type=Path, metavar="FILE", help="other rules than the ones in force")


def _rules(options: argparse.Namespace) -> Sequence[AlertRule] | None:
    from tracker.bootstrap import rules_in

    return rules_in(options.rules) if options.rules else None


def _replay(options: argparse.Namespace) -> int:
    start, end = span(options)
    rules = _rules(options)
    with progress_bar() as progress:
        found = product().replayed(start, end, rules=rules, progress=progress)
    if options.json:
        from tracker.replayed import rows

        print(json.dumps(rows(found.alerts), indent=1))
    elif options.html:
        from tracker.site.replay import report

        options.html.write_bytes(report(found))
        print(f"{len(found.alerts)} alerts would have fired; the report is {options.html}")
    else:
        _print(found)
    return 0


def _print(found: Replayed) -> None:
    from rich.console import Console
    from rich.table import Table

    from tracker.site.replay import alert_cells, summary

    table = Table(title=f"{len(found.alerts)} alerts would have fired", title_justify="left", box=None)
    for name in ("rule", "alert", "exchange", "fired (UTC)", "ended", "lasted", "peak", "rises"):
        table.add_column(name, justify="right" if name in {"lasted", "peak", "rises"} else "left", overflow="fold")
    for one in found.alerts:
        table.add_row(*alert_cells(one, found.end))
    console = Console()
    if found.alerts:
        console.print(table)
    for label, text in summary(found):
        console.print(f"{label}: {text}", highlight=False, markup=False)


def _check(options: argparse.Namespace) -> int:
    from tracker.site.explaining import explain, listeners
    from tracker.site.replay import caught

    end = options.end or current_minute()
    options.end, options.start = end, options.start or end - CHECKED
    start, end = span(options)
    pipeline = product()
    rules = _rules(options) or pipeline.rules
    with progress_bar() as progress:
        found = pipeline.replayed(start, end, rules=rules, progress=progress)
    for rule in rules:
        print(f"{rule.name}\n")
        for sentence in [*explain(rule), listeners(rule), *caught(found, rule)]:
            print(f"  {sentence}")
        print()
    hours = (end - start) // timedelta(hours=1)
    right = "1 rule is right" if len(rules) == 1 else f"{len(rules)} rules are right"
    print(f"{right}; looked through {hours} hours up to {end:%Y-%m-%d %H:%M} UTC.")
    return 0
