"""How exact the statistics are on hostile series: relative errors against correctly rounded sums, beside others.

`python -m bench.accuracy`: 1,440 minutes each. The oracle takes two passes of `math.fsum`; pandas is `std(ddof=0)` of a
groupby. A constant must be exactly 0; what the store refuses never comes so far.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from tracker.errors import PermanentError
from tracker.frames import check_samples, merged, samples_table, summary_rows
from tracker.model import MINUTE, Market, Metric, Origin, Sample, Series
from tracker.stats import summarise

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = 1440


def hostile() -> dict[str, list[float | None]]:
    """Give series by what is hard about them, oldest first; None is a gap."""
    rng = random.Random(7)
    walk = [100.0]
    for _ in range(DAY - 1):
        walk.append(round(walk[-1] * (1 + rng.gauss(0, 0.001)), 2))
    return {
        "a walk": list(walk),
        "1e5 +- 0.01": [1e5 + rng.choice([-0.01, 0.01]) for _ in range(DAY)],
        "one value a cent off": [65000.0] * (DAY - 1) + [65000.01],
        "constant 0.1": [0.1] * DAY,
        "constant 63478.28": [63478.28] * DAY,
        "a 1000x spike inside": [1.0] * 700 + [1000.0] + [1.0] * (DAY - 701),
        "the spike just left": [100_000.0, *walk],
        "gaps, half of it": [one if rng.random() < 0.5 else None for one in walk],
        "an outage of 20 h": [*walk[:120], *[None] * 1200, *walk[:120]],
        "one sample": [*[None] * (DAY - 1), 5.0],
        "two samples": [*[None] * (DAY - 2), 1.0, 3.0],
        "1e-90": [one * 1e-90 for one in walk],
        "1e90": [one * 1e90 for one in walk],
        "satoshis": [1e-8 * (1 + n % 3) for n in range(DAY)],
        "volume 1e10": [1e10 + n % 7 for n in range(DAY)],
        "zeros, one trade": [*[0.0] * (DAY - 1), 12.5],
    }


def exact(values: Sequence[float]) -> float | None:
    """Give the population standard deviation in two passes, each correctly rounded."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return 0.0 if len(set(values)) == 1 else math.sqrt(math.fsum((one - mean) ** 2 for one in values) / len(values))


def off(found: float | None, expected: float | None) -> str:
    """Say how far a number is from the right one."""
    if found is None or expected is None or math.isnan(found):
        return "none" if expected is None and (found is None or math.isnan(found)) else "WRONG"
    if expected == 0:
        return "exactly 0" if found == 0 else f"{found:.0e} for 0"
    return f"{abs(found / expected - 1):.0e}"


def refused() -> list[str]:
    """Offer values that mean nothing, and say what became of them."""
    said = []
    for value in (math.nan, math.inf, -1.0, 5e-324, 1e-310, 1e308):
        rows = samples_table([Sample(Series(Market("x", "A", "B"), Metric.PRICE), NOON, value, NOON, Origin.POLL)])
        try:
            check_samples(rows)
        except PermanentError:
            said.append(f"{value!r} refused")
        else:
            said.append(f"{value!r} TAKEN")
    return said


def main(_arguments: list[str]) -> int:
    """Print the table; 1 where our error exceeds 1e-9, a constant is not 0, or ranks differ."""
    markets = {name: Market("x", f"B{n}", "Q") for n, name in enumerate(hostile())}
    rows, kept = [], {}
    for name, values in hostile().items():
        first = NOON - (len(values) - 1) * MINUTE
        pairs = [(first + n * MINUTE, value) for n, value in enumerate(values) if value is not None]
        series = Series(markets[name], Metric.VOLUME_24H)
        rows.append(samples_table([Sample(series, at, value, at, Origin.POLL) for at, value in pairs]))
        kept[name] = [value for at, value in pairs if at > NOON - DAY * MINUTE]
    summary = {row.market: row for row in summary_rows(summarise(merged(rows), NOON))}
    others: dict[str, Callable[[list[float]], float]] = {
        "pandas": lambda some: float(pd.Series(some).groupby([0] * len(some)).std(ddof=0).iloc[0]),
        "numpy": lambda some: float(np.std(some)),
    }
    print(f"{'series':<24}{'ours':>12}" + "".join(f"{name:>12}" for name in others) + f"{'rank':>6}{'of fsum':>9}")
    right = {name: exact(values) for name, values in kept.items()}
    wrong = 0
    for name, values in kept.items():
        row, expected = summary[markets[name]], right[name]
        rank = None if expected is None else 1 + sum(one > expected for one in right.values() if one is not None)
        ours = off(row.stdev_24h, expected)
        wrong += row.rank != rank or ours == "WRONG" or " for 0" in ours
        wrong += expected not in {None, 0.0} and abs((row.stdev_24h or 0) / (expected or 1) - 1) > 1e-9
        cells = "".join(f"{off(std(values) if len(values) > 1 else None, expected):>12}" for std in others.values())
        print(f"{name:<24}{ours:>12}{cells}{row.rank or '-':>6}{rank or '-':>9}")
    said = refused()
    print("offered as a price:", ", ".join(said))
    return 1 if wrong or any("TAKEN" in one for one in said) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
