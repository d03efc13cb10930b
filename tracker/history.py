"""Turn candles into samples: the past as the polls of its minutes would have seen it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import TYPE_CHECKING

import numpy as np

from tracker.frames import merged, series_table
from tracker.model import DAY, HOUR, MINUTE, Metric, Origin, Series, whole_hour

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tracker.candles import Candles, Floats

LOOKBACK = timedelta(hours=30)
"""How far before an hour its candles must be known: 24 h to sum, 6 h to see that the market already traded."""

_EXACT = Context(prec=60)
_EXACT_BELOW = 2.0**53
_MOST_PLACES = 15
_DAY, _HOUR, _LOOKBACK = (int(one.total_seconds()) for one in (DAY, HOUR, LOOKBACK))


def hours(start: datetime, end: datetime) -> Iterator[datetime]:
    """Give each hour that holds a stamp of (start, end], oldest first.

    >>> from datetime import UTC
    >>> [hour.hour for hour in hours(datetime(2026, 1, 1, 9, 59, tzinfo=UTC), datetime(2026, 1, 1, 11, 0, tzinfo=UTC))]
    [10, 11]
    """
    hour = whole_hour(start + MINUTE)
    while hour <= end:
        yield hour
        hour += HOUR


def samples(candles: Sequence[Candle], start: datetime, end: datetime, metrics: Sequence[Metric]) -> list[Sample]:
    """Give the samples stamped in (start, end] from the candles of one market, oldest first.

    `price` is the close. `volume_24h` is the exact decimal sum of the base volumes stamped in (t-24h, t]. It is
    given only where a candle at or before t-24h, and within LOOKBACK of the hour of t, shows that the market
    traded all that time: a sum over less than a day would look like a jump. A minute without a candle has no
    samples. The answer for a minute depends on the candles in (its hour - LOOKBACK, minute] only, so loading
    a longer range changes nothing. `observed_at` is the close of the candle.
    """
    stamps = [candle.minute for candle in candles]
    sums = [Decimal(0)]
    for value in values.tolist():
        sums.append(_EXACT.add(sums[-1], Decimal(repr(value))))
    pairs = zip(first.tolist(), last.tolist(), strict=True)
    return np.array([float(_EXACT.subtract(sums[b], sums[a])) for a, b in pairs], np.float64)


def gaps(present: Iterable[datetime], start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Give the stretches (from, to] of (start, end] in which no minute of `present` lies, oldest first.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> [(a.minute, b.minute) for a, b in gaps([noon + MINUTE, noon + 4 * MINUTE], noon, noon + 5 * MINUTE)]
    [(1, 3), (4, 5)]
    """
    found = []
    last = start
    for minute in sorted({one for one in present if start < one <= end} | {end + MINUTE}):
        if minute - last > MINUTE:
            found.append((last, minute - MINUTE))
        last = minute
    return found


def stretches(hours_: Iterable[datetime]) -> list[tuple[datetime, datetime]]:
    """Join hours that follow each other into ranges of stamps (start, end].

    >>> from datetime import UTC
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> [(f"{a:%H:%M}", f"{b:%H:%M}") for a, b in stretches([noon, noon + HOUR, noon + 3 * HOUR])]
    [('11:59', '13:59'), ('14:59', '15:59')]
    """
    found: list[tuple[datetime, datetime]] = []
    for hour in sorted(hours_):
        start, end = hour - MINUTE, hour + HOUR - MINUTE
        if found and found[-1][1] == start:
            start = found.pop()[0]
        found.append((start, end))
    return found
