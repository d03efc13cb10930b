"""Ten thousand answers with something wrong in them: an error of ours, or rows that are right."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tracker.candles import Candles
from tracker.errors import TrackerError
from tracker.model import MINUTE, POLL_WITHIN, Candle, Listing, Market, Poll
from tracker.sim import advanced as sim_advanced
from tracker.sim import binance as sim_binance
from tracker.sim import coinbase as sim_coinbase
from tracker.sim import kraken as sim_kraken
from tracker.sim.exchange import View
from tracker.sim.faults import Faults
from tracker.sim.markets import MadeUp
from tracker.sim.tape import Listed
from tracker.sources import binance, coinbase, kraken, reading

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RECEIVED = NOON + timedelta(seconds=3)
EACH = 1000

ODD = [
    None,
    True,
    "",
    "NaN",
    "Infinity",
    "-1",
    "0",
    "1e999",
    "1_0",
    "\x00",
    "💥",
    0,
    -0.0,
    -1,
    1e308,
    10**400,
    float("nan"),
    float("-inf"),
    5e-324,
    {},
    [],
    [[]],
    {"": {}},
]


class Few(MadeUp):
    """Six markets of each exchange."""

    def markets(self, exchange: str) -> Sequence[Listed]:
        wanted = {"BTC-USD", "ETH-USD", "FARM-USD", "BTC-USDT", "ETH-BTC", "WLUNA-USD", "DOGE-USDT"}
        return [one for one in super().markets(exchange) if one.pair in wanted]


def markets(exchange: str) -> list[Market]:
    return [Market(exchange, one.base, one.quote) for one in Few(1).markets(exchange)]


def view(exchange: str) -> View:
    return View(Few(1), exchange, NOON + timedelta(seconds=30), Faults(), 0.0, "/")


def _poll(quotes: dict[Market, tuple[object, object] | None]) -> Poll:
    return reading.poll(quotes, NOON, RECEIVED)


def _finished(candles: Candles) -> list[Candle]:
    return list(reading.finished([candles], candles.market, NOON - 20 * MINUTE, NOON))


SPAN = {"start": str(int((NOON - 20 * MINUTE).timestamp())), "end": str(int(NOON.timestamp()))}
MILLISECONDS = {"startTime": SPAN["start"] + "000", "endTime": SPAN["end"] + "000"}
BTC = {name: Market(name, "BTC", "USDT" if name == "binance" else "USD") for name in ("coinbase", "kraken", "binance")}
NAMES = {Market("kraken", "BTC", "USD"): "XXBTZUSD", Market("kraken", "ETH", "USD"): "XETHZUSD"}


def _enveloped(body: Any) -> Any:
    return kraken.parse_envelope(body, "kraken")


CASES: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "coinbase products": (
        lambda: sim_coinbase.products(view("coinbase"), {}, {}).body,
        coinbase.parse_products,
    ),
    "coinbase stats": (
        lambda: sim_coinbase.all_stats(view("coinbase"), {}, {}).body,
        lambda body: _poll(coinbase.parse_stats(body, markets("coinbase"))),
    ),
    "coinbase candles": (
        lambda: sim_coinbase.candles(view("coinbase"), {"id": "BTC-USD"}, SPAN).body,
        lambda body: _finished(coinbase.parse_candles(body, BTC["coinbase"])),
    ),
    "coinbase advanced": (
        lambda: sim_advanced.products(view("coinbase"), {}, {}).body,
        lambda body: _poll(coinbase.parse_advanced(body, markets("coinbase"))),
    ),
    "kraken pairs": (
        lambda: sim_kraken.pairs(view("kraken"), {}, {}).body,
        lambda body: kraken.parse_pairs(_enveloped(body)),
    ),
    "kraken ticker": (
        lambda: sim_kraken.tickers(view("kraken"), {}, {}).body,
        lambda body: _poll(kraken.parse_ticker(_enveloped(body), NAMES, list(NAMES))),
    ),
    "kraken candles": (
        lambda: sim_kraken.candles(view("kraken"), {}, {"pair": "XBTUSD", "since": SPAN["start"]}).body,
        lambda body: _finished(kraken.parse_candles(_enveloped(body), BTC["kraken"])),
    ),
    "binance symbols": (
        lambda: sim_binance.info(view("binance"), {}, {}).body,
        binance.parse_symbols,
    ),
    "binance tickers": (
        lambda: sim_binance.tickers(view("binance"), {}, {}).body,
        lambda body: _poll(binance.parse_tickers(body, markets("binance"))),
    ),
    "binance candles": (
        lambda: sim_binance.candles(view("binance"), {}, {"symbol": "BTCUSDT", "interval": "1m", **MILLISECONDS}).body,
        lambda body: _finished(binance.parse_candles(body, BTC["binance"])),
    ),
}


def places(body: Any) -> Iterator[tuple[Any, Any]]:
    """Give each (container, key) of a JSON value."""
    if isinstance(body, (dict, list)):
        for key in list(body) if isinstance(body, dict) else range(len(body)):
            yield body, key
            yield from places(body[key])


def mutated(body: Any, chance: random.Random) -> Any:
    """Change a JSON value in one to three places, as broken programs and broken wires do."""
    body = deepcopy(body)
    for _ in range(chance.randint(1, 3)):
        there = list(places(body))
        if not there:
            return chance.choice(ODD)
        box, key = chance.choice(there)
        what = chance.randrange(6)
        if what == 0:
            del box[key]
        elif what == 1 and isinstance(box, list):
            box.insert(chance.randint(0, len(box)), deepcopy(box[key]))
        elif what == 2 and isinstance(box, list):
            chance.shuffle(box)
        elif what == 3:
            other, there_key = chance.choice(there)
            box[key] = deepcopy(other[there_key])
        elif what == 4 and isinstance(box[key], (int, float)):
            box[key] = box[key] * chance.choice([-1, 0, 1000, 1e-300, 0.5])
        else:
            box[key] = deepcopy(chance.choice(ODD))
    return body


def check(found: object) -> None:
    if isinstance(found, Poll):
        for sample in found.samples:
            assert math.isfinite(sample.value)
            assert sample.value > 0 or (sample.series.metric == "volume_24h" and sample.value == 0)
            assert sample.minute == NOON <= sample.observed_at <= NOON + POLL_WITHIN
        assert len({sample.series for sample in found.samples}) == len(found.samples)
        return
    assert isinstance(found, list)
    stamps = [one.minute for one in found if isinstance(one, Candle)]
    assert stamps == sorted(set(stamps))
    for one in found:
        if isinstance(one, Listing):
            assert one.market.base
            assert one.market.quote
            continue
        assert isinstance(one, Candle)
        assert 0 < one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high < math.inf
        assert 0 <= one.volume < math.inf
        assert NOON - 20 * MINUTE < one.minute <= NOON
        assert one.opened.second == one.opened.microsecond == 0


def test_ten_thousand_answers_are_tried() -> None:
    assert len(CASES) * EACH >= 10_000


@pytest.mark.parametrize("name", CASES)
def test_a_whole_answer_gives_rows(name: str) -> None:
    make, read = CASES[name]
    found = read(make())
    assert found.samples if isinstance(found, Poll) else found
    check(found)


@pytest.mark.parametrize("name", CASES)
def test_a_mutated_answer_gives_right_rows_or_an_error_of_ours(name: str) -> None:
    make, read = CASES[name]
    body, chance = make(), random.Random(name)
    outcomes = {"rows": 0, "errors": 0}
    for _ in range(EACH):
        try:
            found = read(mutated(body, chance))
        except TrackerError:
            outcomes["errors"] += 1
            continue
        check(found)
        outcomes["rows"] += 1
    assert outcomes["rows"] > 100


@pytest.mark.parametrize("name", CASES)
def test_cut_and_scratched_bytes_give_right_rows_or_an_error_of_ours(name: str) -> None:
    make, read = CASES[name]
    content, chance = json.dumps(make()).encode(), random.Random(name)
    for _ in range(200):
        scratched = bytearray(content[: chance.randint(0, len(content))] if chance.random() < 0.3 else content)
        for _ in range(chance.randint(1, 4)):
            if scratched:
                scratched[chance.randrange(len(scratched))] = chance.randrange(256)
        try:
            body = json.loads(bytes(scratched))
        except (ValueError, RecursionError):
            continue  # tracker.sources.http makes this a BadAnswer
        with suppress(TrackerError):
            check(read(body))
