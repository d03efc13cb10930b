"""A port of this machine to listen on."""

from __future__ import annotations

import socket

from tracker.errors import ConfigError


def listen(port: int, host: str = "127.0.0.1") -> socket.socket:
    """Open the port, 0 for any free one; ConfigError when it is taken, or none."""
    if not 0 <= port <= 65_535:
        raise ConfigError(f"cannot listen on {host}:{port}: ports end at 65535; choose another port")
    try:
        return socket.create_server((host, port))
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0]  # Python names the address once more
        raise ConfigError(f"cannot listen on {host}:{port}: {why}; choose another port") from error
