"""Numbers and times as every page writes them (docs/definitions.md has their meaning).

Pure and exact: a float is taken as its shortest decimal form, so a printed digit is a digit of the stored
value. Nothing here ever writes an exponent, and an absent value is a dash, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from math import isfinite

from markupsafe import Markup, escape

ABSENT = "–"
MINUS = "−"
TIMES = "×"
NO_BREAK = "\N{NO-BREAK SPACE}"

_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_PRICE = (6, 2)
"""Significant digits, and decimals at least above 1."""

_WRITE = [f"{{:,.{decimals}f}}".format for decimals in range(20)]
_SHORT = ((12, "T"), (9, "B"), (6, "M"))


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is printed; `full` is the whole decimal where `text` is a shortened form of it, else None.

    `spoken`: the text cannot be read aloud, so the full decimal is; it stands there for programs too, unless `terse`.
    """

    text: str
    full: str | None = None
    unit: str = ""
    spoken: bool = False
    terse: bool = False

    def brief(self) -> Number:
        """Give the same without its full decimal; where the text cannot be read without it, with 6 digits of it."""
        if not self.spoken:
            return replace(self, full=None) if self.full else self
        exact = Decimal(self.machine)
        return replace(self, full=_sign(plain(_round(exact, 5 - exact.adjusted()))), terse=True)

    @property
    def machine(self) -> str:
        """The full decimal as a program reads it."""
        return (self.full or self.text).replace(",", "").replace(MINUS, "-")

    def __html__(self) -> str:
        """Write the number for a page: a shortened one shows and speaks its full decimal."""
        text = self.text
        if self.spoken and self.terse:
            text = f'<span role="img" title="{self.full}">{text}</span>'
        elif self.spoken:
            text = f'<data role="img" value="{self.machine}" title="{self.full}">{text}</data>'
        elif self.full is not None:
            text = f'<span title="{self.full}">{text}</span>'
        return f'{text}{NO_BREAK}<span class="u">{escape(self.unit)}</span>' if self.unit else text

    def __str__(self) -> str:
        return f"{self.text}{NO_BREAK}{self.unit}" if self.unit else self.text


NOTHING = Number(ABSENT)


def decimal(value: float) -> Decimal:
    """Give the shortest decimal that reads back as this float: what the exchange sent.

    >>> decimal(0.1)
    Decimal('0.1')
    """
    return Decimal(repr(float(value)))


def plain(value: Decimal) -> str:
    """Write all digits with thousands commas and without an exponent.

    >>> plain(decimal(4.23187e-06)), plain(decimal(1e21))
    ('0.00000423187', '1,000,000,000,000,000,000,000')
    """
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def significant(value: float, digits: int, at_least: int = 0) -> Number:
    """Write `digits` significant digits, and at least `at_least` decimals from 1 upwards.

    Digits left of the point are never replaced by zeros. Below 0.0001 the zeros are counted in a subscript and
    four digits follow. The number of decimals is chosen after rounding.

    >>> significant(0.00042318, 6).text, significant(4.23187e-06, 6)
    ('0.000423180', Number(text='0.0₅4232', full='0.00000423187', unit='', spoken=True, terse=False))
    >>> significant(0.00000032, 6).text, significant(0.99999999, 6).text, significant(66322.7, 4).text
    ('0.0₆32', '1.00000', '66,323')
    """
    text = _quickly(value, digits, at_least)
    return Number(text) if text else _carefully(value, digits, at_least)


def _quickly(value: float, digits: int, at_least: int) -> str | None:
    """Write a number as `_carefully` does, six times as fast; None for a tie, and what else needs decimals."""
    whole, _, part = repr(value).partition(".")
    if not whole.isdigit() or not part.isdigit():
        return None
    if whole != "0":
        size, figures = len(whole) - 1, whole + part
        decimals = max(digits - 1 - size, at_least)
    else:
        figures = part.lstrip("0")
        size = len(figures) - len(part) - 1
        decimals = digits - 1 - size
    nines = figures.startswith("999")  # may round up to one more digit
    if not figures or size < -4 or nines or size + decimals > 14 or part[decimals:] == "5":
        return None
    return _WRITE[decimals](value)


