"""Faults on demand: which answer goes wrong, and how. The same seed and requests give the same faults.

A spec is a list of faults, parted by commas: `KIND[:RATE][;KEY=VALUE]…`, as in `429:0.1,html:0.05` (each by
chance) or `outage;after=10;for=5` (a script: minutes since the start).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tracker.errors import ConfigError

ANSWERS = {
    "429": "asked too often (Kraken says so with status 200); retry=S adds Retry-After",
    "418": "banned for asking too often; retry=S adds Retry-After",
    "500": "internal error",
    "502": "bad gateway, in HTML",
    "503": "unavailable; retry=S adds Retry-After",
    "403": "refused by a firewall, in HTML",
    "404": "not found",
    "451": "not served in this region",
    "slow": "the answer comes after seconds=S (15)",
    "reset": "the connection breaks in the middle of the answer",
    "truncated": "half of the JSON, with a length that fits it",
    "html": "a web page with status 200",
    "empty": "an empty list or object",
    "types": "numbers where objects should be",
    "skew": "the server's Date is seconds=S (600) ahead",
    "outage": "nobody answers but 503, and no trades: the minutes stay missing",
}
MARKETS = {
    "null": "the price is null",
    "blank": 'the price is ""',
    "nan": "the price is NaN",
    "zero": "the price is 0",
    "negative": "the price is below 0",
    "missing": "the price is not there",
    "badvolume": "the 24 h volume is NaN",
    "vanish": "the market is in no answer",
    "delist": "the market is delisted",
    "rename": "the market goes on under another name, with a 2 behind its base",
    "spike": "the price is times=X (4) what it would be",
    "units": "the 24 h volume is times=X (600) what it would be",
    "duplicates": "candles come twice",
    "disorder": "candles come in any order",
    "late": "candles come seconds=S (180) late",
}

HELP = "\n".join(
    [
        "faults: KIND[:RATE][;KEY=VALUE]… parted by commas, as 429:0.1,html:0.05 or outage;after=10;for=5",
        "  RATE from 0 to 1: of the answers, or of the markets (default 1)",
        "  after=MIN for=MIN  when, counted from the start; path=TEXT  only paths that contain it",
        "  market=BTC-USD  only this market; retry=S seconds=S times=X  see below",
        "of answers:",
        *(f"  {kind:<11}{what}" for kind, what in ANSWERS.items()),
        "of markets:",
        *(f"  {kind:<11}{what}" for kind, what in MARKETS.items()),
    ]
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `after` and `lasting` are minutes since the start; `seconds` means what its kind says."""

    kind: str
    rate: float = 1.0
    after: float = 0.0
    lasting: float = float("inf")
    path: str = ""
    market: str = ""
    retry: float | None = None
    seconds: float | None = None
    times: float | None = None

    def active(self, minutes: float) -> bool:
        """Say whether it is on at so many minutes after the start."""
        return self.after <= minutes < self.after + self.lasting


@dataclass(frozen=True, slots=True)
class Faults:
    """All faults that are asked for."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0

    @classmethod
    def parse(cls, spec: str | None, seed: int) -> Faults:
        """Read a spec; ConfigError saying what is wrong in it, `help` gives the list of faults that way."""
        if not spec:
            return cls((), seed)
        return cls(tuple(_fault(part.strip()) for part in spec.split(",")), seed)

    def of_answer(self, path: str, number: int, minutes: float) -> Fault | None:
        """Give the fault that hits the `number`-th answer to `path`; the first of the spec that does."""
        for one in self.faults:
            if one.kind in ANSWERS and one.active(minutes) and one.path in path:
                key = path if one.rate < 1 else ""
                if _chance(f"{self.seed} {one.kind} {key} {number}") < one.rate:
                    return one
        return None

    def of_market(self, pair: str, path: str, minutes: float) -> dict[str, Fault]:
        """Give the faults that a market has now, by kind. A rate below 1 hits the same markets all the time."""
        return {one.kind: one for one in self.ever_of_market(pair, path) if one.active(minutes)}

    def ever_of_market(self, pair: str, path: str) -> list[Fault]:
        """Give the faults that a market has at any time."""
        return [
            one
            for one in self.faults
            if one.kind in MARKETS
            and one.path in path
            and one.market in {"", pair}
            and _chance(f"{self.seed} {one.kind} {pair}") < one.rate
        ]

    def outages(self, path: str) -> list[tuple[float, float]]:
        """Give the outages that hit this path as (first, last) minutes since the start."""
        found = (one for one in self.faults if one.kind == "outage" and one.path in path)
        return [(one.after, one.after + one.lasting) for one in found]


def _chance(key: str) -> float:
    return random.Random(key).random()


def _fault(text: str) -> Fault:
    head, *settings = text.split(";")
    kind, colon, rate = head.partition(":")
    if kind not in ANSWERS and kind not in MARKETS:
        raise ConfigError(HELP if kind == "help" else f"there is no fault {kind!r}\n{HELP}")
    fault = Fault(kind, _number(text, rate, 1.0) if colon else 1.0)
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in _KEYS or not value:
            raise ConfigError(f"fault {text!r}: write {' or '.join(f'{one}=…' for one in _KEYS)}, not {setting!r}")
        fault = _KEYS[key](fault, text, value)
    return fault


def _number(text: str, value: str, most: float = 1e6) -> float:
    try:
        found = float(value)
    except ValueError:
        found = -1.0
    if not 0 <= found <= most:
        raise ConfigError(f"fault {text!r}: {value!r} is not a number from 0 to {most:g}")
    return found


_KEYS: dict[str, Callable[[Fault, str, str], Fault]] = {
    "after": lambda fault, text, value: replace(fault, after=_number(text, value)),
    "for": lambda fault, text, value: replace(fault, lasting=_number(text, value)),
    "path": lambda fault, _text, value: replace(fault, path=value),
    "market": lambda fault, _text, value: replace(fault, market=value),
    "retry": lambda fault, text, value: replace(fault, retry=_number(text, value)),
    "seconds": lambda fault, text, value: replace(fault, seconds=_number(text, value)),
    "times": lambda fault, text, value: replace(fault, times=_number(text, value)),
}
