"""Ports of this machine that nobody uses."""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress


def free_ports(count: int) -> list[int]:
    """Give ports that are free now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def six_free_ports(start: int = 18_300) -> int:
    """Give the first of six ports in a row that are free now, below those that the kernel gives away itself."""
    for first in range(start, 32_000, 37):
        with ExitStack() as stack, suppress(OSError):
            for port in range(first, first + 6):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
    raise AssertionError("no six free ports in a row")