def _carefully(value: float, digits: int, at_least: int) -> Number:
    """Round the shortest decimal of a float."""
    exact = decimal(value)
    if not exact:
        return Number("0")
    size = exact.adjusted()
    if size < -4:
        return _tiny(exact, digits)
    rounded = _round(exact, digits - 1 - size)
    if rounded.adjusted() > size:  # 0.9999999 became 1
        size += 1
        rounded = _round(exact, digits - 1 - size)
    decimals = max(digits - 1 - size, at_least if size >= 0 else 0, 0)
    return Number(_sign(f"{_round(exact, decimals):,.{decimals}f}"))


def _tiny(exact: Decimal, digits: int) -> Number:
    """Write a number below 0.0001; its full decimal has 10 significant digits: all that a mean is good for."""
    rounded = _round(exact, 3 - exact.adjusted())
    if rounded.adjusted() >= -4:  # 0.000099999 became 0.0001
        return significant(float(rounded), digits)
    zeros = str(-rounded.adjusted() - 1).translate(_SUBSCRIPT)
    figures = "".join(map(str, rounded.as_tuple().digits)).rstrip("0")
    return Number(
        f"{MINUS if exact < 0 else ''}0.0{zeros}{figures}",
        full=_sign(plain(_round(exact, 9 - exact.adjusted()))),
        spoken=True,
    )


def _round(exact: Decimal, decimals: int) -> Decimal:
    return round(exact, max(decimals, 0))


def _sign(text: str) -> str:
    return text.replace("-", MINUS)


def _known(value: float | None) -> bool:
    return value is not None and isfinite(value)


def price(value: float | None) -> Number:
    """Write a price or a mean of prices: 6 significant digits, at least 2 decimals above 1.

    >>> [str(price(x)) for x in (65012.4, 388.911, 1.0001, 0.0812476, 4.23187e-06, None)]
    ['65,012.40', '388.911', '1.00010', '0.0812476', '0.0₅4232', '–']
    """
    if value is None or not _known(value):
        return NOTHING
    return significant(value, *_PRICE)


def price_in_full(value: float) -> str:
    """Write a price with all its zeros, for a table of many like it.

    >>> price_in_full(65012.4), price_in_full(4.23187e-06)
    ('65,012.40', '0.00000423187')
    """
    text = _quickly(value, *_PRICE)
    if text:
        return text
    number = price(value)
    return number.full or number.text


def deviation(value: float | None, unit: str = "", *, short: bool = False) -> Number:
    """Write a standard deviation: 4 significant digits; `short` from a million on as 1.23 M.

    >>> [str(deviation(x)) for x in (412.1, 66322.7, 0.005993, 0.0000412, 0.0)]
    ['412.1', '66,323', '0.005993', '0.0₄412', '0']
    """
    if value is None or not _known(value):
        return NOTHING
    number = _short(value) if short else None
    return replace(number or significant(value, 4), unit=unit)


def volume(value: float | None, unit: str = "") -> Number:
    """Write a volume with its unit; from a million on in short form, the number in whole units beside it.

    >>> [str(volume(x, "BTC")).replace(NO_BREAK, " ") for x in (4743.56, 12_345_678.9, 0.0)]
    ['4,743.56 BTC', '12.3 M BTC', '0 BTC']
    """
    if value is None or not _known(value):
        return NOTHING
    number = _short(value) or significant(value, *_PRICE)
    return replace(number, unit=unit) if unit else number


def volume_in_brief(value: float) -> str:
    """Write a volume without its full decimal, for a table of many like it.

    >>> volume_in_brief(4743.56), volume_in_brief(12_345_678.9).replace(NO_BREAK, " ")
    ('4,743.56', '12.3 M')
    """
    text = _short_text(value) or _quickly(value, *_PRICE)
    return text or volume(value).brief().__html__()


def _short(value: float) -> Number | None:
    text = _short_text(value)
    return Number(text, full=f"{round(decimal(value)):,}") if text else None


def _short_text(value: float) -> str | None:
    if abs(value) < 1e6:
        return None
    exact = decimal(value)
    power, letter = next(it for it in _SHORT if exact.adjusted() >= it[0])
    scaled = float(exact.scaleb(-power))
    return f"{_quickly(scaled, 3, 0) or significant(scaled, 3).text}{NO_BREAK}{letter}"


