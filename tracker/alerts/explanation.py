"""Explain a rule before it surprises anybody: in words, in arithmetic, and by what it nearly caught."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from tracker.alerts.columns import columns, minute_of, number_of
from tracker.alerts.values import LOST_MINUTES, AlertRule
from tracker.model import HOUR, Series

if TYPE_CHECKING:
    import pyarrow as pa

WINDOW = 60  # minutes of the mean
_STEPS = (Fraction("1.01"), Fraction("1.2"), Fraction("1.5"), Fraction(2), Fraction(4))  # of the factor


@dataclass(frozen=True, slots=True)
class Miss:
    """The judged minute that came nearest to firing without being above."""

    series: Series
    minute: datetime
    ratio: float  # latest / mean of the hour before


def minutes_above(factor: str, step: Fraction, samples: int = WINDOW) -> int:
    """Say for how many minutes a lasting step to `step` times a flat level stays above `factor` times its mean.

    After j minutes at the new level the mean is (samples - j + j * step) / samples of the old level, as long as the
    hour holds `samples` minutes; the step is above while step > factor * mean. With every minute there:

    >>> [minutes_above("3", Fraction(k)) for k in ("3", "3.01", "4", "10", "1000000000")]
    [0, 1, 7, 16, 20]
    """
    limit = Fraction(factor)
    if step <= limit:
        return 0
    return ceil(samples * (step - limit) / (limit * (step - 1)))


def explain(rule: AlertRule) -> list[str]:
    """Say in sentences what a rule does, when it can fire at all, and what it cannot see."""
    factor = Fraction(rule.factor)
    where = "every market" if rule.markets == ("*",) else f"markets like {', '.join(rule.markets)}"
    floor = f", and that mean is at least {rule.min_mean}" if Decimal(rule.min_mean) else ""
    steps = ", ".join(f"{_times(factor * step)} for {minutes_above(rule.factor, factor * step)}" for step in _STEPS)
    blind = _times(factor * Fraction(WINDOW - 1 + 100, WINDOW))
    return [
        f"{rule.name} watches the {rule.metric.label} of {where}; severity {rule.severity.value}.",
        f"It fires when the latest value is strictly more than {rule.factor} times the mean of the hour before{floor}.",
        f"Exactly {rule.factor} times does not fire: both sides are compared as the decimals they are written as.",
        f"It needs {rule.min_samples} of the {WINDOW} minutes before; with fewer it is warming and cannot fire.",
        f"After a lasting step from a flat level it stays above for so many minutes: {steps}.",
        f"It is never above for more than {ceil(WINDOW / factor)} minutes, because the mean catches up.",
        "It sees jumps: a climb that takes an hour must be many times larger to fire.",
        f"A spike blinds it: for an hour after one minute at 100 times, only a jump above {blind} fires.",
        f"It resolves after {rule.resolve_after} minutes in a row with a value that is not above.",
        "Rises before that belong to the same alert, and minutes without a value do not count.",
        f"After {LOST_MINUTES} minutes that cannot be judged the alert expires: lost sight of, not resolved.",
    ]


def nearest_miss(rule: AlertRule, window: pa.Table, start: datetime, end: datetime) -> Miss | None:
    """Find the judged minute of (start, end] with the largest ratio that was not above; None if none was judged.

    `window` holds the samples of (start - 1h, end] at least. Floats decide: this informs, it does not alert.
    """
    samples = columns(window, start - HOUR, end)
    best: tuple[float, int, int] | None = None
    for block in samples.blocks(samples.chosen(rule), 2_000_000):
        rows, owners = samples.rows(block)
        values, minutes = samples.values[rows], samples.minutes[rows]
        keys = (owners << 32) + minutes
        firsts = np.searchsorted(keys, keys - WINDOW)
        counts = np.arange(len(rows)) - firsts
        judged = np.flatnonzero((counts >= max(1, rule.min_samples)) & (minutes > number_of(start)))
        if not len(judged):
            continue
        means = np.add.reduceat(values, np.stack([firsts[judged], judged], axis=1).reshape(-1))[::2] / counts[judged]
        ratios = np.divide(values[judged], means, out=np.full(len(judged), -1.0), where=means > 0)
        ratios[(ratios > float(rule.factor)) & (means >= float(rule.min_mean))] = -1.0
        top = int(np.argmax(ratios))
        if ratios[top] >= 0 and (best is None or ratios[top] > best[0]):
            best = float(ratios[top]), int(owners[judged[top]]), int(minutes[judged[top]])
    return None if best is None else Miss(samples.series(best[1]), minute_of(best[2]), best[0])


def _times(number: Fraction) -> str:
    return f"{float(number):.4g}×"
