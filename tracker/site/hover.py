"""The samples of a chart as text for the reader's browser, which reads them out while one points at the chart."""

from __future__ import annotations

import zlib
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from tracker.site.formats import decimal
from tracker.site.samples import DAY_MINUTES, Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS = 6
"""Significant digits of what is read out: as many as a price is printed with."""

GROWTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""By so much the unit of hovering may grow."""

BITS_SAVED = 1.1
"""Bits of a difference that one growth saves, about (three growths are tenfold): so many need not be tried."""

_GROWN = np.log2(GROWTHS)


def encode(samples: Samples, most: int = 2000) -> str:
    """Write all samples for the reader's browser: a unit, a space, then each minute's difference to the one before.

    Differences count units, as base 64 VLQ of source maps: five bits a character, lowest first, the lowest bit of all
    is the sign, 32 says that more follow; the characters are `?` to `~`. `!` and a number is so many minutes without a
    sample. The unit is the last decimal of the values, or the sixth significant digit of the largest. Where that takes
    more than `most` bytes, compressed, the unit grows until it does not, and a `~` comes first.

    >>> encode(Samples(np.array([1, 2, 3, 1440]), np.array([1.5, 1.5, 1.25, 2])))
    '0.01 kH?r@!wxAuC'
    """
    last = DIGITS - 1 - decimal(float(samples.values.max())).adjusted()
    while last > 0 and (np.round(samples.values, last - 1) == samples.values).all():
        last -= 1
    skipped, absent = _skipped(samples)

    def grown(place: int) -> tuple[str, int]:
        """Write with this growth; give the bytes it takes too."""
        unit = GROWTHS[place] * Decimal(1).scaleb(-last)
        steps = np.rint(samples.values / float(unit)).astype(np.int64)
        steps[1:] -= steps[:-1].copy()
        text = f"{unit:f} {_vlq(np.abs(steps) * 2 + (steps < 0), skipped, absent)}"
        return text, len(zlib.compress(text.encode()))

    place = _growth_to_try(samples.values * 10.0**last, most)
    text, size = grown(place)
    if place and size < most / 2:  # differences that repeat take less than any guess
        place, (text, size) = 0, grown(0)
    while size > most and place < len(GROWTHS) - 1:
        place = min(place + max(1, int((size - most) * 8 / len(samples) / BITS_SAVED)), len(GROWTHS) - 1)
        text, size = grown(place)
    return f"~{text}" if place else text


def _skipped(samples: Samples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give how many minutes are missing before each sample and at the end, and where some are."""
    if samples.whole:
        return np.zeros(DAY_MINUTES + 1, np.int64), np.zeros(0, np.int64)
    skipped = np.diff(samples.at, prepend=0, append=DAY_MINUTES + 1) - 1
    return skipped, np.flatnonzero(skipped)


def _growth_to_try(units: NDArray[np.float64], most: int) -> int:
    """Guess the growth with which values, in units, take `most` bytes; seldom too much, so that few are tried.

    Measured on random walks: of the bits there are for a difference, this many are left for its logarithm.
    """
    if len(units) < 2:
        return 0
    bits = float(np.log2(np.abs(units[1:] - units[:-1]) + 1).mean())
    room = 0.957 * 8 * most / len(units) - 4.32
    return min(int(np.searchsorted(_GROWN, bits - room)), len(GROWTHS) - 1)


def _vlq(numbers: NDArray[np.int64], skipped: NDArray[np.int64], absent: NDArray[np.int64]) -> str:
    """Write each number in base 64 VLQ; before those of `absent` how many minutes are skipped, after a mark."""
    if len(absent):
        numbers = np.insert(numbers, absent, 2 * skipped[absent])
    table, triples = _triples(), max(1, -(-int(numbers.max()).bit_length() // 15))
    characters = np.zeros((len(numbers), triples), "<u4")
    characters[:, 0] = table[(numbers & 32767) + 32768 * (numbers > 32767)]
    characters[absent + np.arange(len(absent)), 0] += ord("!")
    for column in range(1, triples):
        places = np.flatnonzero(numbers > 32767)
        numbers = numbers >> 15
        rest = numbers[places]
        characters[places, column] = table[(rest & 32767) + 32768 * (rest > 32767)]
    return characters.tobytes().translate(None, b"\0").decode("ascii")


@cache
def _triples() -> NDArray[np.uint32]:
    """Write 15 bits as up to three digits after a zero byte; from 32768 on, as three after which more follow."""
    bits = np.arange(1 << 15)
    last = [
        np.where((bits >> at > 0) | (at == 0), 63 + (bits >> at & 31) + 32 * (bits >> at > 31), 0) for at in (0, 5, 10)
    ]
    digits = np.concatenate((last, [95 + (bits >> at & 31) for at in (0, 5, 10)]), axis=1)
    table: NDArray[np.uint32] = (digits << np.array([[8], [16], [24]])).sum(axis=0).astype("<u4")
    return table
