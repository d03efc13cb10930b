"""What a rule nearly caught, and for how long what it catches can last."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from tracker.alerts.columns import columns, number_of
from tracker.alerts.judging import Miss, extremes, nearest
from tracker.alerts.values import AlertRule
from tracker.model import DAY, Series

if TYPE_CHECKING:
    import pyarrow as pa


def minutes_above(factor: str, step: Fraction, window: int = 60) -> int:
    """Say for how many minutes a lasting step to `step` times a flat level stays above `factor` times its mean.

    After j minutes at the new level the mean is (window - j + j * step) / window of the old level, as long as every
    minute has a sample; the step is above while step > factor * mean.

    >>> [minutes_above("3", Fraction(k)) for k in ("3", "3.01", "4", "10", "1000000000")]
    [0, 1, 7, 16, 20]
    """
    limit = Fraction(factor)
    if step <= limit:
        return 0
    return ceil(window * (step - limit) / (limit * (step - 1)))


def nearest_miss(rule: AlertRule, window: pa.Table, start: datetime, end: datetime) -> Miss | None:
    """Find the judged minute of (start, end] that came nearest to firing and did not; None if none was judged.

    `window` holds the samples of (start - 24h, end].
    """
    return nearest(rule, columns(window, start - DAY, end), number_of(start), number_of(end))


def most_extreme(rule: AlertRule, window: pa.Table, start: datetime, end: datetime) -> dict[Series, float]:
    """Give the most extreme latest / base of each series in (start, end]; nothing of a rule about silence."""
    if rule.kind.silence:
        return {}
    return dict(extremes(rule, columns(window, start - DAY, end), number_of(start)))
