"""Numbers as pages print them: the table of product words, and laws over all floats."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.site import formats
from tracker.site.formats import ABSENT, NO_BREAK

POSITIVE = st.floats(min_value=1e-15, max_value=1e15, allow_nan=False)

SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def value_of(text: str) -> Decimal:
    """Read a printed number back."""
    text = text.replace(",", "").replace("−", "-")
    if tiny := re.fullmatch(r"(-?)0\.0([₀-₉]+)(\d+)", text):
        zeros = int(tiny[2].translate(SUBSCRIPTS))
        return Decimal(f"{tiny[1]}0.{'0' * zeros}{tiny[3]}")
    return Decimal(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (65012.4, "65,012.40"),
        (388.911, "388.911"),
        (1.0001, "1.00010"),
        (0.0812476, "0.0812476"),
        (0.00042318, "0.000423180"),
        (0.00000423187, "0.0₅4232"),
        (0.00000032, "0.0₆32"),
        (0.00000001, "0.0₇1"),
        (0.0001, "0.000100000"),
        (0.000099994, "0.0₄9999"),
        (0.0000999999, "0.000100000"),
        (0.99999999, "1.00000"),
        (9.9999999, "10.0000"),
        (999999.999, "1,000,000.00"),
        (123456789.0, "123,456,789.00"),
        (0.0, "0"),
        (None, ABSENT),
        (math.nan, ABSENT),
        (math.inf, ABSENT),
    ],
)
def test_a_price_has_six_significant_digits_and_two_decimals_above_one(value, text):
    assert str(formats.price(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(412.1, "412.1"), (66322.7, "66,323"), (0.005993, "0.005993"), (0.0000412, "0.0₄412"), (0.0, "0")],
)
def test_a_deviation_has_four_significant_digits(value, text):
    assert str(formats.deviation(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4743.56, "4,743.56 BTC"),
        (999_999.0, "999,999.00 BTC"),
        (1_000_000.0, "1.00 M BTC"),
        (12_345_678.9, "12.3 M BTC"),
        (9.99e9, "9.99 B BTC"),
        (1.5e12, "1.50 T BTC"),
        (0.0, "0 BTC"),
        (None, ABSENT),
    ],
)
def test_a_volume_names_its_unit_and_is_short_from_a_million_on(value, text):
    assert str(formats.volume(value, "BTC")).replace(NO_BREAK, " ") == text


def test_a_shortened_number_carries_its_full_decimal():
    assert formats.volume(12_345_678.9, "BTC").full == "12,345,679"
    assert formats.price(0.00000423187).full == "0.00000423187"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0195, "+1.95 %"),
        (-0.0031, "−0.31 %"),
        (0.0, "+0.00 %"),
        (-0.000001, "−0.00 %"),
        (12.5, "+1,250.00 %"),
        (None, ABSENT),
    ],
)
def test_a_change_always_has_its_sign(value, text):
    assert formats.percent(value).replace(NO_BREAK, " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0071, "1.007×"), (2.9999, "2.999×"), (2.9999999999999996, "2.999×"), (3.0, "3.000×"), (None, ABSENT)],
)
def test_a_ratio_is_cut_and_never_rounded_up(value, text):
    assert formats.ratio(value) == text


def test_an_exact_threefold_reads_as_three_whatever_binary_fractions_say():
    assert formats.ratio(formats.exact_ratio(0.00000003, [0.00000001] * 60)) == "3.000×"
    assert formats.ratio(formats.exact_ratio(0.3, [0.1] * 60)) == "3.000×"
    assert formats.exact_ratio(1.0, [0.0] * 60) is None


def test_only_a_number_that_cannot_be_read_aloud_is_spoken_in_full():
    assert formats.price(0.00000423187).__html__() == (
        '<data role="img" value="0.00000423187" title="0.00000423187">0.0₅4232</data>'
    )
    assert "role=" not in formats.volume(12_345_678.9, "BTC").__html__()


def test_a_hostile_unit_is_escaped():
    assert "<script>" not in formats.volume(1.0, "<script>").__html__()


@given(POSITIVE)
def test_no_price_is_ever_printed_with_an_exponent(value):
    number = formats.price(value)
    assert "e" not in number.text.lower()
    assert "e" not in (number.full or "").lower()


@given(POSITIVE)
def test_a_printed_price_is_the_value_to_its_digits(value):
    printed = value_of(formats.price(value).text)
    tolerance = Decimal("6e-6") if value >= 1e-4 else Decimal("6e-4")
    assert abs(printed - formats.decimal(value)) <= tolerance * formats.decimal(value)


@given(POSITIVE, POSITIVE)
def test_a_larger_price_never_prints_smaller(one, two):
    low, high = sorted((one, two))
    if high >= low * 1.01:
        assert value_of(formats.price(low).text) <= value_of(formats.price(high).text)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_cut_ratio_is_at_most_the_ratio_and_within_a_thousandth(latest, mean):
    exact = Decimal(latest) / Decimal(mean)
    shown = Decimal(formats.ratio(exact).rstrip("×").replace(",", ""))
    assert 0 <= exact - shown < Decimal("0.001")


def test_times_are_utc_whatever_zone_they_come_in():
    from zoneinfo import ZoneInfo

    at = datetime(2026, 11, 24, 0, 10, tzinfo=ZoneInfo("Europe/Berlin"))
    assert formats.moment(at) == "2026-11-23 23:10 UTC"
    assert str(formats.time_tag(at, formats.clock(at))) == '<time datetime="2026-11-23T23:10Z">23:10</time>'
    assert formats.clock(datetime(2026, 1, 1, tzinfo=UTC)) == "00:00"


def test_a_length_of_time_has_two_units_at_most():
    said = [formats.duration(timedelta(minutes=m)).replace(NO_BREAK, " ") for m in (0, 59, 60, 1439, 1440, 10_000)]
    assert said == ["0 min", "59 min", "1 h 0 min", "23 h 59 min", "1 d 0 h", "6 d 22 h"]


@given(
    st.one_of(
        st.floats(1e-5, 1e16),
        st.decimals("0.0001", "99999999", places=8).map(float),
        st.integers(1, 10**7).map(lambda n: (n * 10 + 5) / 10**5),
        st.sampled_from([0.0, 0.99999999, 9.999995, 999.9995, 1.0000005, 0.00099995, 123456.75, 2.5, 1e15]),
    ),
    st.sampled_from([(6, 2), (4, 0), (3, 0)]),
)
def test_writing_numbers_quickly_gives_the_digits_of_writing_them_carefully(value, form):
    digits, at_least = form
    assert formats.significant(value, digits, at_least) == formats._carefully(value, digits, at_least)
