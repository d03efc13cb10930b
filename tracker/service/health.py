"""Is Airflow well? Asked over HTTP, from its own health page.

    python -m tracker.service.health http://api-server:8080 [scheduler|dag-processor]

exits with 0 when that part is well, by default the API server itself: a health check for containers that costs a
tenth of a second, where `airflow jobs check` costs five.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

HEARTBEATS = {"scheduler": "scheduler", "dag_processor": "dag-processor"}
"""The parts whose heartbeat the health page knows, and the names of the children that give it."""


def get(url: str, timeout: float = 2.0) -> bytes | None:
    """Ask a server; None when it does not answer, or not well."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - our own addresses
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def unwell(url: str) -> set[str]:
    """Name the parts of Airflow that do not answer or whose heartbeat is old; empty when all is well."""
    answer = get(f"{url}/api/v2/monitor/health", timeout=10.0)
    try:
        parts = json.loads(answer or b"")
        return {child for part, child in HEARTBEATS.items() if parts[part]["status"] != "healthy"}
    except (ValueError, KeyError, TypeError):
        return {"api-server"}


@dataclass(slots=True)
class Patience:
    """Count how often in a row a child was found unwell; at the limit it counts as hung.

    Looks are counted, not seconds: a machine that slept has not hung.
    """

    look: Callable[[], set[str]]
    limit: int = 5
    missed: Counter[str] = field(default_factory=Counter)

    def hung(self) -> set[str]:
        found = self.look()
        self.missed = Counter({name: self.missed[name] + 1 for name in found})
        given_up = {name for name, times in self.missed.items() if times >= self.limit}
        for name in given_up:
            del self.missed[name]
        return given_up


def main(arguments: list[str]) -> int:
    """Say what is not well on stderr; 0 when the part that is asked for is well, 1 when not."""
    url, part = (*arguments, "api-server")[:2]
    found = unwell(url.rstrip("/"))
    sick = found & {part, "api-server"}  # without an API server nothing is known of the others
    if sick:
        sys.stderr.write(f"not well: {', '.join(sorted(sick))}\n")
    return int(bool(sick))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
