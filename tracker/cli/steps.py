"""The steps of one minute."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tracker.cli.options import Commands, product, takes_minute
from tracker.errors import TrackerError

if TYPE_CHECKING:
    from tracker.pipeline import Pipeline


def add(commands: Commands) -> None:
    takes_minute(commands.add("tick", _tick, "fetch, analyze, publish and deliver one minute, without Airflow"))
    takes_minute(
        commands.add(
            "fetch", _fetch, "poll every exchange once and store the samples", "Only the current minute can be polled."
        )
    )
    takes_minute(commands.add("analyze", _analyze, "compute the statistics of a minute and decide its alerts"))
    takes_minute(commands.add("publish", _publish, "render the site as of a minute and upload what changed"))
    commands.add("deliver", _deliver, "send the mails that wait in the outbox")


def _tick(options: argparse.Namespace) -> int:
    """Go on when a step fails, as the DAG does: the page then says what is missing, and mails that wait leave."""
    pipeline, codes, said = product(), [], set()
    for step in (_fetch, _analyze, _publish, _deliver):
        try:
            codes.append(step(options, pipeline))
        except TrackerError as error:
            codes.append(1)
            if str(error) not in said:  # one reason may stop them all
                said.add(str(error))
                print(f"tracker tick, {step.__name__[1:]}: {error}", file=sys.stderr)
    return max(codes)


def _fetch(options: argparse.Namespace, pipeline: Pipeline | None = None) -> int:
    report = (pipeline or product()).fetch(options.minute)
    for feed in report["feeds"]:
        for problem in feed["problems"] if feed["error"] is None else ():  # an error is logged, here to stderr
            print(f"  {problem['where']}: {problem['what']}", file=sys.stderr)
    print(f"fetched {report['minute']}: {report['rows']} samples in {report['seconds']} s")
    return 1 if report["late"] else 0


def _analyze(options: argparse.Namespace, pipeline: Pipeline | None = None) -> int:
    report = (pipeline or product()).analyze(options.minute)
    alerts = f"{report['transitions']} alert changes, {report['queued']} mails queued"
    print(f"analyzed {report['minute']}: {report['series']} series, {alerts}, in {report['seconds']} s")
    if not report["series"]:
        print("  no samples in the 24 h before; `tracker fetch` gets this minute, `tracker backfill` the past")
    return 0


def _publish(options: argparse.Namespace, pipeline: Pipeline | None = None) -> int:
    report = (pipeline or product()).publish(options.minute)
    if report["older"]:
        print(f"published nothing: the site already shows a later minute than {report['minute']}")
    else:
        counts = f"{report['written']} of {report['pages']} objects changed"
        print(f"published {report['minute']}: {counts}, in {report['seconds']} s")
    return 0


def _deliver(_options: argparse.Namespace, pipeline: Pipeline | None = None) -> int:
    pipeline = pipeline or product()
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
