"""Is Airflow well? Asked over HTTP, from its own health page."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

HEARTBEATS = {"scheduler": "scheduler", "dag_processor": "dag-processor"}
"""The parts whose heartbeat the health page knows, and the names of the children that give it."""


def get(port: int, path: str, timeout: float = 2.0) -> bytes | None:
    """Ask a server on this machine; None when it does not answer, or not well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def unwell(port: int) -> set[str]:
    """Name the children of Airflow that do not answer or whose heartbeat is old; empty when all is well."""
    answer = get(port, "/api/v2/monitor/health", timeout=10.0)
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
