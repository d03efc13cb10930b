"""Rules of the other kinds: changes, thresholds, series and feeds that fall silent; and who hears of what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.transitions import fired, resolved, series
from tests.support.windows import BTC, at, window
from tracker.alerts import AlertRule, Comparison, Event, Kind, Silence, State, batches, evaluate, history, muted
from tracker.alerts.silences import FEED_IS_DOWN, REOPENED
from tracker.frames import SUMMARY
from tracker.model import Market, Metric, Series

CHANGE = AlertRule("change", Metric.PRICE, "20", kind=Kind.CHANGE_PERCENT, window=10)
FALL = replace(CHANGE, limit="-20", comparison=Comparison.BELOW)
DEAR = AlertRule("dear", Metric.PRICE, "70000", kind=Kind.THRESHOLD)
SILENT = AlertRule("silent", Metric.PRICE, "0", kind=Kind.NO_DATA, window=3, comparison=Comparison.AT_LEAST)
DOWN = replace(SILENT, name="down", kind=Kind.FEED_DOWN)
ETH = series("ETH")
KRAKEN = Series(Market("kraken", "BTC", "EUR"), Metric.PRICE)
FEED = Series(Market("coinbase", "*", "*"), Metric.PRICE)


def told(values, rule, until=None, **more):
    """Give (event, index of the minute) of every transition."""
    until = len(values) - 1 if until is None else until
    found = history([rule], window(values), at(-1), at(until), **more)
    return [(one.event.value, (one.minute - at(0)).seconds // 60) for one in found]


def states(values, index, *rules, **more):
    table = window(values)
    before = history(rules, table, at(-1), at(index - 1))
    return evaluate(rules, table, SUMMARY.empty_table(), at(index), told=before, **more)


@pytest.mark.parametrize(
    ("before", "latest", "rule", "fires"),
    [
        (100.0, 120.0, CHANGE, False),
        (100.0, 120.0, replace(CHANGE, comparison=Comparison.AT_LEAST), True),
        (100.0, 120.01, CHANGE, True),
        (0.1, 0.12, CHANGE, False),  # 0.1 * 1.2 is less than 0.12 in floats
        (100.0, 80.0, FALL, False),
        (100.0, 79.99, FALL, True),
        (70000.0, 70000.0, DEAR, False),
        (70000.0, 70000.0, replace(DEAR, comparison=Comparison.AT_LEAST), True),
    ],
)
def test_a_value_exactly_at_the_limit_fires_only_where_the_comparison_says_so(before, latest, rule, fires):
    values = [before] * 10 + [latest]
    expected = fires and 0 if rule.kind is Kind.THRESHOLD else 10
    assert told(values, rule) == ([("firing", expected)] if fires else [])


def test_a_change_is_judged_against_the_value_so_long_ago_or_a_little_older_one():
    assert told([100.0] * 2 + [None] * 12 + [130.0], CHANGE) == [("firing", 14)]  # 13 minutes before
    assert told([100.0] + [None] * 15 + [130.0], CHANGE) == []  # 16 minutes before: not known


def test_a_rule_that_is_true_when_it_is_first_judged_fires_then():
    table = window([80000.0] * 100)
    found = evaluate([DEAR], table, SUMMARY.empty_table(), at(99))
    assert [(one.event, one.minute) for one in found.transitions] == [(Event.FIRING, at(99))]
    assert found.alerts == {found.transitions[0].alert_id: State.FIRING}


def test_an_alert_open_for_longer_than_the_window_keeps_its_beginning():
    values = dict.fromkeys(range(3000), 80000.0) | dict.fromkeys(range(3000, 3010), 1.0)
    part = window({index: value for index, value in values.items() if index > 3004 - 1440})
    begun = history([DEAR], window({0: 80000.0}), at(-1), at(0))
    (ended,) = evaluate([DEAR], part, SUMMARY.empty_table(), at(3004), told=begun).transitions
    assert (ended.event, ended.fired) == (Event.RESOLVED, at(0))


def test_a_silent_series_fires_after_its_minutes_and_resolves_when_it_is_back():
    values = [1.0, 1.0, *[None] * 6, *[1.0] * 6]
    assert told(values, SILENT) == [("firing", 4), ("resolved", 12)]
    (begun, end) = history([SILENT], window(values), at(-1), at(13))
    assert (begun.latest, begun.base, end.peak_ratio) == (3.0, 3.0, 2.0)


def test_a_series_unheard_of_for_nearly_a_day_is_given_up_within_one_window():
    found = history([SILENT], window([1.0]), at(-1), at(1500))
    assert [one.event for one in found] == [Event.FIRING, Event.EXPIRED]
    assert found[1].minute - found[0].fired < at(1440) - at(0)


def test_a_feed_is_down_when_all_its_markets_are_silent_and_other_feeds_are_not():
    silent = [1.0, *[None] * 9]
    values = {BTC: silent, ETH: [1.0, None, 1.0, *[None] * 7], KRAKEN: [1.0] * 10}
    found = history([DOWN], window(values), at(-1), at(9))
    assert [(one.series, one.event, one.minute) for one in found] == [(FEED, Event.FIRING, at(5))]
    seen = states(values, 9, DOWN)
    assert (seen.down, seen.states) == ({"coinbase"}, {FEED: State.FIRING})


def test_silence_says_nothing_while_tracker_itself_stood_still_or_did_not_ask():
    values = [1.0, *[None] * 9]
    assert told(values, DOWN, at_work=()) == []
    assert told(values, DOWN, at_work=[at(8)]) == [("firing", 8)]
    for asked, down in (([], False), (["kraken"], False), (["coinbase"], True)):
        found = evaluate([DOWN], window(values), SUMMARY.empty_table(), at(9), asked=asked)
        assert bool(found.transitions) == down


def test_what_falls_silent_with_its_feed_is_told_once():
    values = {BTC: [1.0, *[None] * 9], ETH: [1.0, *[None] * 9], KRAKEN: [1.0, *[None] * 6, *[1.0] * 3]}
    found = evaluate([DOWN, SILENT], window(values), SUMMARY.empty_table(), at(9))
    why = {str(one.series.market): one.muted for one in muted(found.transitions, (), down=found.down)}
    assert why == {"coinbase:*-*": None, "coinbase:BTC-USD": FEED_IS_DOWN, "coinbase:ETH-USD": FEED_IS_DOWN}
    begun = muted(found.transitions, (), down=found.down)
    end = replace(begun[-1], event=Event.RESOLVED, minute=at(20))
    assert [one.muted for one in muted([end], (), told=begun)] == [FEED_IS_DOWN]


def test_a_rise_within_the_cooldown_is_not_mailed_and_the_end_after_it_is():
    again = replace(fired(), minute=at(20))
    end = resolved(minute=at(30))
    assert [one.muted for one in muted([again, end], (), told=[fired(), resolved()])] == [REOPENED, None]


def test_what_was_told_is_not_muted_by_a_later_silence():
    silence = Silence(at(100), "quiet")
    assert muted([fired()], [silence], told=[fired()]) == [fired()]
    assert [one.muted for one in muted([fired()], [silence])] == ["silenced: quiet"]


def test_a_rule_tells_whom_it_names_and_others_everybody():
    loud = AlertRule("loud", Metric.PRICE, recipients=("ann@example.com",), channels=("ops",))
    rules = [AlertRule("price-3x", Metric.PRICE), loud]
    one, other = fired(), replace(fired(ETH), rule="loud")
    found = {mail.recipient: mail.transitions for mail in batches([one, other], rules, ["bob@example.com"])}
    assert found == {"bob@example.com": (one,), "ann@example.com": (other,), "channel:ops": (other,)}
    gone = replace(one, rule="deleted")
    assert [mail.recipient for mail in batches([gone], rules, ["bob@example.com"])] == ["bob@example.com"]
    assert batches([replace(one, muted="why")], rules, ["bob@example.com"]) == []


def test_a_mail_carries_the_hour_before_and_says_when_a_whole_exchange_rose():
    every = [series(f"C{index}") for index in range(20)]
    values = {one: [1.0] * 60 + [4.0 if index < 8 else 1.0] for index, one in enumerate(every)}
    rule = AlertRule("price-3x", Metric.PRICE)
    found = history([rule], window(values), at(-1), at(60))
    (mail,) = batches(found, [rule], ["ann@example.com"], window(values))
    assert mail.charts[found[0].id] == (*[1.0] * 60, 4.0)
    assert [(one.exchange, one.count, one.of) for one in mail.mass] == [("coinbase", 8, 20)]
    (few,) = batches(found[:4], [rule], ["ann@example.com"], window(values))
    assert few.mass == ()
