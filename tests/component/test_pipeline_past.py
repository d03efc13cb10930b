"""History, repair, sealing and retention through the steps."""

from __future__ import annotations

import json
from threading import Barrier

import pytest

from tests.support.fakes import FakeSource
from tests.support.world import BTC, ETH, NOON
from tracker.errors import SourceUnavailable
from tracker.model import DAY, HOUR, MINUTE, Market
from tracker.pipeline import Pipeline
from tracker.watchlist import Watchlist


def test_history_loaded_twice_changes_nothing(world):
    first = world.pipeline.load(NOON - 3 * HOUR, NOON)
    before = world.bytes_of("store/candles")
    again = world.pipeline.load(NOON - 3 * HOUR, NOON, again=True)
    assert (first["changed"], again["changed"]) == (4, 0)
    assert world.bytes_of("store/candles") == before


def test_history_that_arrives_late_is_in_the_summaries_it_touches(world):
    world.minute(NOON)
    before = world.ranking()["coinbase:BTC-USD", "price"]["stdev_24h"]
    report = world.pipeline.load(NOON - HOUR, NOON - MINUTE)
    assert report["analyzed"] == 1
    world.pipeline.publish(NOON)
    assert before is None
    assert world.ranking()["coinbase:BTC-USD", "price"]["stdev_24h"] > 0


def test_repair_fills_the_minutes_of_a_standstill_and_leaves_polls_alone(world):
    world.minute(NOON)
    world.minute(NOON + 31 * MINUTE)
    polled = world.bytes_of("store/minute")
    world.now = NOON + 40 * MINUTE
    report = world.pipeline.repair(NOON + 31 * MINUTE)
    stored = world.pipeline.store.read(NOON - DAY, NOON + 31 * MINUTE, markets=[BTC], columns=("minute",))
    assert report["gaps"] == 1  # the day before the first poll and the standstill, as one range
    assert stored.num_rows >= 1440
    assert world.bytes_of("store/minute") == polled
    assert world.pipeline.repair(NOON + 31 * MINUTE)["gaps"] == 0


def test_the_gap_of_one_market_is_repaired_though_the_others_were_polled(world):
    world.pipeline.load(NOON - DAY, NOON)
    world.source.calls.clear()
    for n in range(1, 4):
        world.eth[NOON + n * MINUTE] = None if n == 2 else 10.0
        world.minute(NOON + n * MINUTE)
    world.eth.clear()
    world.now = NOON + 9 * MINUTE
    world.pipeline.repair(NOON + 3 * MINUTE)
    assert [call[1] for call in world.source.calls if call[0] == "candles"] == [ETH]
    stored = world.pipeline.store.read(NOON, NOON + 3 * MINUTE, markets=[ETH])
    assert sorted(set(stored["origin"].to_pylist())) == ["candle", "poll"]
    assert stored.num_rows == 2 * 3


def test_a_market_that_is_new_on_the_list_gets_its_day_and_no_other_is_asked_again(world):
    world.source.markets = [BTC]
    world.pipeline.load(NOON - DAY, NOON)
    world.now = NOON + HOUR + MINUTE  # the listings are an hour old
    world.source.markets = [BTC, ETH]
    world.source.calls.clear()
    world.pipeline.repair(NOON)
    assert {call[1] for call in world.source.calls if call[0] == "candles"} == {ETH}
    assert world.pipeline.store.read(NOON - HOUR, NOON, markets=[ETH]).num_rows == 2 * 60


def test_exchanges_are_asked_side_by_side_each_at_its_own_pace(world):
    both, met = Barrier(2), []

    def price(_market, _minute):
        if not met:
            both.wait(30)  # until the other exchange is asked too
            met.append(True)
        return 10.0

    solana = Market("kraken", "SOL", "USD")
    sources = {"kraken": FakeSource([solana], price, lambda: world.now, "kraken")}
    sources["coinbase"] = FakeSource([BTC], price, lambda: world.now)
    text = json.dumps({"markets": {"kraken": ["*"], "coinbase": ["*"]}, "metrics": ["price"]})
    watchlist = Watchlist.parse(text, "metrics_rank.json", ["coinbase", "kraken"])
    steps = []
    pipeline = world.made(sources=sources, watchlist=watchlist)
    report = pipeline.load(NOON - 2 * HOUR, NOON, progress=lambda _what, done, total: steps.append((done, total)))
    assert report["rows"] == 2 * 120
    assert steps[-1] == (2, 2)


@pytest.mark.parametrize("step", ["load", "repair"])
def test_an_exchange_that_is_away_does_not_keep_the_past_of_another_away(world, step):
    bad = FakeSource([], world._price, lambda: world.now, "kraken")
    bad.failures["listings"] = [SourceUnavailable("kraken: HTTP 503")] * 9
    text = json.dumps({"markets": {"kraken": ["*-USD"], "coinbase": ["*-USD"]}, "metrics": ["price"]})
    watchlist = Watchlist.parse(text, "metrics_rank.json", ["coinbase", "kraken"])
    pipeline = world.made(sources={"kraken": bad, "coinbase": world.source}, watchlist=watchlist)
    with pytest.raises(SourceUnavailable, match="kraken"):
        pipeline.load(NOON - DAY, NOON) if step == "load" else pipeline.repair(NOON)
    assert pipeline.store.read(NOON - DAY, NOON).num_rows == 2 * 1440


def test_what_candles_cannot_give_is_not_asked_for_for_ever(world):
    silent = {NOON - n * MINUTE for n in range(200, 484)}
    world.source.price = lambda _market, minute: None if minute in silent else 10.0
    assert world.pipeline.repair(NOON)["gaps"] == 1
    world.source.calls.clear()
    world.now = NOON + 15 * MINUTE
    assert world.pipeline.repair(NOON)["gaps"] == 0
    assert [call for call in world.source.calls if call[0] == "candles"] == []


def test_sealed_hours_hold_what_the_minutes_and_candles_held(world):
    world.minute(NOON)
    world.now = NOON + 2 * HOUR
    world.pipeline.repair(NOON + 2 * HOUR)
    before = world.pipeline.store.read(NOON - DAY, NOON + HOUR)
    assert world.pipeline.seal(NOON + 2 * HOUR)["changed"] == 23
    assert (world.folder / "store/hour/date=2026-03-02/hour=12/hour.parquet").is_file()
    assert world.pipeline.store.read(NOON - DAY, NOON + HOUR).equals(before)
    assert world.pipeline.seal(NOON + 2 * HOUR)["changed"] == 0


def test_minutes_go_when_their_hour_is_sealed_and_the_window_reads_the_same(world):
    world.minute(NOON)
    world.now = NOON + 3 * DAY
    assert world.pipeline.expire()["problems"] != []  # not sealed: kept, and said so
    before = world.pipeline.store.read(NOON - DAY, NOON)
    world.pipeline.store.seal(NOON)
    assert world.pipeline.expire()["inputs"] == 1
    assert not list((world.folder / "store/minute").rglob("*.parquet"))
    assert world.pipeline.store.read(NOON - DAY, NOON).equals(before)


def test_a_load_killed_before_it_derived_is_made_good_by_the_next(world):
    world.minute(NOON)
    stale = world.bytes_of("store/summary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "_derive_again", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.pipeline.load(NOON - HOUR, NOON - MINUTE)
    assert world.bytes_of("store/summary") == stale
    assert world.pipeline.load(NOON - HOUR, NOON - MINUTE)["analyzed"] >= 1
    assert world.bytes_of("store/summary") != stale
    assert world.pipeline.store.ledger.begun() == []
