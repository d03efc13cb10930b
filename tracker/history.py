"""Turn candles into samples: the past as the polls of its minutes would have seen it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import TYPE_CHECKING

import numpy as np

from tracker.frames import series_table
from tracker.model import DAY, HOUR, MINUTE, Metric, Origin, Series, whole_hour

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from tracker.candles import Candles, Floats, Seconds, Traded

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


def samples(
    candles: Candles, traded: Traded, start: datetime, end: datetime, metrics: Sequence[Metric]
) -> list[pa.Table]:
    """Give the samples stamped in (start, end] from the candles of one market: a table (frames.SAMPLES) a metric.

    `traded` are the volumes of these candles and of those before them. `price` is the close. `volume_24h` is the
    exact decimal sum of the base volumes stamped in (t-24h, t]. It is given only where a candle at or before t-24h,
    and within LOOKBACK of the hour of t, shows that the market traded all that time: a sum over less than a day would
    look like a jump. A minute without a candle has no samples. The answer for a minute depends on the candles in
    (its hour - LOOKBACK, minute] only, so loading a longer range changes nothing. `observed_at` is the close of the
    candle.
    """
    found = []
    if Metric.PRICE in metrics:
        rows = _between(candles.stamps, start, end)
        found.append(
            series_table(Series(candles.market, Metric.PRICE), candles.stamps[rows], candles.close[rows], Origin.CANDLE)
        )
    if Metric.VOLUME_24H in metrics:
        rows = _between(traded.stamps, start, end)
        minutes = traded.stamps[rows]
        before = np.searchsorted(traded.stamps, minutes - _DAY, side="right")
        oldest = minutes - minutes % _HOUR - _LOOKBACK
        known = (before > 0) & (traded.stamps[before - 1] > oldest) if len(rows) else before > 0
        volumes = decimal_sums(traded.volume, before[known], rows[known] + 1)
        found.append(series_table(Series(candles.market, Metric.VOLUME_24H), minutes[known], volumes, Origin.CANDLE))
    return found


def _between(stamps: Seconds, start: datetime, end: datetime) -> NDArray[np.int64]:
    """Give the rows stamped in (start, end]."""
    return np.arange(*np.searchsorted(stamps, [start.timestamp(), end.timestamp()], side="right"))


def decimal_sums(values: Floats, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats:
    """Give the sums of values[first:last], as if each value were its shortest decimal, rounded once to a float.

    What exchanges write has few digits: as whole numbers of the smallest step the sums are exact in int64. A decimal
    of up to 15 digits is the only such one that its float stands for (IEEE 754, DBL_DIG), so it is the shortest.
    Values that are not so are added as decimals.
    """
    most = float(values.max(initial=0.0))
    for places in range(_MOST_PLACES + 1):
        scale = 10.0**places
        if most * scale * max(len(values), 10) >= _EXACT_BELOW:
            break
        whole = np.rint(values * scale)
        if (whole / scale == values).all():
            sums = np.concatenate(([0], np.cumsum(whole.astype(np.int64))))
            return (sums[last] - sums[first]) / scale
    return _decimal_sums(values, first, last)


def _decimal_sums(values: Floats, first: NDArray[np.int64], last: NDArray[np.int64]) -> Floats:
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
