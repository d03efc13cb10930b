"""Numbers, stamps and candles as exchanges write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
def test_a_row_that_cannot_be_a_candle_is_none(opened: object, numbers: tuple[object, ...]) -> None:
    assert reading.candle(BTC, opened, numbers) is None  # type: ignore[arg-type]


def test_finished_candles_are_in_order_once_each_and_the_later_row_counts() -> None:
    def at(minutes: int, close: float) -> Candle:
        return Candle(BTC, NOON + minutes * MINUTE, close, close, close, close, 1.0)

    rows = [at(3, 3), at(1, 1), at(2, 2), at(1, 9), at(0, 5), at(-1, 7)]
    found = reading.finished(rows, NOON + MINUTE, NOON + 3 * MINUTE)
    assert [(one.minute, one.close) for one in found] == [(NOON + 2 * MINUTE, 9), (NOON + 3 * MINUTE, 2)]
