"""Exchanges, one file each. `SOURCES` says which there are; ccxt adds others as `ccxt:<name>`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from tracker.sources.binance import Binance
from tracker.sources.coinbase import Coinbase
from tracker.sources.kraken import Kraken
from tracker.sources.machine import Machine

if TYPE_CHECKING:
    from tracker.ports import Source


class Places(Protocol):
    """Where the exchanges are, and whether to keep to their limits; `Settings` is one."""

    @property
    def coinbase_url(self) -> str: ...
    @property
    def coinbase_advanced_url(self) -> str: ...
    @property
    def kraken_url(self) -> str: ...
    @property
    def binance_url(self) -> str: ...
    @property
    def pace(self) -> bool: ...


Clock = Callable[[], datetime]

SOURCES: dict[str, Callable[[Places, Clock], Source]] = {
    "coinbase": lambda at, clock: Coinbase(at.coinbase_url, at.coinbase_advanced_url, clock, Machine(paced=at.pace)),
    "kraken": lambda at, clock: Kraken(at.kraken_url, clock, Machine(paced=at.pace)),
    "binance": lambda at, clock: Binance(at.binance_url, clock, Machine(paced=at.pace)),
}


def source_of(exchange: str, at: Places, clock: Clock) -> Source:
    """Make the source of an exchange: one of SOURCES, or `ccxt:<name>`, whose library is loaded at its first use."""
    if exchange.startswith("ccxt:"):
        from tracker.sources.via_ccxt import ViaCcxt

        return ViaCcxt(exchange, clock)
    return SOURCES[exchange](at, clock)
