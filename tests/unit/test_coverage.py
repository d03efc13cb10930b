"""A gap says what it is: no trade, outage, not asked for, not to be had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.backfill import loaded_markets
from tracker.coverage import CELLS, FATES, Fate, cover, run_lengths
from tracker.frames import samples_table
from tracker.model import DAY, HOUR, MINUTE, Market, Metric, Origin, Sample, Series

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BTC, ETH, SOL = (Market("kraken", base, "USD") for base in ("BTC", "ETH", "SOL"))
BOTH = (BTC, ETH)
ALL_HOURS = {NOON - n * HOUR: frozenset(BOTH) for n in range(25)}


def sample(market, minutes_ago, origin=Origin.POLL, metric=Metric.PRICE):
    minute = NOON - minutes_ago * MINUTE
    return Sample(Series(market, metric), minute, 10.0, minute, origin)


def covered(samples, markets=BOTH, **more):
    return cover(samples_table(samples), NOON, "kraken", markets, **{"loaded": {}, **more})


def fate(coverage, market, minutes_ago):
    """Give what the cell of a minute shows; in these tests nothing worse is in its cell."""
    [one] = [one for one in coverage.markets if one.market == market]
    return FATES[one.cells[(1440 - 1 - minutes_ago) // 15]]


def whole_cell(market, cell, origin=Origin.POLL):
    return [sample(market, 1439 - 15 * cell - n, origin) for n in range(15)]


LAST = CELLS - 1


@pytest.mark.parametrize(
    ("samples", "loaded", "reach", "becomes"),
    [
        (whole_cell(BTC, LAST), {}, None, Fate.POLLED),
        (whole_cell(BTC, LAST, Origin.CANDLE), {}, None, Fate.REPAIRED),
        ([*whole_cell(BTC, LAST)[1:], sample(BTC, 14, Origin.CANDLE)], {}, None, Fate.REPAIRED),
        (whole_cell(BTC, LAST, Origin.CANDLE) + whole_cell(BTC, LAST), {}, None, Fate.POLLED),
        ([], {}, None, Fate.MISSING),
        ([], {}, 12 * HOUR, Fate.MISSING),
        ([], ALL_HOURS, None, Fate.OUTAGE),
        (whole_cell(ETH, LAST), ALL_HOURS, None, Fate.NO_TRADE),
        (whole_cell(SOL, LAST), ALL_HOURS, None, Fate.NO_TRADE),  # not watched any more, and still of the exchange
        (whole_cell(ETH, LAST), {}, None, Fate.MISSING),
        (whole_cell(BTC, LAST)[1:], ALL_HOURS, None, Fate.OUTAGE),
    ],
)
def test_the_last_quarter_of_an_hour_is_what_its_samples_and_the_ledger_make_it(samples, loaded, reach, becomes):
    assert fate(covered(samples, loaded=loaded, reach=reach), BTC, 7) is becomes


def test_what_the_candles_no_longer_reach_cannot_be_had_unless_it_was_asked_for_in_time():
    coverage = covered([], reach=12 * HOUR)
    assert [(one.value, at, n) for one, at, n in run_lengths(coverage.markets[0].cells)] == [
        ("not_available", 0, 48),
        ("missing", 48, 48),
    ]
    asked = covered([], reach=12 * HOUR, loaded={NOON - 20 * HOUR: frozenset(BOTH)})
    assert asked.count(Fate.OUTAGE) == 2 * 60
    assert asked.count(Fate.NOT_AVAILABLE) == 2 * (720 - 60)


def test_an_outage_is_told_from_the_last_minute_heard_to_the_last_one_lost():
    heard = [sample(BTC, n) for n in range(1440) if not 200 <= n < 483]
    [outage] = covered(heard, loaded=ALL_HOURS).outages
    assert (outage.since, outage.until) == (NOON - 483 * MINUTE, NOON - 200 * MINUTE)
    assert (outage.minutes, outage.open_start) == (283, False)


def test_an_outage_at_the_edge_of_the_window_may_be_older():
    [outage] = covered([sample(BTC, n) for n in range(1400)], loaded=ALL_HOURS).outages
    assert (outage.since, outage.minutes, outage.open_start) == (NOON - DAY, 40, True)


def test_silence_that_was_not_asked_about_is_no_outage():
    assert covered([]).outages == ()


def test_an_hour_loaded_for_one_metric_only_is_not_loaded():
    known = {NOON: {Metric.PRICE: frozenset(BOTH), Metric.VOLUME_24H: frozenset({BTC})}, NOON + HOUR: {}}
    assert loaded_markets(known, tuple(Metric)) == {NOON: {BTC}, NOON + HOUR: frozenset()}


def test_rows_outside_the_day_and_of_other_exchanges_say_nothing():
    stranger = Market("coinbase", "BTC", "USD")
    coverage = covered([sample(stranger, 5), sample(BTC, -1), sample(BTC, 1440)], loaded=ALL_HOURS)
    assert coverage.count(Fate.OUTAGE) == 2 * 1440


def test_no_market_has_no_fate_and_no_outage():
    coverage = covered([sample(BTC, 5)], markets=(), loaded=ALL_HOURS)
    assert (coverage.markets, coverage.outages, coverage.count(Fate.POLLED)) == ((), (), 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([BTC, ETH, SOL]), st.integers(-5, 1500), st.sampled_from(Origin),
                  st.sampled_from(Metric)),
        max_size=60,
    ),
    st.dictionaries(st.integers(0, 24), st.frozensets(st.sampled_from(BOTH)), max_size=25),
    st.sampled_from([None, 12 * HOUR, 30 * HOUR, timedelta(0)]),
)  # fmt: skip
def test_every_minute_has_one_fate_and_it_is_that_of_the_definitions_taken_one_by_one(rows, hours, reach):
    samples = [sample(*row) for row in rows]
    loaded = {NOON - n * HOUR: markets for n, markets in hours.items()}
    coverage = covered(samples, loaded=loaded, reach=reach)
    origins = {}
    for one in samples:
        origins.setdefault((one.series.market, one.minute), set()).add(one.origin)
    heard = {minute for _market, minute in origins}
    for one in coverage.markets:
        expected = []
        for n in reversed(range(1440)):
            minute = NOON - n * MINUTE
            given_ = origins.get((one.market, minute), set())
            if given_:
                becomes = Fate.POLLED if Origin.POLL in given_ else Fate.REPAIRED
            elif one.market in loaded.get(minute.replace(minute=0), ()):
                becomes = Fate.NO_TRADE if minute in heard else Fate.OUTAGE
            else:
                becomes = Fate.NOT_AVAILABLE if reach is not None and minute <= NOON - reach else Fate.MISSING
            expected.append(FATES.index(becomes))
        assert one.counts == tuple(expected.count(code) for code in range(len(FATES)))
        assert list(one.cells) == np.reshape(expected, (CELLS, 15)).max(axis=1).tolist()
        assert sum(n for _, _, n in run_lengths(one.cells)) == CELLS
