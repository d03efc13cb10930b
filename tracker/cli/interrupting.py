"""Ctrl-C: a command ends in order, but not later than a moment after."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GRACE = 2.0
"""Seconds to end in order. Then requests that still wait for an answer are left: no step minds being killed."""

INTERRUPTED = 130
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it


class Interruption:
    """The end of a command by Ctrl-C."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._unsaid = threading.Lock()

    @contextmanager
    def ends_soon(self) -> Iterator[None]:
        """Raise KeyboardInterrupt at the first Ctrl-C and leave the process GRACE seconds later, if it is still there.

        Programs that keep running take the signal themselves; where it is ignored (`nohup`) it stays so.
        """
        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if not ours or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def say(self) -> int:
        """Say it once; give the exit code."""
        if self._unsaid.acquire(blocking=False):
            print(f"tracker {self._command}: interrupted", file=sys.stderr, flush=True)
        return INTERRUPTED

    def _interrupt(self, _number: int, _frame: object) -> None:
        last = threading.Timer(GRACE, self._leave)
        last.daemon = True
        last.start()
        raise KeyboardInterrupt

    def _leave(self) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(SHOW_CURSOR)
        os._exit(self.say())
