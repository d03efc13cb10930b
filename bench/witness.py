"""What the simulated exchange showed at any instant, from its seed alone, and what is wrong with samples beside it.

A second way to the same numbers: it asks neither the running exchange, which may have been killed and started again,
nor the code that reads its answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from tracker.model import MINUTE
from tracker.sim.markets import MadeUp
from tracker.sim.tape import DAY, Listed, ticker

EXCHANGE = "coinbase"
CACHED = 5
"""The exchange shows all its markets from a cache of so many seconds."""

ON_THE_WAY = timedelta(seconds=3)
"""A sample is dated by its receipt; the answer was made up to so long before."""

JUMPS = {"SOL-USD": (1.0, 4.0)}
"""What prices may be multiplied by: `tracker up --demo` has this market jump whenever its exchange starts."""


class Witness:
    """Saw a simulated Coinbase of one seed."""

    def __init__(self, seed: int = 1) -> None:
        self.tape = MadeUp(seed)
        self.listed = {one.pair: one for one in self.tape.markets(EXCHANGE)}

    def traded(self, pair: str, first: datetime, last: datetime) -> set[datetime]:
        """Give the minutes of [first, last] that a candle of the market ended at."""
        opened = self.tape.columns(EXCHANGE, self.listed[pair], _number(first) - 1, _number(last) - 1).minute
        return {datetime.fromtimestamp((minute + 1) * 60, UTC) for minute in opened.tolist()}

    def shown(self, row: Mapping[str, Any]) -> set[float]:
        """Give the values that a sample (as `tracker read` writes it) may have."""
        pair = row["market"].partition(":")[2]
        one, price = self.listed[pair], row["metric"] == "price"
        units = self._polled(one, row, price=price) if row["origin"] == "poll" else self._candle(one, row, price=price)
        scale = 10 ** (one.price_decimals if price else one.volume_decimals)
        return {times * found / scale for found in units for times in (JUMPS.get(pair, (1.0,)) if price else (1.0,))}

    def _polled(self, one: Listed, row: Mapping[str, Any], *, price: bool) -> set[int]:
        received = datetime.fromisoformat(row["observed_at"])
        found = set()
        for at in (received, received - ON_THE_WAY):
            cached = datetime.fromtimestamp(int(at.timestamp()) // CACHED * CACHED, UTC)
            if day := ticker(self.tape, EXCHANGE, one, cached):
                found.add(day.last if price else day.volume)
        return found

    def _candle(self, one: Listed, row: Mapping[str, Any], *, price: bool) -> set[int]:
        ended = _number(datetime.fromisoformat(row["minute"]))
        if price:
            return set(self.tape.columns(EXCHANGE, one, ended - 1, ended - 1).close.tolist())
        return {int(self.tape.columns(EXCHANGE, one, ended - DAY, ended - 1).volume.sum())}


def faults(
    rows: Sequence[Mapping[str, Any]], pairs: Iterable[str], metrics: Sequence[str], span: tuple[datetime, datetime]
) -> list[str]:
    """Say what is wrong with the samples of `span`, both ends with it: lost, there twice, or not what was shown.

    A minute without a trade may be missing; every other one was polled or has a candle.
    """
    witness = Witness()
    there = Counter((row["market"], row["metric"], datetime.fromisoformat(row["minute"])) for row in rows)
    bad = [f"{' '.join(key[:2])} {key[2]:%H:%M} is there {count} times" for key, count in there.items() if count > 1]
    wanted = (
        (f"{EXCHANGE}:{pair}", metric, at) for pair in pairs for at in witness.traded(pair, *span) for metric in metrics
    )
    bad += [
        f"{market} {metric} {at:%H:%M} is lost"
        for market, metric, at in sorted(wanted)
        if not there[market, metric, at]
    ]
    for row in rows:
        right = sorted(witness.shown(row))
        if not any(math.isclose(row["value"], one, rel_tol=1e-9) for one in right):
            what = f"{row['market']} {row['metric']} {row['minute']}"
            bad.append(f"{what} is {row['value']} ({row['origin']}), not {right}")
    return bad


def standstill(rows: Iterable[Mapping[str, Any]], span: tuple[datetime, datetime]) -> int:
    """Count the minutes of the longest time within `span` in which nothing was polled."""
    polled = {datetime.fromisoformat(row["minute"]) for row in rows if row["origin"] == "poll"}
    first, last = span
    known = [first - MINUTE, *sorted(at for at in polled if first <= at <= last), last + MINUTE]
    return max((after - before) // MINUTE - 1 for before, after in pairwise(known))


def _number(minute: datetime) -> int:
    """Count minutes from 1970, as the tape does; a candle is named there by the minute it opened in."""
    return int(minute.timestamp()) // 60