def percent(fraction: float | None) -> str:
    """Write a change: the sign always, 2 decimals.

    >>> [percent(x).replace(NO_BREAK, " ") for x in (0.0195, -0.0031, 0.0, None)]
    ['+1.95 %', '−0.31 %', '+0.00 %', '–']
    """
    if fraction is None or not _known(fraction):
        return ABSENT
    return _sign(f"{decimal(fraction) * 100:+,.2f}{NO_BREAK}%")


def share(fraction: float | None) -> str:
    """Write a part of something in percent, without a sign: 3 significant digits, at least 2 decimals.

    >>> [share(x).replace(NO_BREAK, " ") for x in (0.00633912, 0.123456, 0.0000041, 0.0)]
    ['0.634 %', '12.35 %', '0.00041 %', '0 %']
    """
    if fraction is None or not _known(fraction):
        return ABSENT
    exact = decimal(fraction) * 100
    if not exact:
        return f"0{NO_BREAK}%"
    decimals = min(max(2, 2 - exact.adjusted()), 5)
    return f"{_sign(f'{round(exact, decimals):,.{decimals}f}')}{NO_BREAK}%"


def exact_ratio(latest: float, hour: Iterable[float]) -> Decimal | None:
    """Divide the latest value by the mean of the hour before it, in decimals; None if that mean is 0 or unknown.

    >>> exact_ratio(0.00000003, [0.00000001] * 60)
    Decimal('3')
    """
    values = [decimal(value) for value in hour]
    total = sum(values)
    return decimal(latest) * len(values) / total if total else None


def ratio(value: Decimal | float | None) -> str:
    """Write a ratio cut, not rounded, to 3 decimals: 2.9999 never reads as 3.

    >>> [ratio(x) for x in (1.0071, 2.9999, 3.0, Decimal(1) / 3)]
    ['1.007×', '2.999×', '3.000×', '0.333×']
    """
    if value is None or not isfinite(value):
        return ABSENT
    exact = value if isinstance(value, Decimal) else decimal(value)
    return f"{exact.quantize(Decimal('0.001'), ROUND_DOWN):,f}{TIMES}"


def clock(at: datetime) -> str:
    """Write the time of a day: `22:10`; the zone stands beside it or in the column's head."""
    at = at.astimezone(UTC)
    return f"{at.hour:02}:{at.minute:02}"  # four times as fast as %H:%M


def moment(at: datetime) -> str:
    """Write an instant for people: `2026-11-23 22:10 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def time_tag(at: datetime, text: str | None = None) -> Markup:
    """Write an instant as a <time> element: the browser may show it in the reader's zone.

    >>> time_tag(datetime(2026, 11, 23, 22, 10, tzinfo=UTC))
    Markup('<time datetime="2026-11-23T22:10Z">2026-11-23 22:10 UTC</time>')
    """
    machine = f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    return Markup(f'<time datetime="{machine}">{escape(text or moment(at))}</time>')  # noqa: S704  a time, and escaped


def duration(spent: timedelta) -> str:
    """Write a length of time in its two largest units.

    >>> [duration(timedelta(minutes=m)).replace(NO_BREAK, " ") for m in (0, 7, 64, 1500)]
    ['0 min', '7 min', '1 h 4 min', '1 d 1 h']
    """
    minutes = int(spent.total_seconds()) // 60
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days}{NO_BREAK}d {hours}{NO_BREAK}h"
    return f"{hours}{NO_BREAK}h {minutes % 60}{NO_BREAK}min" if hours else f"{minutes}{NO_BREAK}min"


def count(number: int) -> str:
    """Write a whole number with thousands commas."""
    return f"{number:,}"


def size(number: int) -> str:
    """Write so many bytes in the unit that fits.

    >>> [size(n).replace(NO_BREAK, " ") for n in (0, 999, 1_234_567, 98_765_432_100)]
    ['0 B', '999 B', '1.23 MB', '98.8 GB']
    """
    for power, letter in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if number >= 10**power:
            return f"{significant(number / 10**power, 3).text}{NO_BREAK}{letter}B"
    return f"{number}{NO_BREAK}B"


def plural(number: int, word: str) -> str:
    """Write a number of things.

    >>> plural(1, "alert"), plural(2000, "alert")
    ('1 alert', '2,000 alerts')
    """
    return f"{count(number)} {word}{'' if number == 1 else 's'}"
