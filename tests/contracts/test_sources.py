"""What `ports.Source` promises, held by every source over the simulated exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import isfinite

import pytest

from tests.support.ccxt_client import ccxt_client
from tests.support.exchange import Exchange
from tracker.errors import BadAnswer, RateLimited, SourceRefused, SourceUnavailable, TrackerError, UnknownMarket
from tracker.model import DAY, MINUTE, Candle, Listing, Market, MarketStatus, Metric, Origin
from tracker.ports import Source
from tracker.sim.tape import Listed, State, text
from tracker.sources import SOURCES
from tracker.sources.via_ccxt import ViaCcxt


@dataclass(frozen=True)
class Places:
    """Settings that lead every source to one address."""

    coinbase_url: str
    coinbase_advanced_url: str
    kraken_url: str
    binance_url: str
    pace: bool = False


MAIN = {"coinbase": "USD", "kraken": "USD", "binance": "USDT", "ccxt:binance": "USDT"}

Clock = Callable[[], datetime]


def made(name: str, url: str, clock: Clock) -> Source:
    """Make a source that asks the simulator; ccxt's is that of Binance, whose tickers it gives whole."""
    if name == "ccxt:binance":
        return ViaCcxt(name, clock, ccxt_client("binance", url, clock))
    return SOURCES[name](Places(*[url] * 4), clock)


@pytest.fixture(params=sorted(MAIN))
def source(request: pytest.FixtureRequest, exchange: Exchange) -> Source:
    return made(request.param, exchange.url, exchange.clock)


def behind(source: Source) -> str:
    """Give the simulated exchange that a source asks."""
    return source.exchange.removeprefix("ccxt:")


def by_ccxt(source: Source) -> bool:
    return source.exchange.startswith("ccxt:")


def listings(source: Source) -> list[Listing]:
    """Give what it lists but the leveraged token, which ccxt takes for spot."""
    return [one for one in source.listings() if one.market.base != "BTCUP" or not by_ccxt(source)]


def market(source: Source, base: str = "BTC") -> Market:
    return Market(source.exchange, base, MAIN[source.exchange])


@pytest.fixture
def minute(exchange: Exchange) -> datetime:
    return exchange.now.replace(second=0)


def listed(exchange: Exchange, one: Market) -> Listed:
    return next(
        each for each in exchange.simulation.tape.markets(one.exchange.removeprefix("ccxt:")) if each.pair == one.pair
    )


def test_there_are_sources() -> None:
    assert set(SOURCES) == {"coinbase", "kraken", "binance"}
    assert set(MAIN) == {*SOURCES, "ccxt:binance"}


# listings ----------------------------------------------------------------------------------------


def test_it_lists_what_the_exchange_has(source: Source, exchange: Exchange) -> None:
    found = {one.market.pair: one for one in listings(source)}
    there = {one.pair: one for one in exchange.simulation.tape.markets(behind(source))}
    named = {pair for pair, one in there.items() if one.state is not State.DELISTED}
    assert named <= found.keys() <= there.keys()
    assert len(found) == len(listings(source))
    states = {State.ONLINE: MarketStatus.TRADABLE, State.LIMIT_ONLY: MarketStatus.TRADABLE}
    states |= {State.CANCEL_ONLY: MarketStatus.HALTED, State.DELISTED: MarketStatus.DELISTED}
    if by_ccxt(source):  # it knows active and not
        states[State.DELISTED] = MarketStatus.HALTED
    assert {pair: one.status for pair, one in found.items()} == {pair: states[there[pair].state] for pair in found}
    assert {one.market.exchange for one in found.values()} == {source.exchange}


def test_a_delisting_is_seen(source: Source, exchange: Exchange) -> None:
    exchange.misbehave(f"delist;market={market(source).pair}")
    found = {one.market: one.status for one in source.listings()}
    gone = MarketStatus.HALTED if by_ccxt(source) else MarketStatus.DELISTED
    assert found.get(market(source), gone) is gone


def test_a_market_under_another_name_is_another_market(source: Source, exchange: Exchange, minute: datetime) -> None:
    old, new = market(source, "SOL"), market(source, "SOL2")
    exchange.misbehave(f"rename;market={old.pair}")
    names = {one.market for one in source.listings() if one.status is MarketStatus.TRADABLE}
    assert new in names
    assert old not in names
    poll = source.latest([old, new], minute)
    assert {one.series.market for one in poll.samples} == {new}
    assert [one.where for one in poll.problems] == [str(old)]
    assert len(source.candles(new, minute - 5 * MINUTE, minute)) == 5


