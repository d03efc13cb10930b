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
_PLAIN = re.compile(r"(?:\d+(?:\.\d*)?(?:,|\Z))*", re.ASCII).fullmatch


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
    at, traded = number(opened), volume(numbers[4])
    first, high, low, last = price(numbers[0]), price(numbers[1]), price(numbers[2]), price(numbers[3])
    if at is None or at % 60 or not 0 <= at < 2**33 or traded is None:
        return None
    if first is None or high is None or low is None or last is None:
        return None
    if not (low <= first <= high and low <= last <= high):
        return None
    return Candle(market, datetime.fromtimestamp(at, UTC), first, high, low, last, traded)


def finished(candles: Iterable[Candle], start: datetime, end: datetime) -> list[Candle]:
    """Keep the candles stamped in (start, end], oldest first; the later of two for the same minute counts."""
    kept = {one.opened: one for one in candles if start < one.minute <= end}
    return [kept[opened] for opened in sorted(kept)]


def over(candles: Iterable[Candle], answer: Answer) -> list[Candle]:
    """Keep the candles that had ended when the exchange answered, by its clock too: ours may run ahead."""
    return [one for one in candles if one.minute <= answer.as_of]


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
