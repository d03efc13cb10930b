"""A load of history survives what exchanges do to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tests.support.fakes import FakeSource
from tracker.backfill import PART, Backfill
from tracker.errors import BadAnswer, NotServed, RateLimited, SourceUnavailable, UnknownMarket
from tracker.history import LOOKBACK
from tracker.model import DAY, HOUR, MINUTE, Market, Metric
from tracker.objects import Objects
from tracker.store.ledger import Ledger

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
NUMBERS = count()
BTC, ETH = Market("coinbase", "BTC", "USD"), Market("coinbase", "ETH", "USD")


class Remembering:
    """A store that keeps the last table of each hour and says whether it is another one; its ledger is a real one."""

    def __init__(self):
        self.hours = {}
        self.objects = Objects(f"memory://{id(self)}-{next(NUMBERS)}")
        self.ledger = Ledger(self.objects)

    def write_candles(self, hour, exchange, samples):
        changed = self.hours.get((hour, exchange)) != samples
        self.hours[hour, exchange] = samples
        return changed


def source(**more) -> FakeSource:
    return FakeSource([BTC, ETH], lambda _market, minute: 10.0 + minute.minute, lambda: MIDNIGHT + 9 * DAY, **more)


def loading(exchange: FakeSource, start, end, *, markets=(BTC, ETH), store=None, waits=None, again=False, part=HOUR):
    steps, waits = [], [] if waits is None else waits
    backfill = Backfill(exchange, store or Remembering(), markets, tuple(Metric), exchange.clock, waits.append, part)
    loaded = backfill.load(start, end, lambda _what, done, total: steps.append((done, total)), again=again)
    return backfill.store, loaded, steps


def test_each_hour_becomes_one_object_with_every_market():
    store, loaded, steps = loading(source(), MIDNIGHT, MIDNIGHT + 3 * HOUR)
    assert [hour.hour for hour, _ in store.hours] == [0, 1, 2, 3]  # 03:00 itself belongs to the hour it begins
    assert loaded.rows == 2 * 2 * 180
    assert steps[-1] == (2, 2)
    assert loaded.problems == ()


def test_loading_again_changes_nothing():
    store, first, _ = loading(source(), MIDNIGHT, MIDNIGHT + 2 * HOUR)
    _, again, _ = loading(source(), MIDNIGHT, MIDNIGHT + 2 * HOUR, store=store, again=True)
    assert len(first.changed) == 3
    assert (again.changed, again.hours) == ((), 3)


def test_the_next_page_asks_only_for_itself():
    exchange = source()
    start = MIDNIGHT - MINUTE
    loading(exchange, start, start + 11 * HOUR, markets=[BTC])
    assert exchange.calls == [
        ("candles", BTC, MIDNIGHT - LOOKBACK, start + 5 * HOUR),
        ("candles", BTC, start + 5 * HOUR, start + 10 * HOUR),
        ("candles", BTC, start + 10 * HOUR, start + 11 * HOUR),
    ]


def test_a_part_is_as_many_whole_pages_as_there_is_room_for():
    exchange = source()
    start = MIDNIGHT - MINUTE
    loading(exchange, start, start + 20 * HOUR, markets=[BTC], part=PART)
    assert [call[3] for call in exchange.calls] == [start + 15 * HOUR, start + 20 * HOUR]


def test_a_range_at_once_equals_its_parts_alone():
    start, middle, end = (MIDNIGHT + n * HOUR - MINUTE for n in (0, 7, 24))
    together, whole, _ = loading(source(), start, end)
    apart, _, _ = loading(source(), start, middle)
    loading(source(), middle, end, store=apart)
    assert together.hours == apart.hours
    assert len(whole.changed) == whole.hours == 24  # each hour is written once


def test_a_killed_load_goes_on_where_it_was():
    exchange = source()
    whole, asked = exchange.candles, []

    def dies_in_the_third_page(market, start, end):
        if end > MIDNIGHT + 10 * HOUR and len(asked) < 99:
            asked.append(end)
            raise KeyboardInterrupt
        return whole(market, start, end)

    exchange.candles = dies_in_the_third_page
    store, start = Remembering(), MIDNIGHT - MINUTE
    with pytest.raises(KeyboardInterrupt):
        loading(exchange, start, start + 15 * HOUR, store=store)
    exchange.candles = whole
    exchange.calls.clear()
    _, resumed, _ = loading(exchange, start, start + 15 * HOUR, store=store)
    uninterrupted, _, _ = loading(source(), start, start + 15 * HOUR)
    assert store.hours == uninterrupted.hours
    assert (resumed.skipped, resumed.hours) == (10, 5)
    assert {call[2:] for call in exchange.calls} == {(start + 10 * HOUR, start + 15 * HOUR)}


@pytest.mark.parametrize(
    ("tail", "asked_from"),
    [
        (None, -LOOKBACK),
        (b"torn", -LOOKBACK),
        ("whole", -MINUTE),
        ("of another hour", -LOOKBACK),
    ],
)
def test_what_was_traded_before_is_asked_for_only_where_it_is_not_kept(tail, asked_from):
    start, kept = MIDNIGHT - MINUTE, Remembering()
    loading(source(), start - 40 * HOUR, start - (tail == "of another hour") * HOUR, store=kept)
    [path] = [one.path for one in kept.objects.list("loads/tail")]
    if tail is None:
        kept.objects.delete([path])
    elif isinstance(tail, bytes):
        kept.objects.put(path, tail)
    exchange = source()
    loading(exchange, start, start + HOUR, store=kept)
    fresh, _, _ = loading(source(), start, start + HOUR)
    assert {call[2] for call in exchange.calls} == {MIDNIGHT + asked_from}
    assert kept.hours[MIDNIGHT, "coinbase"] == fresh.hours[MIDNIGHT, "coinbase"]


def test_asking_again_believes_no_tail():
    start, kept = MIDNIGHT - MINUTE, Remembering()
    loading(source(), start - 40 * HOUR, start, store=kept)
    exchange = source()
    loading(exchange, start, start + HOUR, store=kept, again=True)
    assert {call[2] for call in exchange.calls} == {MIDNIGHT - LOOKBACK}


def test_a_market_that_is_new_on_the_list_is_loaded_alone():
    exchange, start = source(), MIDNIGHT - MINUTE
    store, _, _ = loading(exchange, start, start + 5 * HOUR, markets=[BTC])
    exchange.calls.clear()
    loading(exchange, start, start + 5 * HOUR, store=store)
    assert {call[1] for call in exchange.calls} == {ETH}


def test_an_hour_is_finished_only_when_its_late_candles_are_there():
    exchange, start = source(), MIDNIGHT - MINUTE
    exchange.clock = lambda: MIDNIGHT + 5 * HOUR
    store, _, _ = loading(exchange, start, start + 5 * HOUR)
    assert sorted(store.ledger.loaded("coinbase", MIDNIGHT, MIDNIGHT + DAY)) == [MIDNIGHT + n * HOUR for n in range(4)]


@pytest.mark.parametrize("error", [UnknownMarket("gone"), BadAnswer("HTML instead of JSON"), SourceUnavailable("500")])
def test_one_bad_market_is_named_and_does_not_hold_up_the_others(error):
    exchange = source(failures={ETH: [error] * 9})
    store, loaded, _ = loading(exchange, MIDNIGHT, MIDNIGHT + HOUR)
    assert [(one.where, one.what) for one in loaded.problems] == [(str(ETH), str(error))]
    assert loaded.rows == 2 * 60
    assert len(store.hours) == 2


def test_an_exchange_that_serves_nobody_here_is_asked_once_a_worker_and_no_more():
    exchange = source(failures={market: [NotServed("HTTP 451")] * 9 for market in (BTC, ETH)})
    waits: list[float] = []
    with pytest.raises(NotServed, match="451"):
        loading(exchange, MIDNIGHT, MIDNIGHT + 2 * DAY, waits=waits)
    assert waits == []
    assert len(exchange.calls) <= 2


def test_a_passing_failure_is_waited_out_as_long_as_the_exchange_asks():
    waits: list[float] = []
    failures = {ETH: [SourceUnavailable("503"), RateLimited("429", retry_after=30.0)]}
    _, loaded, _ = loading(source(failures=failures), MIDNIGHT, MIDNIGHT + HOUR, waits=waits)
    assert waits == [1.0, 30.0]
    assert loaded.problems == ()


def test_a_ban_ends_the_load_at_once_with_its_reason():
    waits: list[float] = []
    failures = {ETH: [RateLimited("418: banned for two days", retry_after=172_800.0)]}
    with pytest.raises(RateLimited, match="banned for two days"):
        loading(source(failures=failures), MIDNIGHT, MIDNIGHT + HOUR, waits=waits)
    assert waits == []


def test_an_exchange_that_stays_away_ends_the_load_and_keeps_the_pages_before():
    exchange = source()
    whole = exchange.candles

    def ten_hours_only(market, start, end):
        if end > MIDNIGHT + 10 * HOUR:
            raise SourceUnavailable("coinbase: HTTP 503")
        return whole(market, start, end)

    exchange.candles = ten_hours_only
    store = Remembering()
    with pytest.raises(SourceUnavailable, match="503"):
        loading(exchange, MIDNIGHT, MIDNIGHT + 2 * DAY, store=store)
    assert len(store.hours) == 10


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="is not before"):
        loading(source(), MIDNIGHT, MIDNIGHT - timedelta(minutes=1))


def test_the_last_minute_asked_for_is_the_last_one_stored():
    store, loaded, _ = loading(source(), MIDNIGHT, MIDNIGHT + MINUTE, markets=[BTC])
    assert loaded.rows == 2
    assert len(store.hours) == 1


def test_what_the_candles_no_longer_reach_is_not_asked_for_not_entered_and_said():
    exchange = source(reach=12 * HOUR)
    exchange.clock = lambda: MIDNIGHT + 90 * MINUTE
    store, loaded, _ = loading(exchange, MIDNIGHT - DAY - MINUTE, MIDNIGHT, markets=[BTC])
    problem, volume = loaded.problems
    assert problem.where == volume.where == "coinbase"
    assert volume.what.startswith("volume_24h of minutes that were not polled is not available")
    assert problem.what.startswith("2026-02-28T23:59:00Z to 2026-03-01T13:30:00Z is not available")
    assert problem.what.endswith("coinbase gives 1-minute candles of the last 12 hours only")
    # the hour of 13:00 is there in part, that of midnight in part
    entered = sorted(store.ledger.loaded("coinbase", MIDNIGHT - DAY, MIDNIGHT))
    assert entered == [MIDNIGHT - n * HOUR for n in range(10, 0, -1)]
    assert min(hour for hour, _ in store.hours) == MIDNIGHT - 11 * HOUR


def test_a_range_that_is_wholly_out_of_reach_asks_nothing():
    exchange = source(reach=12 * HOUR)
    _, loaded, _ = loading(exchange, MIDNIGHT, MIDNIGHT + HOUR)
    assert (exchange.calls, loaded.rows, loaded.changed) == ([], 0, ())
    [problem] = loaded.problems
    assert "2026-03-02T00:00:00Z to 2026-03-02T01:00:00Z is not available" in problem.what


def test_an_hour_that_goes_out_of_reach_while_others_are_asked_is_not_entered():
    exchange = source(reach=12 * HOUR)
    now = [MIDNIGHT + 13 * HOUR - 10 * MINUTE]
    exchange.clock = lambda: now[0]
    whole = exchange.candles

    def slow(market, start, end):
        now[0] += 10 * MINUTE
        return whole(market, start, end)

    exchange.candles = slow
    store, _, _ = loading(exchange, MIDNIGHT + HOUR - MINUTE, MIDNIGHT + 3 * HOUR - MINUTE)
    assert sorted(store.ledger.loaded("coinbase", MIDNIGHT, MIDNIGHT + DAY)) == [MIDNIGHT + 2 * HOUR]