# polls -------------------------------------------------------------------------------------------


def test_it_polls_all_tradable_markets_in_one_call(source: Source, exchange: Exchange, minute: datetime) -> None:
    markets = [one.market for one in listings(source) if one.status is MarketStatus.TRADABLE]
    before = len(exchange.requests)
    poll = source.latest(markets, minute)
    assert len(exchange.requests) == before + 1
    assert not poll.problems
    assert {one.series.market for one in poll.samples} == set(markets)
    assert len(poll.samples) == 2 * len(markets) == len({one.series for one in poll.samples})
    assert {(one.minute, one.observed_at, one.origin) for one in poll.samples} == {(minute, exchange.now, Origin.POLL)}
    assert all(isfinite(one.value) and one.value > 0 for one in poll.samples)


def test_a_poll_is_the_last_close_and_the_sum_of_the_candles_of_24_h(
    source: Source, exchange: Exchange, minute: datetime
) -> None:
    one = market(source)
    there = listed(exchange, one)
    now = int(minute.timestamp()) // 60
    candles = exchange.simulation.tape.columns(behind(source), there, now - 1440, now - 1)
    values = {sample.series.metric: sample.value for sample in source.latest([one], minute).samples}
    assert values[Metric.PRICE] == float(text(int(candles.close[-1]), there.price_decimals))
    assert values[Metric.VOLUME_24H] == float(Decimal(int(candles.volume.sum())).scaleb(-there.volume_decimals))


@pytest.mark.parametrize("fault", ["null", "blank", "nan", "zero", "negative", "missing", "vanish"])
def test_one_bad_market_is_named_and_fails_no_other(
    source: Source, exchange: Exchange, minute: datetime, fault: str
) -> None:
    bad, good = market(source), market(source, "ETH")
    source.listings()
    exchange.misbehave(f"{fault};market={bad.pair}")
    if fault == "nan" and by_ccxt(source):  # which itself gives up at one
        with pytest.raises(BadAnswer, match="could not read"):
            source.latest([bad, good], minute)
        return
    poll = source.latest([bad, good], minute)
    assert {one.series.market for one in poll.samples} == {good}
    assert [one.where for one in poll.problems] == [str(bad)]


@pytest.mark.parametrize("fault", ["null", "zero", "vanish"])
def test_one_bad_market_alone_is_named_too(source: Source, exchange: Exchange, minute: datetime, fault: str) -> None:
    source.listings()
    exchange.misbehave(f"{fault};market={market(source).pair}")
    poll = source.latest([market(source)], minute)
    assert not poll.samples
    assert [one.where for one in poll.problems] == [str(market(source))]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("429", RateLimited),
        ("418;retry=60", RateLimited),
        ("451", SourceRefused),
        ("403", SourceRefused),
        ("404", SourceRefused),
        ("500", SourceUnavailable),
        ("502", SourceUnavailable),
        ("503", SourceUnavailable),
        ("outage", SourceUnavailable),
        ("reset", SourceUnavailable),
        ("html", BadAnswer),
        ("truncated", BadAnswer),
        ("types", BadAnswer),
        ("empty", BadAnswer),
        ("skew", BadAnswer),
        ("zero", BadAnswer),
    ],
)
def test_when_the_whole_exchange_fails_it_says_how(
    source: Source, exchange: Exchange, minute: datetime, fault: str, error: type[TrackerError]
) -> None:
    source.listings()
    exchange.misbehave(fault)
    if fault == "zero" and by_ccxt(source):  # no telling from an exchange whose tickers have no price
        error = SourceRefused
    with pytest.raises(error, match=source.exchange):
        source.latest([market(source)], minute)


@pytest.mark.parametrize("late", [-1, 91, 3600])
def test_what_is_seen_too_early_or_too_late_is_no_sample(
    source: Source, exchange: Exchange, minute: datetime, late: int
) -> None:
    exchange.now = minute + timedelta(seconds=late)
    poll = source.latest([market(source)], minute)
    assert not poll.samples
    assert [one.where for one in poll.problems] == [source.exchange]


