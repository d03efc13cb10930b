"""Which markets and metrics are watched: metrics_rank.json read and matched against what exchanges list."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tracker.errors import ConfigError
from tracker.model import Listing, Market, MarketStatus, Metric, Problem

_WILDCARD = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class Watchlist:
    """The markets (as patterns per exchange) and the metrics to watch."""

    markets: Mapping[str, tuple[str, ...]]
    metrics: tuple[Metric, ...]

    @classmethod
    def parse(cls, text: str, name: str, exchanges: Sequence[str]) -> Watchlist:
        """Read metrics_rank.json. Raises ConfigError naming the file `name` and the wrong entry."""
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{name}, line {error.lineno}: not JSON ({error.msg})") from error
        if not isinstance(raw, dict):
            raise ConfigError(f'{name}: write an object, {{"markets": {{…}}, "metrics": […]}}')
        if unknown := sorted(raw.keys() - {"markets", "metrics", "$schema"}):
            raise ConfigError(f"{name}: unknown key {unknown[0]!r}{_near(unknown[0], ['markets', 'metrics'])}")
        return cls(_markets(raw.get("markets"), name, exchanges), _metrics(raw.get("metrics"), name))

    def choose(self, exchange: str, listings: Sequence[Listing]) -> tuple[list[Market], list[Problem]]:
        """Match the patterns of one exchange with its listings.

        Gives the tradable markets in the order of their names, and a problem for each pattern that chose
        none, for each market named outright that is not tradable, with near matches where there are any.
        """
        by_pair = {listing.market.pair: listing for listing in listings}
        tradable = {pair for pair, one in by_pair.items() if one.status is MarketStatus.TRADABLE}
        chosen: set[str] = set()
        problems = []
        for pattern in self.markets.get(exchange, ()):
            found = _matches(pattern, tradable)
            chosen |= found
            if not found:
                problems.append(Problem(f"{exchange}:{pattern}", _why_not(pattern, by_pair, tradable)))
        return [by_pair[pair].market for pair in sorted(chosen)], problems


def _matches(pattern: str, pairs: set[str]) -> set[str]:
    """Give the pairs a pattern means; one without wildcards is looked up, as a long list of markets has many."""
    if not _WILDCARD.search(pattern):
        return {pattern} & pairs
    return {pair for pair in pairs if fnmatchcase(pair, pattern)}


def _why_not(pattern: str, by_pair: Mapping[str, Listing], tradable: set[str]) -> str:
    if pattern in by_pair:
        return f"is {by_pair[pattern].status.value} on the exchange; take it out of the list or wait"
    if "*" in pattern or "?" in pattern:
        return "matches no tradable market"
    return f"is not listed by the exchange{_near(pattern, sorted(tradable))}"


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word.upper(), [k.upper() for k in known], n=3)
    names = [k for k in known if k.upper() in near]
    return f"; did you mean {' or '.join(names)}?" if names else ""


def _markets(raw: object, name: str, exchanges: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if not isinstance(raw, dict) or not raw:
        raise ConfigError(f'{name}: "markets" must map an exchange to its markets, as {{"coinbase": ["BTC-USD"]}}')
    for exchange, patterns in raw.items():
        if exchange not in exchanges and not exchange.startswith("ccxt:"):
            known = f"{_near(exchange, exchanges)}; known: {', '.join(exchanges)}"
            raise ConfigError(f"{name}: unknown exchange {exchange!r}{known}")
        if not isinstance(patterns, list) or not patterns:
            raise ConfigError(f'{name}: the markets of {exchange} must be a list, as ["BTC-USD", "*-EUR"]')
        for pattern in patterns:
            if not isinstance(pattern, str) or ("*" not in pattern and "-" not in pattern.strip("-")):
                raise ConfigError(f"{name}: {exchange} market {pattern!r} is not BASE-QUOTE, as BTC-USD or *-USD")
    return {exchange: tuple(patterns) for exchange, patterns in raw.items()}


def _metrics(raw: object, name: str) -> tuple[Metric, ...]:
    known = [metric.value for metric in Metric]
    names = ", ".join(known)
    if not isinstance(raw, list) or not raw:
        raise ConfigError(f'{name}: "metrics" must be a list of {names}')
    for metric in raw:
        if metric not in known:
            raise ConfigError(f"{name}: unknown metric {metric!r}{_near(str(metric), known)}; known: {names}")
    return tuple(Metric(metric) for metric in dict.fromkeys(raw))
