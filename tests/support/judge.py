"""A second opinion on alerts: the definitions of DESIGN.md written down as naively as possible, none of our code in it.

Exact fractions, one series at a time, minute by minute; no arrays, no filters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

HOUR = timedelta(hours=1)


@dataclass
class Told:
    """An alert as the definitions tell it: `events` are (event, minute, rises by then)."""

    fired: datetime
    events: list[tuple[str, datetime, int]] = field(default_factory=list)
    rises: int = 1
    peak: Fraction | None = None  # None: over a mean of 0

    @property
    def resolved(self) -> datetime | None:
        """When it ended for the last time, by samples below."""
        return next((minute for event, minute, _ in reversed(self.events) if event == "resolved"), None)


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


def told(  # noqa: C901 - the definitions, one after the other
    values: dict[datetime, float],
    end: datetime,
    factor: str = "3",
    least: int = 30,
    below_for: int = 5,
    *,
    cooldown: int = 30,
    lasting: int = 0,
) -> list[Told]:
    """Tell every alert of one series from its first minute to `end`."""
    alerts: list[Told] = []
    current: Told | None = None  # the open one
    cooling: Told | None = None  # the one that may be reopened
    last_judged = rising = None
    was_above, below = False, 0
    minute = min(values, default=end)
    while minute <= end:
        judged, is_above, ratio = above(values, minute, factor, least)
        if current is not None and judged is False and minute - last_judged >= HOUR:
            current.events.append(("expired", minute, current.rises))
            current, cooling, rising = None, None, None
        if judged:
            if not is_above or (last_judged is not None and minute - last_judged > HOUR):
                rising = None
            if is_above and rising is None:
                rising = minute
            last_judged = minute
            begins = current is None and is_above and minute - rising >= timedelta(minutes=lasting)
            if begins and cooling is not None and minute - cooling.resolved <= timedelta(minutes=cooldown):
                current, below = cooling, 0
                current.rises += not lasting  # a rise that lasts was counted when it began
                current.events.append(("firing", minute, current.rises))
            elif begins:
                current, below = Told(minute, peak=ratio), 0
                current.events.append(("firing", minute, 1))
                alerts.append(current)
            elif current is not None and is_above:
                current.rises += not was_above
                current.peak = None if current.peak is None or ratio is None else max(current.peak, ratio)
                below = 0
            elif current is not None:
                below += 1
                if below == below_for:
                    current.events.append(("resolved", minute, current.rises))
                    current, cooling, rising = None, current, None
            was_above = is_above
        minute += timedelta(minutes=1)
    return alerts


def counted(values: dict[datetime, float], factor: str) -> tuple[int, int]:
    """Count alerts and risings of one series (min 30, resolve after 5, cooldown 30) in whole numbers and sliding sums.

    A third way besides ours and `told`, quick enough for every market of a recording.
    """
    whole = {int(at.timestamp()) // 60: int(Decimal(repr(value)).scaleb(15)) for at, value in values.items()}
    limit = Fraction(factor)
    total = n = below = alerts = risings = 0
    is_open, last, ended = False, 0, None
    for minute in range(min(whole), max(whole) + 1):
        total, n = total + whole.get(minute - 1, 0), n + (minute - 1 in whole)
        total, n = total - whole.get(minute - 61, 0), n - (minute - 61 in whole)
        if minute not in whole or n < 30:
            if is_open and minute - last >= 60:
                is_open, ended = False, None
            continue
        last = minute
        is_above = whole[minute] * n * limit.denominator > limit.numerator * total
        if is_open:
            below = 0 if is_above else below + 1
            if below == 5:
                is_open, ended = False, minute
        elif is_above:
            risings += 1
            alerts += ended is None or minute - ended > 30
            is_open, below = True, 0
    return alerts, risings
