"""Numbers, stamps and candles as exchanges write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.candles import Candles
from tracker.errors import BadAnswer
from tracker.model import MINUTE, Candle, Market, Metric
from tracker.sources import reading
from tracker.sources.http import Answer

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BTC = Market("coinbase", "BTC", "USD")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("79003.89", 79003.89),
        (78704, 78704.0),
        (2.2357688599999963, 2.2357688599999963),
        ("1e-06", 1e-06),
        ("-1.5", -1.5),
        ("0.00000000", 0.0),
        (None, None),
        ("", None),
        (" 12", None),
        ("NaN", None),
        ("Infinity", None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        ("1_000", None),
        ("1,000", None),
        ("１２", None),
        ({}, None),
        ([1], None),
        (10**400, None),
        ("1e400", None),
    ],
)
def test_a_number_is_read_only_when_it_is_one(written: object, meant: float | None) -> None:
    assert reading.number(written) == meant


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans(), st.lists(st.integers())))
def test_no_value_becomes_a_price_that_is_not_above_zero(written: object) -> None:
    price = reading.price(written)
    assert price is None or 0 < price < float("inf")


def test_a_market_without_a_price_is_named_and_has_no_sample() -> None:
    eth = Market("coinbase", "ETH", "USD")
    poll = reading.poll({BTC: ("0", "12"), eth: ("10", "3")}, NOON, NOON + timedelta(seconds=2))
    assert [(one.series.market, one.series.metric, one.value) for one in poll.samples] == [
        (eth, Metric.PRICE, 10.0),
        (eth, Metric.VOLUME_24H, 3.0),
    ]
    assert [(one.where, "price" in one.what) for one in poll.problems] == [("coinbase:BTC-USD", True)]


def test_a_market_without_a_volume_keeps_its_price() -> None:
    poll = reading.poll({BTC: ("10", "-1")}, NOON, NOON)
    assert [one.series.metric for one in poll.samples] == [Metric.PRICE]
    assert [(one.where, "volume" in one.what) for one in poll.problems] == [("coinbase:BTC-USD", True)]


def test_a_market_that_is_not_in_the_answer_is_named() -> None:
    poll = reading.poll({BTC: None}, NOON, NOON)
    assert not poll.samples
    assert poll.problems[0].where == "coinbase:BTC-USD"


@pytest.mark.parametrize(("seconds", "counts"), [(-1, False), (0, True), (90, True), (90.001, False), (3600, False)])
def test_a_poll_counts_up_to_ninety_seconds_after_its_minute(seconds: float, counts: bool) -> None:
    empty = reading.untimely("coinbase", NOON, NOON + timedelta(seconds=seconds))
    assert (empty is None) == counts
    assert empty is None or (not empty.samples and empty.problems)


def _answer(**headers: str) -> Answer:
    return Answer({}, headers, NOON)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Date": "Mon, 23 Nov 2026 12:01:30 GMT"},
        {"Date": "Mon, 23 Nov 2026 11:58:31 GMT"},
        {"Date": "Mon, 23 Nov 2026 11:58:00 GMT", "Age": "80"},
        {"Date": "yesterday"},
        {"Age": "-5"},
    ],
)
def test_an_answer_of_the_present_is_taken(headers: dict[str, str]) -> None:
    reading.refuse_unless_live("coinbase", _answer(**headers))


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"Date": "Mon, 23 Nov 2026 12:01:31 GMT"}, "91 s ahead"),
        ({"Date": "Mon, 23 Nov 2026 11:50:00 GMT"}, "600 s behind"),
        ({"Date": "Mon, 23 Nov 2026 11:55:00 GMT", "Age": "300"}, "cache"),
    ],
)
def test_an_answer_that_cannot_be_dated_is_refused(headers: dict[str, str], word: str) -> None:
    with pytest.raises(BadAnswer, match=word):
        reading.refuse_unless_live("coinbase", _answer(**headers))


SECONDS = int(NOON.timestamp())


@pytest.mark.parametrize(
    ("opened", "numbers"),
    [
        (SECONDS, (None, 2, 1, 1, 1)),
        (SECONDS, (1, 2, 1, 0, 1)),
        (SECONDS, (1, 2, 1, 1, float("nan"))),
        (SECONDS, (1, 2, 1, 1, -1)),
        (SECONDS, (1, 1, 2, 1, 1)),  # low above high: columns in another order
        (SECONDS, (1, 2, 1, 3, 1)),  # close above high
        (SECONDS + 1, (1, 2, 1, 1, 1)),
        ("soon", (1, 2, 1, 1, 1)),
        (10**18, (1, 2, 1, 1, 1)),
        (-60, (1, 2, 1, 1, 1)),
    ],
)
def test_a_row_that_cannot_be_a_candle_is_left_out_and_its_neighbours_stay(
    opened: object, numbers: tuple[object, ...], caplog: pytest.LogCaptureFixture
) -> None:
    good = [SECONDS, 1.5, "2", 1, 1.75, 0]
    found = reading.candles(BTC, [good, [opened, *numbers], good], (0, 1, 2, 3, 4, 5))
    assert found == [Candle(BTC, NOON, 1.5, 2.0, 1.0, 1.75, 0.0)] * 2
    assert [record.args[1] for record in caplog.records] == [[opened, *numbers]]


@pytest.mark.parametrize("row", [None, "123456", {}, [1, 2, 3, 4, 5], [[1, 2, 3, 4, 5, 6]]])
def test_a_row_of_another_shape_means_that_the_format_has_changed(row: object) -> None:
    with pytest.raises(BadAnswer, match="a candle should be an array of 6"):
        reading.candles(BTC, [[SECONDS, 1, 2, 1, 1, 1], row], (0, 1, 2, 3, 4, 5))


ODD = [
    None,
    True,
    "",
    "1",
    "1.5",
    "-2",
    "+3",
    ".5",
    "1.",
    "1e-7",
    "1e400",
    "NaN",
    "inf",
    "1_000",
    "٣",
    " 1",
    "1,2",
    "1\n",
]
ODD += [0, 7, -1, 10**400, 2**53 + 1, 0.1, 1e-7, float("inf"), float("nan"), [], {}, b"1"]
ONE_KIND = (
    st.lists(st.floats() | st.integers())
    | st.lists(st.decimals(allow_nan=False, allow_infinity=False).map(str))
    | st.lists(st.text("0123456789.,-+eE", max_size=6))
)


@given(st.lists(st.sampled_from(ODD)) | ONE_KIND)
def test_a_column_is_read_as_its_values_are_one_by_one(values: list[object]) -> None:
    one_by_one = [reading.number(value) for value in values]
    assert [None if math.isnan(value) else value for value in reading.numbers(values)] == one_by_one


def test_finished_candles_are_in_order_once_each_and_the_later_row_counts() -> None:
    def at(minutes: int, close: float) -> Candle:
        return Candle(BTC, NOON + minutes * MINUTE, close, close, close, close, 1.0)

    rows = [at(3, 3), at(1, 1), at(2, 2), at(1, 9), at(0, 5), at(-1, 7)]
    found = reading.finished(
        [Candles.of(BTC, rows[:2]), Candles.of(BTC, rows[2:])], BTC, NOON + MINUTE, NOON + 3 * MINUTE
    )
    assert [(one.minute, one.close) for one in found] == [(NOON + 2 * MINUTE, 9), (NOON + 3 * MINUTE, 2)]
