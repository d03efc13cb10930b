"""What only Binance does: weights and bans, milliseconds, symbols that are delisted but still answer."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.exchange import Exchange
from tracker.errors import RateLimited, SourceRefused
from tracker.model import DAY, MINUTE, Market, MarketStatus
from tracker.sources.binance import Binance, pages, parse_candles, parse_symbols, parse_tickers
from tracker.sources.machine import Machine

BTC = Market("binance", "BTC", "USDT")
GONE = Market("binance", "WLUNA", "USDT")


@pytest.fixture
def binance(exchange: Exchange) -> Binance:
    return Binance(exchange.url, exchange.clock, Machine(paced=False))


def test_symbols_tell_what_can_be_traded(caplog: pytest.LogCaptureFixture) -> None:
    def row(base: str, status: str, spot: object = True, symbol: str | None = None) -> dict[str, object]:
        name = symbol or f"{base}USDT"
        return {
            "symbol": name,
            "status": status,
            "baseAsset": base,
            "quoteAsset": "USDT",
            "isSpotTradingAllowed": spot,
        }

    with caplog.at_level(logging.WARNING):
        found = parse_symbols(
            {
                "symbols": [
                    row("BTC", "TRADING"),
                    row("BCC", "BREAK"),
                    row("NEW", "PRE_TRADING"),
                    row("OLD", "HALT"),
                    row("BTCUP", "TRADING", spot=False),
                    row("币安", "TRADING"),
                    row("ODD", "TRADING", symbol="ODD_USDT"),
                    {"symbol": "XY"},
                    7,
                ]
            }
        )
    assert {one.market.base: one.status for one in found} == {
        "BTC": MarketStatus.TRADABLE,
        "BCC": MarketStatus.DELISTED,
        "NEW": MarketStatus.HALTED,
        "OLD": MarketStatus.HALTED,
        "币安": MarketStatus.TRADABLE,
    }
    assert len(caplog.records) == 3


def test_a_symbol_that_does_not_trade_has_no_price(exchange: Exchange, binance: Binance) -> None:
    poll = binance.latest([BTC, GONE], exchange.now.replace(second=0))
    assert {one.series.market for one in poll.samples} == {BTC}
    assert [one.where for one in poll.problems] == [str(GONE)]
    assert exchange.requests == ["api/v3/ticker/24hr?type=MINI&symbolStatus=TRADING"]


def test_a_price_of_zero_is_no_price() -> None:
    body = [
        {"symbol": "DAIUSDT", "lastPrice": "0.00000000", "volume": "0.00000000"},
        {"symbol": "BTCUSDT", "lastPrice": "1", "volume": "2"},
    ]
    assert parse_tickers(body, [BTC, GONE]) == {BTC: ("1", "2"), GONE: None}


def test_candles_count_milliseconds_and_begin_at_whole_minutes() -> None:
    good = [1588740120000, "9033.34", "9039.99", "9032.75", "9033.15", "31.1", 1588740179999, "1", 2, "1", "1", "0"]
    half = [1588740120500, *good[1:]]
    found = parse_candles([half, good], BTC)
    assert [int(one.opened.timestamp()) for one in found] == [1588740120]


def test_a_day_and_a_half_of_candles_is_three_calls_of_at_most_1000(exchange: Exchange, binance: Binance) -> None:
    minute = exchange.now.replace(second=0)
    found = binance.candles(BTC, minute - 36 * 60 * MINUTE, minute)
    assert [one.minute for one in found] == [minute - n * MINUTE for n in range(2159, -1, -1)]
    assert len(exchange.requests) == 3


def test_minutes_without_trades_are_flat_and_have_no_volume(exchange: Exchange, binance: Binance) -> None:
    minute = exchange.now.replace(second=0)
    found = binance.candles(Market("binance", "FARM", "USDT"), minute - DAY, minute)
    quiet = [one for one in found if one.volume == 0]
    assert len(found) == 1440
    assert len(quiet) > 300
    assert all(one.open == one.high == one.low == one.close for one in quiet)


def test_pages_cover_each_minute_once(exchange: Exchange) -> None:
    start = exchange.now.replace(second=0)
    covered = [
        since + n * MINUTE
        for since, until in pages(start, start + 2500 * MINUTE)
        for n in range(int((until - since) / MINUTE) + 1)
    ]
    assert covered == [start + n * MINUTE for n in range(2500)]


def test_a_ban_keeps_all_processes_from_asking_until_it_ends(exchange: Exchange, tmp_path: Path) -> None:
    now = [100.0]
    minute = exchange.now.replace(second=0)
    one, two = (
        Binance(exchange.url, exchange.clock, Machine(tmp_path, elapsed=lambda: now[0], sleep=lambda _: None))
        for _ in range(2)
    )
    exchange.misbehave("418;retry=120")
    with pytest.raises(RateLimited, match="120 s of quiet"):
        one.latest([BTC], minute)
    exchange.misbehave(None)
    asked = len(exchange.requests)
    now[0] += 60
    with pytest.raises(RateLimited, match="60 s are left") as caught:
        two.latest([BTC], minute)
    assert caught.value.retry_after == 60
    assert len(exchange.requests) == asked  # a request during a ban would lengthen it
    now[0] += 61
    assert two.latest([BTC], minute).samples


@pytest.mark.parametrize(("used", "left"), [(4_900, None), (4_920, 57.0)])
def test_what_others_behind_the_same_address_use_up_is_read_and_left_to_recover(
    exchange: Exchange, tmp_path: Path, used: int, left: float | None
) -> None:
    exchange.simulation.rate_limit = True
    bucket = exchange.simulation.bucket("binance")
    bucket.tokens, bucket.last = 6_000.0 - used, time.monotonic() + 1e6  # nothing comes back meanwhile
    bucket.limit = replace(bucket.limit, rate=0.0)
    one, two = (Binance(exchange.url, exchange.clock, Machine(tmp_path, sleep=lambda _: None)) for _ in range(2))
    minute = exchange.now.replace(second=0)
    assert one.latest([BTC], minute).samples  # the 80 that it costs are the last
    if left is None:
        assert two.latest([BTC], minute).samples
        return
    with pytest.raises(RateLimited, match="nearly used up") as caught:
        two.candles(BTC, minute - MINUTE, minute)
    assert caught.value.retry_after == pytest.approx(left, abs=5)  # the clock stands at 3 s past the minute


def test_a_region_that_is_not_served_is_told_and_not_tried_again(exchange: Exchange, binance: Binance) -> None:
    exchange.misbehave("451")
    with pytest.raises(SourceRefused, match="another address"):
        binance.latest([BTC], exchange.now.replace(second=0))
    assert len(exchange.requests) == 1
