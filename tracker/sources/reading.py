"""What every adapter reads alike: numbers, and when an answer may be stamped."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tracker.candles import Candles, Floats
from tracker.errors import BadAnswer
from tracker.model import MINUTE, POLL_WITHIN, Market, Metric, Origin, Poll, Problem, Sample, Series, iso
from tracker.sources.http import CLOCKS_APART, Answer

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,4})?", re.ASCII).fullmatch
_PLAIN = b"0123456789.,"


def number(value: Any) -> float | None:
    """Read a finite number as exchanges write it, in JSON or in a string; None for anything else.

    >>> number("79003.89"), number(1e-06), number(""), number("NaN"), number(True), number("1_000")
    (79003.89, 1e-06, None, None, None, None)
    """
    kind = type(value)  # JSON has no subclasses; a bool is not a number here
    if kind is float:
        found: float = value
    elif kind is int or (kind is str and _NUMBER(value)):
        try:
            found = float(value)
        except OverflowError:
            return None
    else:
        return None
    return found if math.isfinite(found) else None


def price(value: object) -> float | None:
    """Read a price: a finite number above zero, or None. Exchanges write 0 for "no price"."""
    found = number(value)
    return found if found is not None and found > 0 else None


def volume(value: object) -> float | None:
    """Read a volume: a finite number, zero or more, or None."""
    found = number(value)
    return found + 0.0 if found is not None and found >= 0 else None  # + 0.0 makes -0.0 zero


def poll(
    quotes: Mapping[Market, tuple[object, object] | None],
    minute: datetime,
    received_at: datetime,
    problems: Iterable[Problem] = (),
) -> Poll:
    """Make the samples of `minute` from (price, 24 h base volume) as the exchange wrote them.

    A market with no quote or no usable price has no sample, one with no usable volume has its price only; each
    is named in a problem.
    """
    samples: list[Sample] = []
    found = list(problems)
    for market, quote in quotes.items():
        if quote is None:
            found.append(Problem(str(market), "is not in the exchange's answer; no longer traded there?"))
            continue
        last, traded = price(quote[0]), volume(quote[1])
        if last is None:
            found.append(Problem(str(market), f"has no usable price: the exchange says {_said(quote[0])}"))
            continue
        samples.append(Sample(Series(market, Metric.PRICE), minute, last, received_at, Origin.POLL))
        if traded is None:
            found.append(Problem(str(market), f"has no usable 24 h volume: the exchange says {_said(quote[1])}"))
        else:
            samples.append(Sample(Series(market, Metric.VOLUME_24H), minute, traded, received_at, Origin.POLL))
    return Poll(tuple(samples), tuple(found))


def refuse_unless_live(exchange: str, answer: Answer) -> None:
    """Raise BadAnswer when an answer cannot be dated: the clocks disagree, or it comes from an old cache."""
    if abs(answer.skew) > CLOCKS_APART:
        ahead = answer.skew.total_seconds()
        raise BadAnswer(
            f"{exchange}: its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours; "
            "set the clock of this machine (NTP), or wait until the exchange has mended its own"
        )
    if answer.age > POLL_WITHIN:
        raise BadAnswer(f"{exchange}: the answer lay {answer.age.total_seconds():.0f} s in a cache; it is not live")


def untimely(exchange: str, minute: datetime, at: datetime) -> Poll | None:
    """Give the empty poll that says why nothing seen `at` is a sample of `minute`; None if it is one."""
    if minute <= at <= minute + POLL_WITHIN:
        return None
    seconds = (at - minute).total_seconds()
    when = f"{seconds:.0f} s after" if seconds > 0 else f"{-seconds:.0f} s before"
    limit = POLL_WITHIN.total_seconds()
    what = f"asked {when} {iso(minute)}: a poll counts from 0 to {limit:.0f} s after its minute; candles fill it"
    return Poll((), (Problem(exchange, what),))


def candles(market: Market, rows: Any, places: tuple[int, int, int, int, int, int], *, per_second: int = 1) -> Candles:
    """Read rows of candles, in their order; `places` of open time (`per_second`), open, high, low, close, base volume.

    A row without usable values is left out: null or non-positive prices, a time that is no whole minute, a close or
    an open outside [low, high]. BadAnswer when a row is no array with all those places.
    """
    rows = array(f"candles of {market}", rows)
    width = max(places) + 1
    for row in rows:
        if type(row) is not list or len(row) < width:
            raise BadAnswer(f"{market}: a candle should be an array of {width} values or more, not {str(row)[:60]}")
    at, first, high, low, last, traded = (numbers([row[place] for row in rows]) for place in places)
    at = at / per_second
    whole = (at >= 0) & (at < 2**33) & (at % 60 == 0)
    usable = whole & (traded >= 0) & (low > 0) & (low <= first) & (first <= high) & (low <= last) & (last <= high)
    if not usable.all():  # NaN, for no number, is in no range
        for index in np.flatnonzero(~usable).tolist():
            log.warning("%s: a candle that cannot be used was left out: %.100r", market, rows[index])
        at, first, high, low, last, traded = (one[usable] for one in (at, first, high, low, last, traded))
    return Candles(market, at.astype(np.int64), first, high, low, last, traded + 0.0)  # + 0.0 makes -0.0 zero


def numbers(values: Sequence[Any]) -> Floats:
    """Read a column of numbers as `number` does, NaN for None. Most columns are plain, and read at once."""
    kinds = set(map(type, values))
    if kinds <= {float, int} or (kinds == {str} and _are_plain(",".join(values))):
        with suppress(ValueError, OverflowError):  # a comma in a string; a whole number larger than any float
            found = np.fromiter(map(float, values), np.float64, len(values))
            found[~np.isfinite(found)] = np.nan
            return found
    read = map(number, values)
    return np.array([np.nan if one is None else one for one in read], np.float64)


def _are_plain(joined: str) -> bool:
    """Say whether only digits and points stand between the commas, a digit first: `float` reads it right, or fails."""
    return joined.isascii() and not joined.encode().translate(None, _PLAIN) and ",." not in f",{joined}"


def finished(parts: Iterable[Candles], market: Market, start: datetime, end: datetime) -> Candles:
    """Join the candles stamped in (start, end], oldest first; the later of two for the same minute counts."""
    return Candles.joined(market, parts).after(start).until(end).in_order()


def last_finished(end: datetime, clock: Callable[[], datetime]) -> datetime:
    """Give the last stamp at or before `end` whose candle is over: its minute has passed by our clock."""
    at = min(end, clock())
    return datetime.fromtimestamp(int(at.timestamp()) // 60 * 60, UTC)


def array(what: str, body: object) -> list[Any]:
    """Give the body if it is a JSON array; BadAnswer saying what came instead."""
    if isinstance(body, list):
        return body
    raise BadAnswer(f"{what} should be a JSON array, not {_said(body)}")


def table(what: str, body: object) -> dict[str, Any]:
    """Give the body if it is a JSON object; BadAnswer saying what came instead."""
    if isinstance(body, dict):
        return body
    raise BadAnswer(f"{what} should be a JSON object, not {_said(body)}")


def _said(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def first_stamp(start: datetime) -> datetime:
    """Give the first whole minute after `start`."""
    return datetime.fromtimestamp(int(start.timestamp()) // 60 * 60, UTC) + MINUTE
