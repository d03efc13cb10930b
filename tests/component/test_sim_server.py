"""The simulator on the wire: formats, limits and quirks as exchanges have them, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from tests.support.exchange import Exchange
from tracker.errors import ConfigError
from tracker.sim.limits import Bucket
from tracker.sim.listening import listen
from tracker.sim.server import WIRES

ADVANCED = "/api/v3/brokerage/market/products"


def get(exchange: Exchange, path: str, **params: str) -> Any:
    return ask(exchange, path, **params).json()


def ask(exchange: Exchange, path: str, **params: str) -> requests.Response:
    return requests.get(exchange.url + path, params=params, timeout=10)


def span(exchange: Exchange, minutes: int) -> dict[str, str]:
    end = exchange.now.replace(second=0)
    start = end - timedelta(minutes=minutes)
    return {"granularity": "60", "start": start.isoformat(), "end": end.isoformat()}


def test_products_tell_delisted_from_online(exchange: Exchange) -> None:
    rows = {row["id"]: row for row in get(exchange, "/products")}
    assert rows["BTC-USD"]["status"] == "online"
    assert rows["BTC-USDC"] | {"status": "delisted", "trading_disabled": True} == rows["BTC-USDC"]
    assert rows["KRL-USD"]["limit_only"] is True
    assert rows["WLUNA-USD"]["cancel_only"] is True
    assert "BTC-USDC" not in get(exchange, "/products/stats")


def test_figures_are_strings_and_the_bulk_call_has_those_of_each_market(exchange: Exchange) -> None:
    day = get(exchange, "/products/stats")["SHIB-USD"]["stats_24hour"]
    single = get(exchange, "/products/SHIB-USD/stats")
    ticker = get(exchange, "/products/SHIB-USD/ticker")
    assert all(isinstance(value, str) for value in day.values())
    assert {name: single[name] for name in ("open", "high", "low", "last", "volume")} == {
        name: day[name] for name in ("open", "high", "low", "last", "volume")
    }
    assert ticker["price"] == day["last"]
    assert isinstance(ticker["trade_id"], int)
    assert datetime.fromisoformat(ticker["time"]) <= exchange.now
    assert "e" not in day["last"]


def test_the_bulk_call_is_cached_for_five_seconds(exchange: Exchange) -> None:
    exchange.now = exchange.now.replace(second=31)
    first = ask(exchange, "/products/stats")
    exchange.now = exchange.now.replace(second=34)
    second = ask(exchange, "/products/stats")
    assert (first.headers["Cache-Control"], first.content) == ("public, max-age=5", second.content)
    assert (first.headers["Age"], second.headers["Age"]) == ("1", "4")
    assert first.headers["Date"] == second.headers["Date"] == "Mon, 23 Nov 2026 22:10:30 GMT"


def test_candles_are_low_high_open_close_newest_first_and_both_ends_count(exchange: Exchange) -> None:
    rows = get(exchange, "/products/BTC-USD/candles", **span(exchange, 10))
    exchange.now += timedelta(minutes=1)
    rows = get(exchange, "/products/BTC-USD/candles", **span(exchange, 10))
    end = int(exchange.now.replace(second=0).timestamp())
    assert [row[0] for row in rows] == [end - 60 * n for n in range(1, 11)]  # the newest has not traded yet
    assert all(low <= min(open_, close) <= max(open_, close) <= high for _, low, high, open_, close, _ in rows)
    exchange.now = exchange.now.replace(second=40)
    assert get(exchange, "/products/BTC-USD/candles", **span(exchange, 10))[0][0] == end  # the unfinished one


def test_300_intervals_are_served_and_301_are_refused(exchange: Exchange) -> None:
    exchange.now = exchange.now.replace(second=30)
    assert len(get(exchange, "/products/BTC-USD/candles", **span(exchange, 300))) == 301
    refused = ask(exchange, "/products/BTC-USD/candles", **span(exchange, 301))
    assert refused.status_code == 400
    assert "exceeds 300" in refused.json()["message"]


def test_without_both_ends_an_old_cache_answers_with_350_rows(exchange: Exchange) -> None:
    exchange.now = exchange.now.replace(minute=14, second=30)
    for params in ({}, {"start": "2026-11-23T00:00:00Z"}):
        answer = ask(exchange, "/products/BTC-USD/candles", **params)
        assert len(answer.json()) == 350
        assert answer.headers["Age"] == "270"
        assert answer.json()[0][0] < int(exchange.now.replace(minute=10, second=0).timestamp())


def test_wide_candles_join_the_narrow_ones(exchange: Exchange) -> None:
    exchange.now = exchange.now.replace(hour=22, minute=0, second=0)
    rows = get(exchange, "/products/FARM-USD/candles", **span(exchange, 60))
    hour = get(exchange, "/products/FARM-USD/candles", **span(exchange, 60) | {"granularity": "3600"})
    begin = int((exchange.now - timedelta(hours=1)).timestamp())
    inside = [row for row in rows if begin <= row[0] < begin + 3600]
    assert hour[-1][0] == begin
    assert hour[-1][1:5] == [min(r[1] for r in inside), max(r[2] for r in inside), inside[-1][3], inside[0][4]]
    assert hour[-1][5] == pytest.approx(sum(r[5] for r in inside))


@pytest.mark.parametrize(
    ("path", "params", "status", "message"),
    [
        ("/products/NOPE-USD", {}, 404, "NotFound"),
        ("/products/NOPE-USD/ticker", {}, 404, "NotFound"),
        ("/products/NOPE-USD/candles", {}, 404, "NotFound"),
        ("/products/BTC-USDC/candles", {}, 400, "Not allowed for delisted products"),
        ("/products/BTC-USDC/stats", {}, 400, "Not allowed for delisted products"),
        ("/products/BTC-USD/candles", {"granularity": "61"}, 400, "Unsupported granularity"),
        ("/products/BTC-USD/candles", {"start": "x", "end": "y"}, 400, "Invalid start"),
        (f"{ADVANCED}/NOPE-USD", {}, 404, "Product NOPE-USD not supported"),
    ],
)
def test_refusals_use_the_words_of_the_exchange(
    exchange: Exchange, path: str, params: dict[str, str], status: int, message: str
) -> None:
    answer = ask(exchange, path, **params)
    assert (answer.status_code, answer.json()["message"]) == (status, message)


def test_advanced_names_each_dollar_book_twice_and_writes_strings(exchange: Exchange) -> None:
    answer = ask(exchange, ADVANCED, product_type="SPOT")
    body = answer.json()
    rows = {row["product_id"]: row for row in body["products"] if not row["is_disabled"]}
    assert body["num_products"] == len(body["products"])
    assert answer.headers["Cache-Control"] == "public, max-age=14400"
    assert rows["ETH-USDC"]["alias"] == "ETH-USD"
    assert rows["ETH-USDC"]["volume_24h"] == rows["ETH-USD"]["volume_24h"]
    assert rows["ETH-USD"]["mid_market_price"] == ""
    assert rows["ETH-USD"]["price"] == get(exchange, "/products/stats")["ETH-USD"]["stats_24hour"]["last"]


def test_advanced_candles_are_objects_of_strings_and_at_most_350(exchange: Exchange) -> None:
    exchange.now = exchange.now.replace(second=30)
    end = int(exchange.now.timestamp()) // 60 * 60
    params = {"granularity": "ONE_MINUTE", "start": str(end - 349 * 60), "end": str(end)}
    rows = get(exchange, f"{ADVANCED}/BTC-USD/candles", **params)["candles"]
    assert len(rows) == 350
    assert rows[0]["start"] == str(end)
    plain = get(exchange, "/products/BTC-USD/candles", **span(exchange, 1))
    assert [float(rows[1][name]) for name in ("low", "high", "open", "close", "volume")] == plain[1][1:]
    refused = ask(exchange, f"{ADVANCED}/BTC-USD/candles", **params | {"start": str(end - 350 * 60)})
    assert refused.status_code == 400
    assert "less than 350" in refused.json()["error_details"]


def test_ten_a_second_are_answered_and_fifteen_at_once() -> None:
    bucket = Bucket(WIRES["coinbase"][2])
    assert [bucket.take(1, 100.0) for _ in range(15)] == [None] * 15
    assert bucket.take(1, 100.0) == (429, pytest.approx(0.1))
    assert [bucket.take(1, 100.35) is None for _ in range(4)] == [True, True, True, False]


def test_who_goes_on_asking_is_banned_for_longer_and_longer() -> None:
    bucket = Bucket(WIRES["binance"][2])
    while bucket.take(80, 100.0) is None:
        pass
    answers = [bucket.take(80, 100.0) for _ in range(7)]
    assert [answer[0] for answer in answers if answer] == [429, 429, 429, 429, 418, 418, 418]
    assert [answer[1] for answer in answers[4:] if answer] == [120, 180, 240]
    assert bucket.take(80, 341.0) is None


@pytest.mark.parametrize(
    ("api", "path", "status", "body"),
    [
        ("coinbase", "/products/stats", 429, {"message": "Public rate limit exceeded"}),
        ("kraken", "/0/public/Ticker", 200, {"error": ["EGeneral:Too many requests"]}),
    ],
)
def test_more_than_the_limit_is_refused_in_the_words_of_the_exchange(
    exchange: Exchange, api: str, path: str, status: int, body: object
) -> None:
    exchange.simulation.rate_limit = True
    while exchange.simulation.bucket(api).take(1, 1e12) is None:  # nothing drips in until then
        pass
    answer = ask(exchange, path)
    assert (answer.status_code, answer.json()) == (status, body)


def test_binance_tells_the_used_weight_and_how_long_to_wait(exchange: Exchange) -> None:
    exchange.simulation.rate_limit = True
    assert ask(exchange, "/api/v3/ticker/24hr").headers["X-MBX-USED-WEIGHT-1M"] == "80"
    while exchange.simulation.bucket("binance").take(80, 1e12) is None:
        pass
    answer = ask(exchange, "/api/v3/ticker/24hr")
    assert (answer.status_code, answer.json()["code"]) == (429, -1003)
    assert int(answer.headers["Retry-After"]) >= 1


def test_it_says_what_it_simulates(exchange: Exchange) -> None:
    about = get(exchange, "/sim")
    assert (about["seed"], about["replay"], about["shift_seconds"]) == (1, None, 0)
    assert about["now"] == "2026-11-23T22:10:03Z"
    assert "BTC-USD" in about["markets"]["coinbase"]


def test_an_outage_ends_and_its_minutes_stay_missing(exchange: Exchange) -> None:
    exchange.now = exchange.now.replace(second=0)
    exchange.misbehave("outage;after=2;for=3")
    exchange.now += timedelta(minutes=3)
    assert ask(exchange, "/products/stats").status_code == 503
    exchange.now += timedelta(minutes=7)
    begin = int(exchange.simulation.started.timestamp())
    minutes = [(row[0] - begin) // 60 for row in get(exchange, "/products/BTC-USD/candles", **span(exchange, 10))]
    assert minutes == [9, 8, 7, 6, 5, 1, 0]


def test_an_outage_of_one_exchange_leaves_the_others_alone(exchange: Exchange) -> None:
    exchange.now = exchange.now.replace(second=0)
    exchange.misbehave("outage;for=3;path=/products")
    assert ask(exchange, "/products/stats").status_code == 503
    exchange.now += timedelta(minutes=5)
    assert len(get(exchange, "/products/BTC-USD/candles", **span(exchange, 5))) == 2
    since = str(int(exchange.now.timestamp()) - 360)
    rows = get(exchange, "/0/public/OHLC", pair="XBTUSD", interval="1", since=since)["result"]["XXBTZUSD"]
    assert len(rows) >= 5


def test_a_spike_on_demand_is_in_polls_and_candles_alike(exchange: Exchange) -> None:
    exchange.now = exchange.now.replace(second=0)
    usual = float(get(exchange, "/products/BTC-USD/stats")["last"])
    exchange.misbehave("spike;market=BTC-USD;after=2;for=2;times=5")
    polled = []
    for _ in range(6):
        polled.append(float(get(exchange, "/products/BTC-USD/stats")["last"]))
        exchange.now += timedelta(minutes=1)
    assert [round(one / usual) for one in polled] == [1, 1, 1, 5, 5, 1]
    exchange.now -= timedelta(minutes=1)
    closes = [row[4] for row in get(exchange, "/products/BTC-USD/candles", **span(exchange, 5))]
    assert closes[::-1] == polled[1:]


def test_a_volume_may_change_its_units(exchange: Exchange) -> None:
    usual = float(get(exchange, "/products/stats")["BTC-USD"]["stats_24hour"]["volume"])
    exchange.misbehave("units")
    assert float(get(exchange, "/products/stats")["BTC-USD"]["stats_24hour"]["volume"]) == pytest.approx(600 * usual)


@pytest.mark.parametrize(
    "path", ["/products/stats", f"{ADVANCED}?product_type=SPOT", "/0/public/Ticker", "/api/v3/ticker/24hr"]
)
def test_a_market_may_change_its_name_and_trades_on(exchange: Exchange, path: str) -> None:
    before = ask(exchange, path).text
    exchange.misbehave("rename;market=SOL-USD;after=2,rename;market=SOL-USDT;after=2")
    assert ask(exchange, path).text == before
    exchange.now += timedelta(minutes=3)
    after = ask(exchange, path).text
    assert "SOL2" not in before
    assert "SOL2" in after
    found = get(exchange, "/products/SOL2-USD/candles", **span(exchange, 10))
    assert ask(exchange, "/products/SOL-USD/candles", **span(exchange, 10)).status_code == 404
    exchange.misbehave(None)
    assert get(exchange, "/products/SOL-USD/candles", **span(exchange, 10)) == found


def test_as_many_markets_as_in_the_world_are_listed_and_polled(exchange_with: Callable[..., Exchange]) -> None:
    exchange = exchange_with(many=True)
    assert len(get(exchange, "/products")) == 800
    assert len(get(exchange, "/0/public/AssetPairs")["result"]) > 1090
    assert len(get(exchange, "/api/v3/exchangeInfo")["symbols"]) > 1490
    assert len(get(exchange, "/products/stats")) > 790


def test_late_candles_come_in_the_end(exchange: Exchange) -> None:
    exchange.misbehave("late;seconds=180")
    newest = get(exchange, "/products/BTC-USD/candles", **span(exchange, 10))[0][0]
    assert newest + 60 == int(exchange.now.replace(second=0).timestamp()) - 180
    exchange.now += timedelta(minutes=3)
    assert get(exchange, "/products/BTC-USD/candles", **span(exchange, 10))[0][0] == newest + 180


def test_a_taken_port_is_said_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door, pytest.raises(ConfigError, match="cannot listen on 127"):
        listen(door.getsockname()[1])


SCRIPT = """
import sys
from datetime import UTC, datetime
from tracker.sim.server import Simulation, serve
serve(0, Simulation.make(lambda: datetime.now(UTC)), ready=lambda url: print(url, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/products/stats", timeout=30) as answer:
            assert json.load(answer)["BTC-USD"]
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "", "")
