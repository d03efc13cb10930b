"""When alerts fire and end: the golden cases of the product's definitions, as tables."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.windows import BTC, at, window
from tracker.alerts import AlertRule, Event, State, evaluate, history
from tracker.frames import SUMMARY
from tracker.model import DAY, Market, Metric, Series
from tracker.stats import summarise

RULE = AlertRule("price-3x", Metric.PRICE)
HOUR_OF_ONES = [1.0] * 60


def told(values, until=None, rule=RULE):
    """Give (event, index of the minute) of every transition."""
    until = len(values) if until is None else until
    found = history([rule], window(values), at(-1), at(until))
    return [(one.event.value, (one.minute - at(0)) // timedelta(minutes=1)) for one in found]


def now(values, index, rule=RULE):
    """Evaluate one minute, after all before it."""
    table = window(values)
    before = history([rule], table, at(-1), at(index - 1))
    return evaluate([rule], table, summarise(table, at(index)), at(index), told=before)


@pytest.mark.parametrize(
    ("before", "latest", "fires"),
    [
        (HOUR_OF_ONES, 3.0, False),
        (HOUR_OF_ONES, 3.01, True),
        ([1e-8] * 60, 3e-8, False),
        ([0.1] * 60, 0.3, False),  # naive float sums call this a hit
        ([0.7] * 60, 2.1, False),
        ([0.7] * 60, 2.1000000000000005, True),
        ([None] * 31 + [1.0] * 29, 10.0, False),
        ([None] * 30 + [1.0] * 30, 10.0, True),
        ([0.0] * 60, 0.0, False),
        ([0.0] * 60, 5e-324, True),
        ([1e308] * 60, 1.7e308, False),
        ([1e308] + [1.0] * 60, 3.5, True),  # the hour before excludes what is 61 minutes old
        ([5e-324] * 60, 1.5e-323, False),
        ([5e-324] * 60, 2e-323, True),
    ],
)
def test_only_a_value_strictly_above_three_means_fires(before, latest, fires):
    assert told([*before, latest]) == ([("firing", len(before))] if fires else [])


def test_a_series_warms_up_and_fires_with_its_thirtieth_sample():
    assert told([1.0] * 29 + [10.0, 10.0]) == [("firing", 30)]
    assert now([1.0] * 29 + [10.0], 29).states == {BTC: State.WARMING}


def test_a_gap_is_not_good_news():
    spike = [*HOUR_OF_ONES, 4.0]
    assert told([*spike, *[None] * 30, 1.0, 1.0]) == [("firing", 60)]
    frozen = now([*spike, 1.0, *[None] * 2], 63)
    assert frozen.states == {BTC: State.RESOLVING}
    assert frozen.transitions == ()


def test_a_gap_alone_fires_nothing():
    assert told([*HOUR_OF_ONES, *[None] * 10, *HOUR_OF_ONES]) == []


def test_five_real_samples_below_resolve_however_long_they_take():
    tail = [1.0, None, None, 1.0, None, 1.0, 1.0, None, 1.0]
    assert told([*HOUR_OF_ONES, 4.0, *tail]) == [("firing", 60), ("resolved", 69)]


def test_a_rise_while_resolving_belongs_to_the_same_alert():
    values = [*HOUR_OF_ONES, 4.0, 1.0, 1.0, 1.0, 1.0, 4.0, *[1.0] * 5]
    found = history([RULE], window(values), at(-1), at(len(values)))
    assert [one.event for one in found] == [Event.FIRING, Event.RESOLVED]
    assert (found[0].rises, found[1].rises) == (1, 2)
    assert found[1].fired == at(60)


def test_a_rise_within_the_cooldown_reopens_the_alert_and_one_after_it_is_another():
    values = [*HOUR_OF_ONES, 4.0, *[1.0] * 5, 4.0, *[1.0] * 5]
    assert told(values) == [("firing", 60), ("resolved", 65), ("firing", 66), ("resolved", 71)]
    first, _, again, end = history([RULE], window(values), at(-1), at(99))
    assert (again.alert_id, again.reopened, first.reopened) == (first.alert_id, True, False)
    assert (again.rises, end.rises, end.fired) == (2, 2, at(60))
    other = history([replace(RULE, cooldown=0)], window(values), at(-1), at(99))
    assert [(one.fired, one.rises) for one in other] == [(at(60), 1), (at(60), 1), (at(66), 1), (at(66), 1)]


def test_a_rule_with_for_fires_once_it_has_been_true_for_so_long():
    rule = replace(RULE, lasting=3)
    values = [*HOUR_OF_ONES, 4.0, 4.0, 1.0, *[9.0] * 5]
    assert told(values, rule=rule) == [("firing", 66)]
    states = [now(values, index, rule).states.get(BTC, State.OK) for index in range(59, 68)]
    ok, pending, firing = State.OK, State.PENDING, State.FIRING
    assert states == [ok, pending, pending, ok, pending, pending, pending, firing, firing]


def test_an_alert_nobody_can_judge_for_an_hour_is_lost_not_resolved():
    values = [*HOUR_OF_ONES, 4.0]
    assert told(values, until=119) == [("firing", 60)]
    assert told(values, until=120) == [("firing", 60), ("expired", 120)]
    lost = now(values, 120)
    assert [one.event for one in lost.transitions] == [Event.EXPIRED]
    assert lost.states == {BTC: State.NO_DATA}


@pytest.mark.parametrize(
    ("step", "minutes_above", "resolved_after"),
    [(3.01, 1, 5), (3.2, 2, 6), (3.5, 4, 8), (4.0, 7, 11), (5.0, 10, 14), (10.0, 16, 20), (1e9, 20, 24)],
)
def test_a_lasting_step_stays_above_for_as_long_as_the_arithmetic_says(step, minutes_above, resolved_after):
    values = [*HOUR_OF_ONES, *[step] * 40]
    fired, resolved = history([RULE], window(values), at(-1), at(99))
    assert (fired.minute, resolved.minute) == (at(60), at(60 + resolved_after))
    assert minutes_above == math.ceil(round(20 * (step - 3) / (step - 1), 6))


def test_a_spike_blinds_the_hour_after_it():
    values = [*HOUR_OF_ONES, 100.0, *[1.0] * 20, *[4.0] * 5]
    assert told(values) == [("firing", 60), ("resolved", 65)]


def test_a_transition_carries_the_numbers_that_decided_it():
    fired, resolved = history([RULE], window([*HOUR_OF_ONES, 4.0, 5.0, *[1.0] * 5]), at(-1), at(99))
    assert (fired.latest, fired.base, fired.n, fired.ratio, fired.peak_ratio) == (4.0, 1.0, 60, 4.0, 4.0)
    assert resolved.peak_ratio == pytest.approx(5 / (63 / 60))
    assert resolved.n == 60
    assert fired.alert_id == resolved.alert_id == "price-3x/coinbase:BTC-USD/price/20260301T1300Z"
    assert fired.id != resolved.id


def test_what_fired_tells_nothing_of_later_minutes():
    values = [*HOUR_OF_ONES, 4.0, 9.0]
    (then,) = now(values[:61], 60).transitions
    assert history([RULE], window(values), at(-1), at(99))[0] == then
    assert then.peak_ratio == 4.0


def test_a_rise_from_zero_has_no_finite_ratio():
    (fired,) = history([RULE], window([*[0.0] * 60, 4.0]), at(-1), at(60))
    assert math.isinf(fired.ratio)
    assert math.isinf(fired.peak_ratio)


def test_states_name_what_is_not_plainly_ok():
    flat = {BTC: [1.0] * 61}
    thin = Series(Market("kraken", "THIN", "EUR"), Metric.PRICE)
    gone = Series(Market("kraken", "GONE", "EUR"), Metric.PRICE)
    late = Series(Market("kraken", "LATE", "EUR"), Metric.PRICE)
    high = Series(Market("kraken", "HIGH", "EUR"), Metric.PRICE)
    table = window(
        {
            **flat,
            thin: [None] * 40 + [1.0] * 21,
            gone: [1.0] * 58,
            late: [1.0] * 59,
            high: [1.0] * 60 + [7.0],
        }
    )
    found = evaluate([RULE], table, summarise(table, at(60)), at(60))
    assert found.states == {thin: State.WARMING, gone: State.NO_DATA, high: State.FIRING}


def test_a_rule_judges_its_own_metric_only():
    volume = Series(BTC.market, Metric.VOLUME_24H)
    table = window({volume: [*HOUR_OF_ONES, 9.0], BTC: [1.0] * 61})
    assert history([RULE], table, at(-1), at(60)) == []
    (fired,) = history([AlertRule("v", Metric.VOLUME_24H)], table, at(-1), at(60))
    assert fired.series == volume


def test_a_rule_judges_only_the_markets_it_names():
    eth = Series(Market("kraken", "ETH", "EUR"), Metric.PRICE)
    table = window({BTC: [*HOUR_OF_ONES, 9.0], eth: [*HOUR_OF_ONES, 9.0]})
    (fired,) = history([replace(RULE, markets=("kraken:*",))], table, at(-1), at(60))
    assert fired.series == eth


@pytest.mark.parametrize(("floor", "fires"), [("0.5", True), ("1", True), ("1.5", False)])
def test_over_a_mean_below_the_floor_nothing_is_above(floor, fires):
    assert bool(told([*HOUR_OF_ONES, 9.0], rule=replace(RULE, min_mean=floor))) == fires


def test_an_empty_window_fires_nothing():
    table = window([])
    assert evaluate([RULE], table, summarise(table, at(0)), at(0)).transitions == ()
    assert history([RULE], table, at(0), at(60)) == []


def test_samples_after_the_minute_and_older_than_a_day_change_nothing():
    values = dict.fromkeys(range(60), 1.0) | {60: 4.0, 61: 1.0}
    table = window(values)
    assert [one.minute for one in evaluate([RULE], table, summarise(table, at(60)), at(60)).transitions] == [at(60)]
    assert history([RULE], table, at(60), at(60) + DAY) == history([RULE], table, at(60), at(61) + DAY)


def test_an_alert_that_flaps_for_more_than_a_day_is_told_the_same_by_each_minute_and_by_history():
    spikes = [50.0 if index % 5 == 0 else 1.0 for index in range(60, 60 + 1440 + 300)]
    values = [*HOUR_OF_ONES, *spikes, *[1.0] * 70]
    end = len(values) - 1
    by_history = history([RULE], window(values), at(-1), at(end))
    log = by_history[:1]
    for index in range(1441, end + 1):
        if index > end - 80 or index % 97 == 0:
            part = window({one: values[one] for one in range(index - 1439, index + 1)})
            log += evaluate([RULE], part, SUMMARY.empty_table(), at(index), told=log).transitions
    assert [one.event for one in by_history] == [Event.FIRING, Event.RESOLVED]
    assert log == by_history
