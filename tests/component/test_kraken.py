"""What only Kraken does: errors with status 200, names of its own, half a day of candles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.exchange import Exchange
from tracker.errors import BadAnswer, RateLimited, SourceRefused, SourceUnavailable, TrackerError, UnknownMarket
from tracker.model import DAY, HOUR, MINUTE, Market, MarketStatus, Metric
from tracker.sources.kraken import Kraken, parse_envelope, parse_pairs, parse_ticker
from tracker.sources.machine import Machine

BTC = Market("kraken", "BTC", "USD")
DOGE = Market("kraken", "DOGE", "USD")


@pytest.fixture
def kraken(exchange: Exchange) -> Kraken:
    return Kraken(exchange.url, exchange.clock, Machine(paced=False))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": ["EGeneral:Too many requests"]}, RateLimited),
        ({"error": ["EAPI:Rate limit exceeded"], "result": {}}, RateLimited),
        ({"error": ["EService:Unavailable"]}, SourceUnavailable),
        ({"error": ["EService:Busy"]}, SourceUnavailable),
        ({"error": ["EQuery:Unknown asset pair"]}, UnknownMarket),
        ({"error": ["EGeneral:Invalid arguments"]}, SourceRefused),
        ({"error": []}, BadAnswer),
        ({"error": [], "result": None}, BadAnswer),
        ({"error": "none", "result": {}}, BadAnswer),
        ({"result": {}}, BadAnswer),
        ([], BadAnswer),
        (None, BadAnswer),
    ],
)
def test_what_the_envelope_says_is_what_is_raised(body: object, error: type[TrackerError]) -> None:
    with pytest.raises(error, match="kraken, /0/public/Ticker"):
        parse_envelope(body, "kraken, /0/public/Ticker")


def test_a_warning_beside_a_result_is_let_pass() -> None:
    assert parse_envelope({"error": ["WGeneral:Deprecated"], "result": {"a": 1}}, "kraken") == {"a": 1}


def _pair(name: str | None, **more: object) -> dict[str, Any]:
    return {"altname": "x", "base": "X", "quote": "Z", **({"wsname": name} if name else {}), **more}


def test_pairs_are_named_as_people_do_and_dark_pools_left_out() -> None:
    found = parse_pairs(
        {
            "XXBTZUSD": _pair("XBT/USD"),
            "XXBTZUSD.d": _pair(None),
            "XXDGXXBT": _pair("XDG/XBT", status="online"),
            "AIOZUSD": _pair("AIOZ/USD", status="cancel_only"),
            "AIOUSD": _pair("AIO/USD", status="limit_only"),
            "BAD": _pair("nonsense"),
            "WORSE": 7,
        }
    )
    assert [(one.market.pair, one.symbol, one.status) for one in found] == [
        ("BTC-USD", "XXBTZUSD", MarketStatus.TRADABLE),
        ("DOGE-BTC", "XXDGXXBT", MarketStatus.TRADABLE),
        ("AIOZ-USD", "AIOZUSD", MarketStatus.HALTED),
        ("AIO-USD", "AIOUSD", MarketStatus.TRADABLE),
    ]


def test_a_ticker_is_the_last_24_h_not_today() -> None:
    row = {"c": ["63405.10000", "0.00002000"], "v": ["303.38069320", "996.77894514"]}
    assert parse_ticker({"XXBTZUSD": row}, {BTC: "XXBTZUSD"}, [BTC, DOGE]) == {
        BTC: ("63405.10000", "996.77894514"),
        DOGE: None,
    }


def test_after_midnight_the_volume_is_still_that_of_24_h(exchange: Exchange, kraken: Kraken) -> None:
    exchange.now = exchange.now.replace(hour=0, minute=5)
    minute = exchange.now.replace(second=0)
    volume = {one.series.metric: one.value for one in kraken.latest([BTC], minute).samples}[Metric.VOLUME_24H]
    row = requests.get(f"{exchange.url}/0/public/Ticker?pair=XBTUSD", timeout=10).json()["result"]["XXBTZUSD"]
    assert volume == float(row["v"][1]) > 20 * float(row["v"][0])


def test_a_dead_market_has_no_price_though_it_has_bid_and_ask(exchange: Exchange, kraken: Kraken) -> None:
    dead = Market("kraken", "WLUNA", "USD")
    poll = kraken.latest([dead, BTC], exchange.now.replace(second=0))
    assert {one.series.market for one in poll.samples} == {BTC}
    assert "0.000000000" in poll.problems[0].what


def test_candles_reach_back_720_minutes_and_are_never_wider(exchange: Exchange, kraken: Kraken) -> None:
    minute = exchange.now.replace(second=0)
    found = kraken.candles(BTC, minute - DAY, minute)
    assert [one.minute for one in found] == [minute - n * MINUTE for n in range(719, -1, -1)]
    before = len(exchange.requests)
    assert kraken.candles(BTC, minute - 3 * DAY, minute - 2 * DAY) == []
    assert len(exchange.requests) == before  # there is nothing to ask for
    assert kraken.reach == 12 * HOUR


def test_names_are_learnt_once_and_shared_between_processes(exchange: Exchange, tmp_path: Path) -> None:
    minute = exchange.now.replace(second=0)
    Kraken(exchange.url, exchange.clock, Machine(tmp_path)).latest([BTC, DOGE], minute)
    assert [path.partition("?")[0] for path in exchange.requests] == ["0/public/AssetPairs", "0/public/Ticker"]
    Kraken(exchange.url, exchange.clock, Machine(tmp_path)).latest([BTC, DOGE], minute)
    assert [path.partition("?")[0] for path in exchange.requests][2:] == ["0/public/Ticker"]
    exchange.now += 2 * HOUR
    Kraken(exchange.url, exchange.clock, Machine(tmp_path)).latest([BTC], exchange.now.replace(second=0))
    assert [path.partition("?")[0] for path in exchange.requests][3:] == ["0/public/AssetPairs", "0/public/Ticker"]


def test_being_throttled_keeps_all_processes_quiet(exchange: Exchange, tmp_path: Path) -> None:
    waits: list[float] = []
    minute = exchange.now.replace(second=0)
    one, two = (
        Kraken(exchange.url, exchange.clock, Machine(tmp_path, elapsed=lambda: 100.0, sleep=waits.append))
        for _ in range(2)
    )
    one.listings()
    exchange.misbehave("429;path=Ticker")
    with pytest.raises(RateLimited):
        one.latest([BTC], minute)
    exchange.misbehave(None)
    assert two.latest([BTC], minute).samples
    assert waits == [2.0]
