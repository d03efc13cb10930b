"""A chart of an hour that every mail client can show: bars of a table, and block characters in the text part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

COLUMNS = 31
"""The hour up to the alert in steps of 2 minutes; the last column is the minute of the alert alone."""

HEIGHT = 36
"""Pixels of the tallest bar."""

_BLOCKS = "▁▂▃▄▅▆▇█"
_GAP = "·"
_FLOOR = 0.12  # of the height: the shortest bar is still a bar


@dataclass(frozen=True, slots=True)
class Sparkline:
    """`heights` in pixels, 0 where there is no sample; `text` the same in one line; `caption` says what it spans."""

    heights: tuple[int, ...]
    text: str
    caption: str


def sparkline(values: Sequence[float | None], write: Callable[[float], str]) -> Sparkline | None:
    """Draw the values of an hour, one a minute, oldest first; None with fewer than two.

    Each column shows the value farthest from the median of all, so that a spike of one minute is seen. The scale
    begins at 0 where the values span a wide range, else a little below the lowest: a steady price is a level line.

    >>> sparkline([1.0] * 60 + [4.0], str).text
    '▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂█'
    """
    there = [one for one in values if one is not None]
    if len(there) < 2:
        return None
    low, high = min(there), max(there)
    columns = [_farthest(part, median(there)) for part in _parts(values)]
    foot = 0.0 if high >= 2 * low else low - _FLOOR * (high - low)
    shares = [None if one is None else (one - foot) / (high - foot) if high > foot else _FLOOR for one in columns]
    return Sparkline(
        heights=tuple(0 if one is None else max(2, round(one * HEIGHT)) for one in shares),
        text="".join(_GAP if one is None else _BLOCKS[min(7, int(one * 7.999))] for one in shares),
        caption=f"the hour before, {write(low)} to {write(high)}",
    )


def _parts(values: Sequence[float | None]) -> list[Sequence[float | None]]:
    """Cut an hour into columns from its end."""
    head, last = values[:-1], values[-1:]
    size = -(-len(head) // (COLUMNS - 1))
    return [*(head[at : at + size] for at in range(0, len(head), size)), last]


def _farthest(values: Sequence[float | None], middle: float) -> float | None:
    return max((one for one in values if one is not None), key=lambda one: abs(one - middle), default=None)
