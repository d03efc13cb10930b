"""What the explanation of a rule says is what the rule does."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.windows import BTC, at, window
from tracker.alerts import AlertRule, Event, Severity, history, minute_of, minutes_above, nearest_miss
from tracker.model import Market, Metric, Series
from tracker.site.explaining import explain

RULE = AlertRule("price-3x", Metric.PRICE)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 4000), st.sampled_from(["1.5", "2", "3", "7"]))
def test_a_step_stays_above_for_as_long_as_is_said(percent, factor):
    step = Fraction(factor) * (100 + percent) / 100
    rule = replace(RULE, limit=factor, resolve_after=1)
    found = history([rule], window([1.0] * 60 + [float(step)] * 60), at(-1), at(119))
    expected = minutes_above(factor, step)
    if expected == 0:
        assert found == []
    else:
        assert [(one.event, one.minute) for one in found] == [
            (Event.FIRING, at(60)),
            (Event.RESOLVED, at(60 + expected)),
        ]


def test_the_longest_a_step_can_last_and_the_blind_hour_are_said_right():
    said = " ".join(explain(RULE))
    assert "never above for more than 20 minutes" in said
    assert minutes_above("3", Fraction(10**12)) == 20
    blind = [1.0] * 60 + [100.0] + [1.0] * 20
    assert "only a jump above 7.95× fires" in said
    assert history([RULE], window([*blind, 7.94]), at(61), at(99)) == []
    assert len(history([RULE], window([*blind, 7.96]), at(61), at(99))) == 1


def test_every_setting_of_a_rule_is_said():
    rule = AlertRule("loud", Metric.VOLUME_24H, "2.5", 10, 3, "0.5", ("coinbase:*-USD",), Severity.CRITICAL)
    said = " ".join(explain(rule))
    for part in (
        "loud",
        "24 h volume",
        "coinbase:*-USD",
        "critical",
        "2.5 times",
        "at least 0.5",
        "10 of the 60",
        "after 3",
    ):
        assert part in said


def test_the_nearest_miss_is_the_largest_ratio_that_did_not_fire():
    eth = Series(Market("kraken", "ETH", "EUR"), Metric.PRICE)
    table = window({BTC: [*[1.0] * 60, 2.5, 1.0, 9.0], eth: [*[2.0] * 60, 5.6]})
    miss = nearest_miss(RULE, table, at(-1), at(99))
    assert (miss.series, minute_of(miss.minute), miss.ratio) == (eth, at(60), pytest.approx(2.8))
    assert nearest_miss(replace(RULE, markets=("coinbase:*",)), table, at(-1), at(99)).ratio == pytest.approx(2.5)
    assert nearest_miss(RULE, table, at(60), at(99)).series == BTC


@pytest.mark.parametrize("values", [[], [1.0] * 20, [0.0] * 61])
def test_without_a_judged_minute_there_is_no_miss(values):
    assert nearest_miss(RULE, window(values), at(-1), at(99)) is None
