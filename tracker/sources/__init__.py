"""Exchanges, one file each. `SOURCES` says which there are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from tracker.ports import Source
from tracker.sources.coinbase import Coinbase


class Urls(Protocol):
    """Where the exchanges are; `Settings` is one."""

    @property
    def coinbase_url(self) -> str: ...
    @property
    def coinbase_advanced_url(self) -> str: ...


Clock = Callable[[], datetime]

SOURCES: dict[str, Callable[[Urls, Clock], Source]] = {
    "coinbase": lambda urls, clock: Coinbase(urls.coinbase_url, urls.coinbase_advanced_url, clock),
}
