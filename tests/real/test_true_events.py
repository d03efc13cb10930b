"""Recorded markets: the true price events fire once each, and neither a crash nor an outage fires anything.

The expected alerts come from tests/support/judge.py, an independent computation in exact fractions over every
series that could matter, from the files as they are (candle open time, so our minutes are one later).
"""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.judge import counted, told
from tracker.alerts import AlertRule, Event, State, evaluate, history, load_rules
from tracker.frames import between, samples_table
from tracker.model import DAY, MINUTE, Market, Metric, Origin, Sample, Series
from tracker.settings import ROOT
from tracker.stats import summarise

pytestmark = pytest.mark.real_data

PRICE = AlertRule("price-3x", Metric.PRICE)
OUTAGE = datetime(2021, 4, 25, 4, 1, tzinfo=UTC), datetime(2021, 4, 25, 8, 45, tzinfo=UTC)


def recorded(name):
    """Give the closes of each market by minute stamp."""
    table = pq.ParquetFile(Path(os.environ["TRACKER_REAL_DATA"]) / name).read(["market", "timestamp", "close"])
    closes = defaultdict(dict)
    for row in table.to_pylist():
        exchange, _, pair = row["market"].partition(":")
        base, _, quote = pair.partition("/")
        closes[Market(exchange, base, quote)][row["timestamp"].astimezone(UTC) + MINUTE] = row["close"]
    return closes


def samples(closes):
    return samples_table(
        Sample(Series(market, Metric.PRICE), minute, value, minute, Origin.CANDLE)
        for market, values in closes.items()
        for minute, value in values.items()
    )


def span(closes):
    minutes = [minute for values in closes.values() for minute in (min(values), max(values))]
    return min(minutes), max(minutes)


def lives(transitions):
    found = defaultdict(dict)
    for one in transitions:
        found[str(one.series.market), one.fired][one.event] = one
    return found


def stamp(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def bittrex():
    return recorded("bittrex_3_true_price_3x_days.parquet")


@pytest.fixture(scope="module")
def crash():
    return recorded("binance_40mkts_72h_20210517_20210520_crash.parquet")


@pytest.fixture(scope="module")
def outage():
    return recorded("binance_40mkts_72h_20210423_20210426_real_outage.parquet")


def test_three_true_events_are_exactly_three_alerts_and_the_flapping_one_is_one(bittrex):
    start, end = span(bittrex)
    found = lives(history([PRICE], samples(bittrex), start, end))
    assert {key: events[Event.RESOLVED].minute for key, events in found.items()} == {
        ("bittrex:ENG-BTC", stamp("2021-02-11 14:32")): stamp("2021-02-11 14:44"),
        ("bittrex:FIT-BTC", stamp("2021-02-02 19:47")): stamp("2021-02-02 19:52"),
        ("bittrex:NVT-BTC", stamp("2021-02-01 09:53")): stamp("2021-02-01 09:58"),
    }
    eng = found["bittrex:ENG-BTC", stamp("2021-02-11 14:32")]
    assert eng[Event.FIRING].ratio == pytest.approx(3.009, abs=0.0005)
    assert eng[Event.RESOLVED].peak_ratio == pytest.approx(3.791, abs=0.001)
    assert eng[Event.RESOLVED].rises == 3


def test_each_minute_of_the_flapping_alert_says_alone_what_history_says(bittrex):
    (market,) = (one for one in bittrex if one.base == "ENG")
    table = samples({market: bittrex[market]})
    first = stamp("2021-02-11 14:25")
    by_minute, states = [], []
    for index in range(25):
        minute = first + index * MINUTE
        window = between(table, minute - DAY, minute)
        found = evaluate([PRICE], window, summarise(window, minute), minute, told=by_minute)
        by_minute += found.transitions
        states.append(found.states.get(Series(market, Metric.PRICE), State.OK))
    assert by_minute == history([PRICE], table, first - MINUTE, first + 24 * MINUTE)
    assert states == (
        [State.OK] * 7
        + [State.FIRING] * 3  # 14:32 to 14:34
        + [State.RESOLVING]
        + [State.FIRING]
        + [State.RESOLVING]
        + [State.FIRING] * 2  # 14:38, 14:39
        + [State.RESOLVING] * 4
        + [State.OK] * 6
    )


@pytest.mark.parametrize("name", ["bittrex", "crash", "outage"])
def test_an_independent_computation_tells_the_same_price_alerts(name, request):
    closes = request.getfixturevalue(name)
    start, end = span(closes)
    expected = {}
    for market, values in closes.items():
        if max(values.values()) > 3 * min(values.values()) or name == "bittrex":
            for alert in told(values, end):
                expected[str(market), alert.fired] = (alert.resolved, alert.rises)
    found = lives(history([PRICE], samples(closes), start - MINUTE, end))
    ends = {key: (events.get(Event.RESOLVED), events[Event.FIRING]) for key, events in found.items()}
    assert {key: one and (one.minute, one.rises) for key, (one, _) in ends.items()} == expected
    assert len(expected) == (3 if name == "bittrex" else 0)


@pytest.mark.parametrize(
    ("name", "factor", "expected"),
    [
        ("crash", "3", (0, 0)),
        ("crash", "1.04", (192, 274)),
        ("outage", "3", (0, 0)),
        ("bittrex", "3", (3, 3)),
    ],
)
def test_every_market_gives_the_numbers_of_an_independent_computation(name, factor, expected, request):
    """The 3x rule hardly ever fires here, so the arithmetic is also compared where it does; the numbers are alerts
    and firings, which are more by those within a cooldown.
    """
    closes = request.getfixturevalue(name)
    start, end = span(closes)
    found = history([AlertRule("r", Metric.PRICE, limit=factor)], samples(closes), start - MINUTE, end)
    firing = [one for one in found if one.event is Event.FIRING]
    counts = [counted(values, factor) for values in closes.values()]
    assert (sum(one for one, _ in counts), sum(two for _, two in counts)) == expected
    assert (len({one.alert_id for one in firing}), len(firing)) == expected


def test_the_outage_fires_no_price_and_is_told_as_one_feed_that_is_down(outage):
    rules = load_rules((ROOT / "resources" / "alert_rules.toml").read_text(), "alert_rules.toml")
    table = samples(outage)
    found = history(rules, table, OUTAGE[0] - timedelta(hours=1), OUTAGE[1] + timedelta(hours=2))
    assert [(one.rule, str(one.series.market), one.event) for one in found] == [
        ("feed-down", "binance:*-*", Event.FIRING),
        ("feed-down", "binance:*-*", Event.RESOLVED),
    ]
    stamps = {minute for values in outage.values() for minute in values}
    last = max(minute for minute in stamps if minute < OUTAGE[0] + 30 * MINUTE)
    back = min(minute for minute in stamps if minute > last)
    assert (found[0].minute, found[1].minute) == (last + 3 * MINUTE, back + 4 * MINUTE)
    minute = OUTAGE[0] + timedelta(hours=1)
    window = between(table, minute - DAY, minute)
    states = evaluate(rules, window, summarise(window, minute), minute, told=found).states
    assert set(states.values()) == {State.NO_DATA, State.FIRING}
    assert [str(series.market) for series, state in states.items() if state is State.FIRING] == ["binance:*-*"]
    assert len(states) == 40 + 1
