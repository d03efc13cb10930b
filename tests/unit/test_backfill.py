"""A load of history survives what exchanges do to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.fakes import FakeSource
from tracker.backfill import Backfill
from tracker.errors import BadAnswer, RateLimited, SourceUnavailable, UnknownMarket
from tracker.history import LOOKBACK
from tracker.model import DAY, HOUR, MINUTE, Market, Metric

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
BTC, ETH = Market("coinbase", "BTC", "USD"), Market("coinbase", "ETH", "USD")


class Remembering:
    """A store that keeps the last table of each hour and says whether it is another one."""

    def __init__(self):
        self.hours = {}

    def write_candles(self, hour, exchange, samples):
        changed = self.hours.get((hour, exchange)) != samples
        self.hours[hour, exchange] = samples
        return changed


def source(**more) -> FakeSource:
    return FakeSource([BTC, ETH], lambda _market, minute: 10.0 + minute.minute, lambda: MIDNIGHT + 9 * DAY, **more)


def loading(exchange: FakeSource, start, end, *, markets=(BTC, ETH), store=None, waits=None):
    steps = []
    backfill = Backfill(
        exchange, store or Remembering(), markets, tuple(Metric), (waits if waits is not None else []).append
    )
    loaded = backfill.load(start, end, lambda what, done, total: steps.append((done, total)))
    return backfill.store, loaded, steps


def test_each_hour_becomes_one_object_with_every_market():
    store, loaded, steps = loading(source(), MIDNIGHT, MIDNIGHT + 3 * HOUR)
    assert [hour.hour for hour, _ in store.hours] == [0, 1, 2, 3]  # 03:00 itself belongs to the hour it begins
    assert loaded.rows == 2 * 2 * 180
    assert steps[-1] == (2, 2)
    assert loaded.problems == ()


def test_loading_twice_changes_nothing():
    store, first, _ = loading(source(), MIDNIGHT, MIDNIGHT + 2 * HOUR)
    _, again, _ = loading(source(), MIDNIGHT, MIDNIGHT + 2 * HOUR, store=store)
    assert len(first.changed) == 3
    assert again.changed == ()


def test_the_next_day_asks_only_for_itself():
    exchange = source()
    loading(exchange, MIDNIGHT, MIDNIGHT + 2 * DAY, markets=[BTC])
    first, second = MIDNIGHT + DAY - MINUTE, MIDNIGHT + 2 * DAY - MINUTE
    assert exchange.calls == [
        ("candles", BTC, MIDNIGHT - LOOKBACK, first),
        ("candles", BTC, first, second),
        ("candles", BTC, second, MIDNIGHT + 2 * DAY),
    ]


def test_days_at_once_equal_each_day_alone():
    start, middle, end = (MIDNIGHT + n * DAY - MINUTE for n in range(3))
    together, whole, _ = loading(source(), start, end)
    apart, _, _ = loading(source(), start, middle)
    loading(source(), middle, end, store=apart)
    assert together.hours == apart.hours
    assert len(whole.changed) == whole.hours == 48  # each hour is written once


@pytest.mark.parametrize("error", [UnknownMarket("gone"), BadAnswer("HTML instead of JSON")])
def test_one_bad_market_is_named_and_does_not_hold_up_the_others(error):
    exchange = source(failures={ETH: [error] * 9})
    store, loaded, _ = loading(exchange, MIDNIGHT, MIDNIGHT + HOUR)
    assert [(one.where, one.what) for one in loaded.problems] == [(str(ETH), str(error))]
    assert loaded.rows == 2 * 60
    assert len(store.hours) == 2


def test_a_passing_failure_is_waited_out_as_long_as_the_exchange_asks():
    waits: list[float] = []
    failures = {ETH: [SourceUnavailable("503"), RateLimited("429", retry_after=30.0)]}
    _, loaded, _ = loading(source(failures=failures), MIDNIGHT, MIDNIGHT + HOUR, waits=waits)
    assert waits == [1.0, 30.0]
    assert loaded.problems == ()


def test_an_exchange_that_stays_away_ends_the_load_and_keeps_the_days_before():
    exchange = source()
    whole = exchange.candles

    def one_day_only(market, start, end):
        if end > MIDNIGHT + DAY:
            raise SourceUnavailable("coinbase: HTTP 503")
        return whole(market, start, end)

    exchange.candles = one_day_only
    store = Remembering()
    with pytest.raises(SourceUnavailable, match="503"):
        loading(exchange, MIDNIGHT, MIDNIGHT + 2 * DAY, store=store)
    assert len(store.hours) == 24


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="is not before"):
        loading(source(), MIDNIGHT, MIDNIGHT - timedelta(minutes=1))


def test_the_last_minute_asked_for_is_the_last_one_stored():
    store, loaded, _ = loading(source(), MIDNIGHT, MIDNIGHT + MINUTE, markets=[BTC])
    assert loaded.rows == 2
    assert len(store.hours) == 1
