"""Compare generated lives of alerts minute by minute with Prometheus' promtool (Debian: prometheus; `make promtool`).

python -m bench.promtool_oracle [promtool]
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.support.promtool import agrees
from tests.support.windows import at, window
from tracker.alerts import AlertRule, Comparison, Event, Kind, history
from tracker.model import MINUTE, Market, Metric, Series

LENGTH = 200
CASES = 60
FEED = 3

ONCE = AlertRule("r", Metric.PRICE, resolve_after=1, cooldown=0)
CHANGE = replace(ONCE, kind=Kind.CHANGE_PERCENT, limit="22", window=10)
THRESHOLD = replace(ONCE, kind=Kind.THRESHOLD, limit="3.2")
SILENT = replace(ONCE, comparison=Comparison.AT_LEAST, window=3)
SCENARIOS = (  # the rule, and whether the series have gaps
    (ONCE, True),
    (replace(ONCE, limit="1.5", window=20, min_samples=10), True),
    (replace(ONCE, limit="0.5", comparison=Comparison.BELOW), True),
    (replace(ONCE, comparison=Comparison.AT_LEAST, limit="2.1"), True),
    (replace(ONCE, resolve_after=5), False),
    (replace(ONCE, resolve_after=5, cooldown=30), False),
    (replace(ONCE, lasting=3), False),
    (replace(ONCE, lasting=2, resolve_after=5), False),
    (CHANGE, True),
    (replace(CHANGE, limit="-30", comparison=Comparison.AT_MOST, window=30), True),
    (replace(CHANGE, lasting=4, resolve_after=3), False),
    (THRESHOLD, True),
    (replace(THRESHOLD, limit="1", comparison=Comparison.BELOW, lasting=5, resolve_after=2), False),
    (replace(SILENT, kind=Kind.NO_DATA), True),
    (replace(SILENT, kind=Kind.NO_DATA, lasting=4, resolve_after=3), True),
    (replace(SILENT, kind=Kind.FEED_DOWN), True),
)


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


def feeds(chance: random.Random) -> list[list[float | None]]:
    """Draw series of which those of one exchange often fall silent together."""
    found = []
    for _ in range(CASES // FEED):
        common = generated(chance, gaps=True)
        own = [generated(chance, gaps=True) for _ in range(FEED)]
        found += [[None if common[n] is None else value for n, value in enumerate(one)] for one in own]
    return found


def ours(values: list[list[float | None]], rule: AlertRule) -> dict[str, set[int]]:
    """Give the minutes at which the alert of each series, or of each feed, is open."""
    series = {Series(Market(f"x{n // FEED}", f"C{n}", "USD"), Metric.PRICE): one for n, one in enumerate(values)}
    minutes: dict[str, set[int]] = {}
    begun: dict[str, int] = {}
    for one in history([rule], window(series), at(-1), at(LENGTH - 1)):
        market = one.series.market
        case = market.exchange[1:] if rule.kind is Kind.FEED_DOWN else market.base[1:]
        index = (one.minute - at(0)) // MINUTE
        if one.event is Event.FIRING:
            begun[case] = index
        else:
            minutes.setdefault(case, set()).update(range(begun.pop(case), index))
    for case, since in begun.items():
        minutes.setdefault(case, set()).update(range(since, LENGTH))
    return minutes


def judged(values: list[float | None], minute: int, rule: AlertRule) -> bool:
    """Say whether a rule about values can be judged: a minute that cannot is not above for promtool."""
    if rule.kind.silence:
        return True
    if values[minute] is None:
        return False
    hour = values[max(0, minute - rule.window) : minute]
    if rule.kind is Kind.RATIO_TO_MEAN:
        return len(hour) - hour.count(None) >= rule.min_samples
    first = minute - rule.window
    return rule.kind is Kind.THRESHOLD or any(one is not None for one in values[max(0, first - 5) : first + 1])


def main(arguments: list[str]) -> int:
    """Run both judges and print what they agree on; 1 if they do not."""
    promtool = arguments[0] if arguments else shutil.which("promtool")
    if promtool is None:
        print("no promtool here: `make promtool` installs Debian's package prometheus", file=sys.stderr)
        return 2
    chance = random.Random(20260301)
    bad = cases = 0
    for rule, gaps in SCENARIOS:
        by_feed = rule.kind is Kind.FEED_DOWN
        values = feeds(chance) if by_feed else [generated(chance, gaps=gaps) for _ in range(CASES)]
        began = time.perf_counter()
        opened = ours(values, rule)
        spent = time.perf_counter() - began
        if gaps and not rule.kind.silence:
            opened = {case: {one for one in found if judged(values[int(case)], one, rule)}
                      for case, found in opened.items()}  # fmt: skip
        names = sorted(opened, key=int)
        firing = [(minute + 1, [case for case in names if minute in opened[case]]) for minute in range(LENGTH)]
        with tempfile.TemporaryDirectory() as folder:
            problem = agrees(promtool, Path(folder), values, rule, firing, feed=FEED)
        total = sum(len(found) for _, found in firing)
        cases += CASES
        what = f"{rule.kind.value} {rule.comparison.value} {rule.limit}, window {rule.window}, for {rule.lasting}"
        what += f", resolve_after {rule.resolve_after}, cooldown {rule.cooldown}, {'gaps' if gaps else 'no gaps'}"
        verdict = "agree" if problem is None else "DISAGREE"
        print(f"{verdict:8} {what:95} {total:5} open minutes, ours in {spent:.2f} s")
        if problem:
            bad = 1
            print(problem)
    print(f"{cases} generated series x {LENGTH} minutes")
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
