"""Coinbase against the simulated exchange: what it asks, and what it makes of the answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.exchange import BTC, Exchange
from tracker.errors import BadAnswer, RateLimited, SourceRefused, SourceUnavailable, TrackerError, UnknownMarket
from tracker.model import DAY, MINUTE, Market, MarketStatus, Metric, Series
from tracker.sources.coinbase import Coinbase, pages
from tracker.sources.machine import Machine

ETH = Market("coinbase", "ETH", "USD")
FARM = Market("coinbase", "FARM", "USD")
SECOND_WAY = "/api/v3/brokerage/market/products"


@pytest.fixture
def coinbase(exchange: Exchange) -> Coinbase:
    return Coinbase(exchange.url, exchange.url, exchange.clock, Machine(paced=False))


def test_a_poll_is_one_call(exchange: Exchange, coinbase: Coinbase) -> None:
    poll = coinbase.latest([BTC, ETH, FARM], exchange.now.replace(second=0))
    assert exchange.requests == ["products/stats"]
    assert len(poll.samples) == 6
    assert not poll.problems


def test_a_poll_is_the_close_of_the_candle_that_ended_at_its_minute(exchange: Exchange, coinbase: Coinbase) -> None:
    minute = exchange.now.replace(second=0)
    values = {one.series: one.value for one in coinbase.latest([BTC, FARM], minute).samples}
    assert values[Series(BTC, Metric.PRICE)] == coinbase.candles(BTC, minute - MINUTE, minute)[0].close


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("500", "HTTP 500"),
        ("503", "HTTP 503"),
        ("404", "HTTP 404"),
        ("html", "a web page"),
        ("502", "a web page"),
        ("truncated", "not JSON"),
        ("reset", "broke off"),
        ("empty", "no price in any"),
        ("types", "no price in any"),
        ("nan", "no price in any"),
        ("skew", "ahead of ours"),
    ],
)
def test_when_the_first_way_fails_the_second_gives_the_same_samples(
    exchange: Exchange, coinbase: Coinbase, fault: str, words: str
) -> None:
    minute = exchange.now.replace(second=0)
    usual = coinbase.latest([BTC, ETH, FARM], minute)
    exchange.misbehave(f"{fault};path=/products/stats")
    poll = coinbase.latest([BTC, ETH, FARM], minute)
    assert poll.samples == usual.samples
    assert [one.where for one in poll.problems] == ["coinbase"]
    assert words in poll.problems[0].what
    assert exchange.requests[-1].startswith(SECOND_WAY[1:])


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", RateLimited),
        ("429;retry=30", RateLimited),
        ("418", RateLimited),
        ("451", SourceRefused),
        ("403", SourceRefused),
        ("404", SourceRefused),
        ("500", SourceUnavailable),
        ("503;retry=5", SourceUnavailable),
        ("outage", SourceUnavailable),
        ("reset", SourceUnavailable),
        ("html", BadAnswer),
        ("truncated", BadAnswer),
        ("empty", BadAnswer),
        ("types", BadAnswer),
        ("skew", BadAnswer),
        ("skew;seconds=60", None),
        ("null", BadAnswer),
        ("zero", BadAnswer),
        ("vanish", BadAnswer),
    ],
)
def test_when_the_exchange_as_a_whole_fails_so_does_the_poll(
    exchange: Exchange, coinbase: Coinbase, fault: str, error: type[TrackerError] | None
) -> None:
    minute = exchange.now.replace(second=0)
    exchange.misbehave(fault)
    if error is None:
        assert coinbase.latest([BTC], minute).samples
        return
    with pytest.raises(error, match="coinbase"):
        coinbase.latest([BTC], minute)


def test_a_limit_or_a_ban_is_not_answered_by_asking_elsewhere(exchange: Exchange, coinbase: Coinbase) -> None:
    exchange.misbehave("429;retry=30;path=/products/stats")
    with pytest.raises(RateLimited) as caught:
        coinbase.latest([BTC], exchange.now.replace(second=0))
    assert caught.value.retry_after == 30
    assert len(exchange.requests) == 1


@pytest.mark.parametrize("fault", ["null", "blank", "nan", "zero", "negative", "missing", "vanish", "delist"])
def test_one_bad_market_is_named_and_the_others_are_polled(exchange: Exchange, coinbase: Coinbase, fault: str) -> None:
    exchange.misbehave(f"{fault};market=BTC-USD")
    poll = coinbase.latest([BTC, ETH], exchange.now.replace(second=0))
    assert {one.series.market for one in poll.samples} == {ETH}
    assert [one.where for one in poll.problems] == [str(BTC)]


def test_a_market_whose_volume_is_nonsense_keeps_its_price(exchange: Exchange, coinbase: Coinbase) -> None:
    exchange.misbehave("badvolume;market=BTC-USD")
    poll = coinbase.latest([BTC], exchange.now.replace(second=0))
    assert [one.series.metric for one in poll.samples] == [Metric.PRICE]
    assert "volume" in poll.problems[0].what


def test_nothing_is_asked_for_a_minute_that_is_over(exchange: Exchange, coinbase: Coinbase) -> None:
    poll = coinbase.latest([BTC], exchange.now.replace(second=0) - 2 * MINUTE)
    assert not poll.samples
    assert "candles" in poll.problems[0].what
    assert not exchange.requests


def test_an_answer_that_comes_too_late_is_not_stamped(exchange: Exchange) -> None:
    times = iter([exchange.now, exchange.now + timedelta(seconds=80), exchange.now + timedelta(seconds=88)])
    coinbase = Coinbase(exchange.url, exchange.url, lambda: next(times), Machine(paced=False))
    poll = coinbase.latest([BTC], exchange.now.replace(second=0))
    assert len(poll.samples) == 2  # received 83 s after the minute
    late = iter([exchange.now, exchange.now + timedelta(seconds=88)])
    coinbase = Coinbase(exchange.url, exchange.url, lambda: next(late), Machine(paced=False))
    poll = coinbase.latest([BTC], exchange.now.replace(second=0))
    assert not poll.samples
    assert "91 s after" in poll.problems[0].what


def test_listings_tell_what_can_be_traded(exchange: Exchange, coinbase: Coinbase) -> None:
    exchange.misbehave("delist;market=ETH-USD")
    status = {one.market.pair: one.status for one in coinbase.listings()}
    assert status["BTC-USD"] is MarketStatus.TRADABLE
    assert status["KRL-USD"] is MarketStatus.TRADABLE  # limit_only: trades go on
    assert status["WLUNA-USD"] is MarketStatus.HALTED  # cancel_only
    assert status["BTC-USDC"] is MarketStatus.DELISTED
    assert status["ETH-USD"] is MarketStatus.DELISTED


@pytest.mark.parametrize("fault", ["empty", "types", "html", "truncated", "500", "429", "451"])
def test_listings_that_are_none_are_an_error(exchange: Exchange, coinbase: Coinbase, fault: str) -> None:
    exchange.misbehave(fault)
    with pytest.raises(TrackerError, match="coinbase"):
        coinbase.listings()


def test_a_day_of_candles_is_five_calls_of_at_most_300(exchange: Exchange, coinbase: Coinbase) -> None:
    minute = exchange.now.replace(second=0)
    found = coinbase.candles(BTC, minute - DAY, minute)
    assert [one.minute for one in found] == [minute - DAY + n * MINUTE for n in range(1, 1441)]
    assert len(exchange.requests) == 5


def test_candles_are_finished_ones_only(exchange: Exchange, coinbase: Coinbase) -> None:
    exchange.now = exchange.now.replace(second=58)  # the simulator shows the candle of this minute by now
    found = coinbase.candles(BTC, exchange.now - 10 * MINUTE, exchange.now + DAY)
    assert found[-1].minute == exchange.now.replace(second=0)


def test_minutes_without_trades_stay_out(exchange: Exchange, coinbase: Coinbase) -> None:
    minute = exchange.now.replace(second=0)
    assert 50 < len(coinbase.candles(FARM, minute - DAY, minute)) < 1200


@pytest.mark.parametrize("fault", ["duplicates", "disorder", "duplicates,disorder"])
def test_candles_come_once_each_and_in_order_whatever_the_exchange_sends(
    exchange: Exchange, coinbase: Coinbase, fault: str
) -> None:
    minute = exchange.now.replace(second=0)
    usual = coinbase.candles(BTC, minute - 400 * MINUTE, minute)
    exchange.misbehave(fault)
    assert coinbase.candles(BTC, minute - 400 * MINUTE, minute) == usual


@pytest.mark.parametrize("fault", ["null", "nan", "zero", "negative"])
def test_candles_without_a_price_stay_out(exchange: Exchange, coinbase: Coinbase, fault: str) -> None:
    minute = exchange.now.replace(second=0)
    exchange.misbehave(f"{fault};market=BTC-USD")
    assert coinbase.candles(BTC, minute - 10 * MINUTE, minute) == []
    assert len(coinbase.candles(ETH, minute - 10 * MINUTE, minute)) == 10


def test_an_empty_page_is_asked_for_twice(exchange: Exchange, coinbase: Coinbase) -> None:
    minute = exchange.now.replace(second=0)
    exchange.misbehave("empty:0.5;path=candles")
    lengths = {len(coinbase.candles(BTC, minute - 10 * MINUTE, minute)) for _ in range(6)}
    assert 10 in lengths
    assert len(exchange.requests) > 6


@pytest.mark.parametrize("pair", ["NOPE-USD", "BTC-USDC"])
def test_a_market_that_is_unknown_or_gone_says_so(exchange: Exchange, coinbase: Coinbase, pair: str) -> None:
    minute = exchange.now.replace(second=0)
    with pytest.raises(UnknownMarket, match=pair):
        coinbase.candles(Market.parse(f"coinbase:{pair}"), minute - MINUTE, minute)


@pytest.mark.parametrize("fault", ["types", "html", "truncated", "reset", "500", "429", "451"])
def test_candles_that_are_none_are_an_error(exchange: Exchange, coinbase: Coinbase, fault: str) -> None:
    minute = exchange.now.replace(second=0)
    exchange.misbehave(fault)
    with pytest.raises(TrackerError, match="coinbase"):
        coinbase.candles(BTC, minute - MINUTE, minute)


def test_a_range_that_is_over_before_it_begins_asks_nothing(exchange: Exchange, coinbase: Coinbase) -> None:
    minute = exchange.now.replace(second=0)
    assert coinbase.candles(BTC, minute, minute) == []
    assert coinbase.candles(BTC, minute + DAY, minute + 2 * DAY) == []
    assert not exchange.requests


def test_pages_cover_each_minute_once(exchange: Exchange) -> None:
    start = exchange.now  # not a whole minute: the first stamp is the next one
    covered = [
        since + n * MINUTE
        for since, until in pages(start, start + 1000 * MINUTE)
        for n in range(int((until - since) / MINUTE) + 1)
    ]
    assert covered == [start.replace(second=0) + n * MINUTE for n in range(1000)]
