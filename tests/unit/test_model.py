"""Values, their names, and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.model import Market, Metric, Series, iso, whole_hour, whole_minute

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda text: ":" not in text)


@pytest.mark.parametrize(
    "text", ["", "BTC-USD", "coinbase", "coinbase:BTCUSD", "coinbase:-USD", ":BTC-USD", "coinbase:BTC-"]
)
def test_what_is_not_a_market_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=re.escape("as in coinbase:BTC-USD")):
        Market.parse(text)


def test_the_last_dash_parts_base_from_quote():
    assert Market.parse("coinbase:A-B-USD") == Market("coinbase", "A-B", "USD")


@given(NAMES, NAMES.filter(lambda text: "-" not in text))
def test_a_market_reads_back_what_it_writes(base, quote):
    assert Market.parse(str(Market("kraken", base, quote))) == Market("kraken", base, quote)


@given(NAMES, NAMES)
def test_a_slug_is_safe_in_files_links_and_html_whatever_the_name(base, quote):
    assert re.fullmatch(r"[a-z0-9_-]{1,100}", Market("kraken", base, quote).slug)


def test_different_markets_have_different_slugs_also_when_long_or_strange():
    names = ["<script>", "../x", '"onload=', "ß", "ss", "_3c_", "A" * 200, "A" * 201, "A-B", "A_B", "AB", "aB", "Ab"]
    slugs = {Market("kraken", name, "USD").slug for name in names}
    assert len(slugs) == len(names)
    assert max(map(len, slugs)) <= 100


def test_a_minute_is_whole_in_utc_whatever_the_zone():
    berlin = timezone(timedelta(hours=5, minutes=45))
    assert whole_minute(datetime(2026, 1, 1, 12, 30, 59, 999_999, berlin)) == datetime(2026, 1, 1, 6, 45, tzinfo=UTC)
    assert whole_hour(datetime(2026, 1, 1, 12, 30, tzinfo=UTC)).minute == 0


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        whole_minute(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test


def test_a_minute_is_a_plain_datetime_also_when_given_a_pendulum():
    import pendulum

    minute = whole_minute(pendulum.datetime(2026, 1, 1, 12, 30, 30))
    assert type(minute) is datetime
    assert (minute - datetime(2026, 1, 1, tzinfo=UTC)) / timedelta(minutes=1) == 750


def test_an_instant_is_written_with_a_z():
    assert iso(datetime(2026, 11, 23, 22, 10, tzinfo=UTC)) == "2026-11-23T22:10:00Z"


def test_a_series_is_named_by_market_and_metric():
    assert str(Series(Market("coinbase", "BTC", "USD"), Metric.PRICE)) == "coinbase:BTC-USD price"
