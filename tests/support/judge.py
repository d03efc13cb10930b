"""A second opinion on alerts: the definitions of DESIGN.md written down as naively as possible, none of our code in it.

Exact fractions, one series at a time, minute by minute; no arrays, no filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

HOUR = timedelta(hours=1)


@dataclass
class Told:
    """An alert as the definitions tell it."""

    fired: datetime
    resolved: datetime | None = None
    expired: datetime | None = None
    rises: int = 1
    peak: Fraction | None = None  # None: over a mean of 0


def above(
    values: dict[datetime, float], minute: datetime, factor: str = "3", least: int = 30
) -> tuple[bool, bool, object]:
    """Say whether the minute can be judged, whether it is above, and the ratio."""
    before = (minute - timedelta(minutes=back) for back in range(1, 61))
    hour = [Fraction(repr(values[one])) for one in before if one in values]
    if minute not in values or len(hour) < least:
        return False, False, None
    latest = Fraction(repr(values[minute]))
    ratio = latest * len(hour) / sum(hour) if sum(hour) else None
    return True, latest * len(hour) > Fraction(factor) * sum(hour), ratio


def told(
    values: dict[datetime, float], end: datetime, factor: str = "3", least: int = 30, below_for: int = 5
) -> list[Told]:
    """Tell every alert of one series from its first minute to `end`."""
    alerts: list[Told] = []
    current: Told | None = None
    last_judged = None
    was_above, below = False, 0
    minute = min(values, default=end)
    while minute <= end:
        judged, is_above, ratio = above(values, minute, factor, least)
        if current is not None and judged is False and minute - last_judged >= HOUR:
            current.expired, current = minute, None
        if judged:
            last_judged = minute
            if is_above:
                if current is None:
                    current = Told(minute, rises=1, peak=ratio)
                    alerts.append(current)
                else:
                    current.rises += not was_above
                    current.peak = None if current.peak is None or ratio is None else max(current.peak, ratio)
                below = 0
            elif current is not None:
                below += 1
                if below == below_for:
                    current.resolved, current = minute, None
            was_above = is_above
        minute += timedelta(minutes=1)
    return alerts
