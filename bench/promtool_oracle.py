"""Compare 300 generated lives of alerts minute by minute with Prometheus' promtool (Debian: prometheus).

python -m bench.promtool_oracle [promtool]
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.support.promtool import agrees
from tests.support.windows import at, window
from tracker.alerts import AlertRule, Event, history
from tracker.model import MINUTE, Market, Metric, Series

LENGTH = 200
CASES = 300
RULE = AlertRule("r", Metric.PRICE)


def generated(chance: random.Random, *, gaps: bool) -> list[float | None]:
    """Draw a series: levels that step, spike, flap and climb, with noise; some minutes missing."""
    values: list[float | None] = []
    while len(values) < LENGTH:
        level = chance.choice([1, 1, 1, 2, 3.01, 3.2, 3.5, 4, 5, 10, 100, 0.1])
        quiet = chance.choice([0, 0.001, 0.05])
        values += [level * (1 + chance.uniform(0, quiet)) for _ in range(chance.choice([1, 2, 3, 5, 20, 40, 70]))]
    if gaps:
        for _ in range(chance.randrange(1, 9)):
            start = chance.randrange(LENGTH)
            for index in range(start, min(LENGTH, start + chance.choice([1, 2, 4, 6, 15, 40]))):
                values[index] = None
    return values[:LENGTH]


def ours(values: list[list[float | None]], resolve_after: int) -> list[set[int]]:
    """Give the minutes at which the alert of each series is open."""
    named = {Series(Market("x", f"C{number}", "USD"), Metric.PRICE): one for number, one in enumerate(values)}
    rule = AlertRule("r", Metric.PRICE, resolve_after=resolve_after)
    minutes: dict[str, set[int]] = {str(series): set() for series in named}
    begun: dict[str, int] = {}
    for one in history([rule], window(named), at(-1), at(LENGTH + 100)):
        index = (one.minute - at(0)) // MINUTE
        if one.event is Event.FIRING:
            begun[str(one.series)] = index
        else:
            minutes[str(one.series)] |= set(range(begun.pop(str(one.series)), index))
    for series, since in begun.items():
        minutes[series] |= set(range(since, LENGTH))
    return [minutes[str(series)] for series in named]


def judged(values: list[float | None], minute: int) -> bool:
    """Say whether there is a sample, and enough of them in the hour before."""
    hour = values[max(0, minute - 60) : minute]
    return minute < LENGTH and values[minute] is not None and len(hour) - hour.count(None) >= RULE.min_samples


def main() -> int:
    """Run both judges and print what they agree on; 1 if they do not."""
    promtool = sys.argv[1] if len(sys.argv) > 1 else shutil.which("promtool")
    if promtool is None:
        print("no promtool here: install Debian's package prometheus", file=sys.stderr)
        return 2
    chance = random.Random(20260301)
    bad = 0
    for name, gaps, after in (("above", True, 1), ("open", False, 5)):
        values = [generated(chance, gaps=gaps) for _ in range(CASES)]
        began = time.perf_counter()
        opened = ours(values, after)
        if gaps:  # without memory: a minute that cannot be judged is not above
            opened = [{minute for minute in one if judged(values[n], minute)} for n, one in enumerate(opened)]
        spent = time.perf_counter() - began
        firing = [(name, minute + 1, [n for n in range(CASES) if minute in opened[n]]) for minute in range(LENGTH)]
        with tempfile.TemporaryDirectory() as folder:
            problem = agrees(promtool, Path(folder), values, firing)
        total = sum(len(numbers) for *_, numbers in firing)
        verdict = "agree" if problem is None else "DISAGREE"
        print(f"{name:6} {CASES} series x {LENGTH} minutes, {total} firing minutes, ours in {spent:.2f} s: {verdict}")
        if problem:
            bad = 1
            print(problem)
    return bad


if __name__ == "__main__":
    sys.exit(main())
