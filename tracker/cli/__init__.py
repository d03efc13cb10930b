"""The `tracker` command. Heavy imports happen inside the commands, so that --help is quick."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from tracker import __version__
from tracker.cli import alerts, past, programs, steps
from tracker.cli.interrupting import Interruption
from tracker.cli.options import Commands
from tracker.errors import TrackerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. 0: done; 1: failed, with one line on stderr; 2: wrong usage; 130: interrupted."""
    options = _parser().parse_args(arguments)
    interruption = Interruption(options.command)
    try:
        with interruption.ends_soon():
            return int(options.run(options) or 0)
    except BrokenPipeError:  # `tracker read | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (TrackerError, OSError) as error:  # the latter of a full disk, a file that cannot be written, a taken port
        print(f"tracker {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return interruption.say()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tracker",
        description="Watch market metrics every minute, rank them by how much they move, tell people what moved.",
        epilog="Settings are environment variables TRACKER_*: see docs/configuration.md.",
    )
    parser.add_argument("--version", action="version", version=f"tracker {__version__}")
    commands = Commands(parser.add_subparsers(dest="command", required=True, metavar="COMMAND"))
    for family in (steps, past, alerts, programs):
        family.add(commands)
    return parser
