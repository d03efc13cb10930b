"""Made-up markets: the same in any order of asking, exact in their sums, and with the habits of markets."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.sim.catalogue import MARKETS
from tracker.sim.markets import MadeUp
from tracker.sim.tape import DAY, Columns, Listed, State, current, text, ticker, until_now

NOON = int(datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()) // 60
COINBASE = MARKETS["coinbase"]
LISTED = {one.pair: one for one in COINBASE}


def at(minute: int, second: int = 0) -> datetime:
    return datetime.fromtimestamp(minute * 60 + second, UTC)


def candles(tape: MadeUp, pair: str, first: int, last: int) -> Columns:
    return tape.columns("coinbase", LISTED[pair], first, last)


def test_there_are_many_markets_of_many_scales() -> None:
    live = [one for one in COINBASE if one.state is State.ONLINE]
    tape = MadeUp(1)
    prices = [int(candles(tape, one.pair, NOON - 60, NOON).close[-1]) / 10**one.price_decimals for one in live]
    assert len(live) >= 60
    assert min(prices) < 1e-5
    assert max(prices) > 5e4
    assert {one.quote for one in live} == {"USD", "EUR", "GBP", "USDT", "BTC"}
    assert {one.state for one in COINBASE} == set(State)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(COINBASE), st.integers(0, 20_000_000), st.integers(0, 4000), st.integers(0, 3))
def test_any_minute_may_be_asked_for_first(market: Listed, first: int, length: int, seed: int) -> None:
    cut = first + length // 2
    whole = MadeUp(seed).columns("coinbase", market, first, first + length)
    later = MadeUp(seed)
    parts = [later.columns("coinbase", market, cut + 1, first + length), later.columns("coinbase", market, first, cut)]
    for column, last, begin in zip(whole, *parts, strict=True):
        assert np.array_equal(column, np.concatenate((begin, last)))
    assert np.all((whole.minute >= first) & (whole.minute <= first + length))
    assert np.all(np.diff(whole.minute) > 0)


def test_another_seed_gives_other_markets() -> None:
    one, other = (candles(MadeUp(seed), "BTC-USD", NOON - 100, NOON).close for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("pair", ["BTC-USD", "PEPE-USD", "FARM-USD", "ETH-BTC", "USDT-USD"])
def test_candles_are_well_formed_and_follow_each_other(pair: str) -> None:
    rows = candles(MadeUp(1), pair, NOON - 3 * DAY, NOON)
    assert np.all(rows.low > 0)
    assert np.all(rows.low <= np.minimum(rows.open, rows.close))
    assert np.all(rows.high >= np.maximum(rows.open, rows.close))
    assert np.all(rows.volume > 0)
    assert np.array_equal(rows.open[1:], rows.close[:-1])  # over midnight too


def test_busy_markets_trade_every_minute_and_quiet_ones_do_not() -> None:
    tape = MadeUp(1)
    assert candles(tape, "BTC-USD", NOON - DAY, NOON - 1).minute.size == DAY
    assert 100 < candles(tape, "FARM-USD", NOON - DAY, NOON - 1).minute.size < 800


@pytest.mark.parametrize("pair", ["BTC-USD", "FARM-USD", "SHIB-USD"])
@pytest.mark.parametrize("second", [0, 3, 9, 10, 30, 59])
def test_the_day_in_a_poll_is_the_sum_of_its_1440_candles(pair: str, second: int) -> None:
    tape = MadeUp(1)
    rows = candles(tape, pair, NOON - DAY, NOON - 1)
    found = ticker(tape, "coinbase", LISTED[pair], at(NOON, second))
    assert found is not None
    assert found.volume == sum(rows.volume.tolist())
    assert found.low <= found.last <= found.high
    assert found.open == rows.open[0]


@pytest.mark.parametrize("pair", ["BTC-USD", "FARM-USD"])
def test_a_poll_moves_from_one_close_to_the_next(pair: str) -> None:
    tape = MadeUp(1)
    for minute in range(NOON, NOON + 60):
        before = tape.close_before("coinbase", LISTED[pair], minute)
        after = tape.close_before("coinbase", LISTED[pair], minute + 1)
        assert before is not None
        assert after is not None
        early = ticker(tape, "coinbase", LISTED[pair], at(minute, 5))
        late = ticker(tape, "coinbase", LISTED[pair], at(minute, 59))
        assert early is not None
        assert late is not None
        assert early.last == before
        assert min(before, after) <= late.last <= max(before, after)


def test_the_candle_of_this_minute_grows_inside_the_one_it_becomes() -> None:
    tape, market = MadeUp(1), LISTED["BTC-USD"]
    assert current(tape, "coinbase", market, at(NOON, 4)).minute.size == 0
    half = until_now(tape, "coinbase", market, (NOON - 5, NOON + 5), at(NOON, 30))
    whole = tape.columns("coinbase", market, NOON - 5, NOON)
    assert half.minute.tolist() == whole.minute.tolist()
    assert whole.low[-1] <= half.low[-1] <= half.high[-1] <= whole.high[-1]
    assert half.volume[-1] < whole.volume[-1]


def test_small_markets_spike_above_three_times_their_hour_about_every_ten_minutes() -> None:
    tape, found = MadeUp(1), 0
    markets = [one for one in COINBASE if one.quote == "USD" and one.state is State.ONLINE]
    jumped = set()
    for market in markets:
        rows = tape.columns("coinbase", market, NOON - DAY - 60, NOON - 1)
        for index in range(60, rows.minute.size):
            hour = (rows.minute >= rows.minute[index] - 60) & (rows.minute < rows.minute[index])
            if hour.any() and rows.close[index] > 3.05 * rows.close[hour].mean():
                found += rows.close[index - 1] < 2 * rows.close[hour].min()
                jumped.add(market.pair)
    assert 100 <= found <= 160  # one in 12 minutes
    assert 6 <= len(jumped) <= 12
    assert "BTC-USD" not in jumped


def _returns(tape: MadeUp, pair: str, days: int = 10) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    rows = candles(tape, pair, NOON - days * DAY, NOON - 1)
    found: np.ndarray[tuple[int], np.dtype[np.float64]] = np.diff(np.log(rows.close / 1.0))
    return found


def test_moves_come_in_clusters_have_fat_tails_and_are_shared() -> None:
    tape = MadeUp(1)
    bitcoin, ether = _returns(tape, "BTC-USD"), _returns(tape, "ETH-USD")
    size = np.abs(bitcoin)
    assert np.corrcoef(size[:-5], size[5:])[0, 1] > 0.1
    assert abs(np.corrcoef(bitcoin[:-1], bitcoin[1:])[0, 1]) < 0.08
    assert ((bitcoin / bitcoin.std()) ** 4).mean() > 5
    assert np.corrcoef(bitcoin, ether)[0, 1] > 0.5
    yearly = bitcoin.std() * np.sqrt(525_600)
    assert 0.2 < yearly < 1.5


def test_days_have_a_busy_and_a_quiet_part() -> None:
    tape = MadeUp(1)
    rows = candles(tape, "BTC-USD", NOON // DAY * DAY - 20 * DAY, NOON // DAY * DAY - 1)
    hours = rows.volume.reshape(20, 24, 60).sum(axis=(0, 2))
    assert hours[13:17].mean() > 1.5 * hours[2:6].mean()


def test_crosses_agree_with_each_other() -> None:
    tape = MadeUp(1)
    close = {
        pair: int(candles(tape, pair, NOON - 10, NOON).close[-1]) / 10 ** LISTED[pair].price_decimals
        for pair in ("BTC-USD", "ETH-USD", "ETH-BTC")
    }
    assert close["ETH-BTC"] == pytest.approx(close["ETH-USD"] / close["BTC-USD"], rel=0.005)


def test_prices_stay_in_their_order_of_size_for_years() -> None:
    tape = MadeUp(1)
    for year in range(2020, 2032):
        minute = int(datetime(year, 6, 1, tzinfo=UTC).timestamp()) // 60
        price = int(candles(tape, "BTC-USD", minute, minute).close[0]) / 100
        assert 20_000 < price < 400_000


@given(st.integers(0, 10**18), st.integers(0, 12))
def test_a_written_number_is_the_number(units: int, decimals: int) -> None:
    from decimal import Decimal, localcontext

    with localcontext() as context:
        context.prec = 40
        assert Decimal(text(units, decimals)) == Decimal(units).scaleb(-decimals)
        assert Decimal(text(units, decimals, places=8)) == Decimal(units).scaleb(-decimals)
