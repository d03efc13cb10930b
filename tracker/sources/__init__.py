"""Exchanges, one file each. `SOURCES` says which there are; ccxt adds others as `ccxt:<name>`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Protocol

from tracker.ports import Source
from tracker.sources.machine import Machine


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


def _coinbase(at: Places, clock: Clock) -> Source:
    from tracker.sources.coinbase import Coinbase

    return Coinbase(at.coinbase_url, at.coinbase_advanced_url, clock, Machine(paced=at.pace))


def _kraken(at: Places, clock: Clock) -> Source:
    from tracker.sources.kraken import Kraken

    return Kraken(at.kraken_url, clock, Machine(paced=at.pace))


def _binance(at: Places, clock: Clock) -> Source:
    from tracker.sources.binance import Binance

    return Binance(at.binance_url, clock, Machine(paced=at.pace))


SOURCES: dict[str, Callable[[Places, Clock], Source]] = {"coinbase": _coinbase, "kraken": _kraken, "binance": _binance}


def source_of(exchange: str, at: Places, clock: Clock) -> Source:
    """Make the source of an exchange: one of SOURCES, or `ccxt:<name>`, whose library is loaded at its first use."""
    if exchange.startswith("ccxt:"):
        from tracker.sources.via_ccxt import ViaCcxt

        return ViaCcxt(exchange, clock)
    return SOURCES[exchange](at, clock)


class Sources(Mapping[str, Source]):
    """The sources of exchanges, each made, with its imports, when it is first asked for: most steps ask none."""

    def __init__(self, exchanges: Iterable[str], at: Places, clock: Clock) -> None:
        self._exchanges = tuple(exchanges)
        self._made = cache(lambda exchange: source_of(exchange, at, clock))

    def __getitem__(self, exchange: str) -> Source:
        if exchange not in self._exchanges:
            raise KeyError(exchange)
        return self._made(exchange)

    def __iter__(self) -> Iterator[str]:
        return iter(self._exchanges)

    def __len__(self) -> int:
        return len(self._exchanges)