# candles -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["BTC", "FARM", "PEPE"])
def test_candles_are_those_of_the_exchange(source: Source, exchange: Exchange, minute: datetime, base: str) -> None:
    one = market(source, base)
    there = listed(exchange, one)
    now = int(minute.timestamp()) // 60
    columns = exchange.simulation.tape.columns(behind(source), there, now - 700, now - 1)
    expected = {
        opened * 60: tuple(float(text(unit, there.price_decimals)) for unit in prices)
        for opened, *prices in zip(*(column.tolist() for column in columns[:5]), strict=True)
    }
    found = source.candles(one, minute - 700 * MINUTE, minute)
    assert [each.minute for each in found] == sorted({each.minute for each in found})
    assert all(minute - 700 * MINUTE < each.minute <= minute for each in found)
    traded = {
        int(each.opened.timestamp()): (each.open, each.high, each.low, each.close) for each in found if each.volume
    }
    assert traded == expected
    assert all(each.open == each.high == each.low == each.close for each in found if not each.volume)


def test_the_ends_of_a_range_are_exact(source: Source, minute: datetime) -> None:
    one = market(source)

    def stamps(start: datetime, end: datetime) -> list[datetime]:
        return [each.minute for each in source.candles(one, start, end)]

    assert stamps(minute - 3 * MINUTE, minute - MINUTE) == [minute - 2 * MINUTE, minute - MINUTE]
    assert stamps(minute - MINUTE, minute - MINUTE) == []
    assert stamps(minute - MINUTE, minute) == [minute]


@pytest.mark.parametrize("second", [0, 1, 30, 59])
def test_an_unfinished_candle_is_never_given(source: Source, exchange: Exchange, minute: datetime, second: int) -> None:
    exchange.now = minute.replace(second=second)
    found = source.candles(market(source), minute - 5 * MINUTE, minute + DAY)
    assert found[-1].minute == minute


@pytest.mark.parametrize("seconds", [-61, -200])
def test_when_our_clock_runs_ahead_an_unfinished_candle_is_still_not_given(
    source: Source, exchange: Exchange, minute: datetime, seconds: int
) -> None:
    exchange.now = minute.replace(second=30)
    exchange.misbehave(f"skew;seconds={-seconds}")  # the server is ahead: nothing changes
    assert source.candles(market(source), minute - 5 * MINUTE, minute)[-1].minute == minute
    there = exchange.now
    ahead = made(source.exchange, exchange.url, lambda: there - timedelta(seconds=seconds))
    exchange.misbehave(None)
    assert ahead.candles(market(source), minute - 5 * MINUTE, minute + DAY)[-1].minute == minute


@pytest.mark.parametrize("fault", ["duplicates", "disorder", "disorder,duplicates"])
def test_candles_are_in_order_once_each(source: Source, exchange: Exchange, minute: datetime, fault: str) -> None:
    one, start = market(source, "FARM"), minute - 100 * MINUTE
    usual = source.candles(one, start, minute)
    exchange.misbehave(fault)
    assert source.candles(one, start, minute) == usual


@pytest.mark.parametrize("fault", ["null", "nan", "blank", "zero", "negative"])
def test_candles_without_a_price_stay_out(source: Source, exchange: Exchange, minute: datetime, fault: str) -> None:
    source.listings()
    exchange.misbehave(f"{fault};market={market(source).pair}")
    assert source.candles(market(source), minute - 5 * MINUTE, minute) == []


def test_minutes_of_an_outage_stay_out(source: Source, exchange: Exchange, minute: datetime) -> None:
    exchange.now = minute
    exchange.misbehave("outage;after=2;for=3")
    exchange.now = minute + 8 * MINUTE
    found = source.candles(market(source), minute, minute + 8 * MINUTE)
    assert [(one.minute - minute) // MINUTE for one in found] == [1, 2, 6, 7, 8]


def test_a_market_that_is_not_there_is_unknown(source: Source, minute: datetime) -> None:
    with pytest.raises(UnknownMarket, match="NOPE"):
        source.candles(Market(source.exchange, "NOPE", "USD"), minute - MINUTE, minute)


@pytest.mark.parametrize("fault", ["429", "451", "500", "503", "html", "truncated", "types", "reset"])
def test_candles_that_cannot_be_had_are_an_error(
    source: Source, exchange: Exchange, minute: datetime, fault: str
) -> None:
    source.listings()
    exchange.misbehave(fault)
    if fault == "types" and by_ccxt(source):  # it makes empty rows of anything
        assert source.candles(market(source), minute - MINUTE, minute) == []
        return
    with pytest.raises(TrackerError):
        source.candles(market(source), minute - MINUTE, minute)


def test_ranges_join_without_a_seam(source: Source, minute: datetime) -> None:
    one, start, cut = market(source, "FARM"), minute - 650 * MINUTE, minute - 333 * MINUTE
    parts: list[Candle] = [*source.candles(one, start, cut), *source.candles(one, cut, minute)]
    assert parts == source.candles(one, start, minute)
