"""What of a day the alerts of a minute look at: handing them no more than that changes nothing they say."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.windows import at, window
from tracker.alerts import AlertRule, Comparison, Kind, Lookback, batches, evaluate, history
from tracker.frames import between, merged
from tracker.model import DAY, HOUR, MINUTE, Market, Metric, Series, whole_hour
from tracker.stats import summarise

MEAN = AlertRule("mean", Metric.PRICE, limit="1.5", min_samples=3, resolve_after=2, cooldown=5)
SILENT = AlertRule("silent", Metric.PRICE, "0", kind=Kind.NO_DATA, window=3, comparison=Comparison.AT_LEAST)
RULES = (
    MEAN,
    replace(MEAN, name="lasting", lasting=7, cooldown=90, markets=("coinbase:*",)),
    replace(MEAN, name="volume", metric=Metric.VOLUME_24H, window=180, resolve_after=30),
    AlertRule("change", Metric.PRICE, "20", kind=Kind.CHANGE_PERCENT, window=10),
    AlertRule("fall", Metric.PRICE, "-20", kind=Kind.CHANGE_PERCENT, window=90, comparison=Comparison.BELOW),
    AlertRule("dear", Metric.PRICE, "5", kind=Kind.THRESHOLD, lasting=3),
    SILENT,
    replace(SILENT, name="long-silent", window=200, lasting=20),
    replace(SILENT, name="down", kind=Kind.FEED_DOWN),
    replace(SILENT, name="volumes-down", kind=Kind.FEED_DOWN, metric=Metric.VOLUME_24H, lasting=5),
)
SERIES = [
    Series(Market(exchange, base, "USD"), metric)
    for exchange, base in (("coinbase", "BTC"), ("coinbase", "ETH"), ("kraken", "BTC"))
    for metric in Metric
]
LENGTH = 2000

runs = st.lists(
    st.tuples(st.sampled_from([None, None, 1.0, 1.1, 1.6, 3.0, 6.0]), st.sampled_from([1, 2, 5, 30, 70, 400])),
    min_size=1,
    max_size=25,
)
series = runs.map(lambda parts: [value for value, times in parts for _ in range(times)][-LENGTH:])


def kept_of(day: pa.Table, back: Lookback) -> pa.Table:
    """Keep of a day, hour by hour, what the look back needs."""
    first = whole_hour(at(LENGTH - 1) - DAY)
    hours = [between(day, first + (n * HOUR - MINUTE), first + (n + 1) * HOUR - MINUTE) for n in range(25)]
    return merged([back.keep(hour) for hour in hours])


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(st.sampled_from(SERIES), series, min_size=1),
    st.integers(1, 61),
    st.sampled_from([0, 5, 61]),
    st.sampled_from([None, ["coinbase"]]),
    st.randoms(),
)
def test_what_it_leaves_out_changes_nothing(values, late, known, asked, chance):
    """A minute is decided, with up to an hour before it, knowing some of what was told before it and after it."""
    minute, since = at(LENGTH - 1), at(LENGTH - 1 - late)
    whole = window({name: {LENGTH - len(some) + n: v for n, v in enumerate(some)} for name, some in values.items()})
    told = history(RULES, whole, minute - 9 * HOUR, since + known * MINUTE)
    told = [one for one in told if chance.random() < 0.9]
    day = between(whole, minute - DAY, minute)
    kept = kept_of(day, Lookback.of(RULES, told, since))

    said, expected = (
        evaluate(RULES, table, summarise(day, minute), minute, told=told, since=since, asked=asked)
        for table in (kept, day)
    )
    assert said == expected
    mails, as_ever = (batches(said.transitions, RULES, ["somebody"], table) for table in (kept, day))
    assert mails == as_ever


def test_of_a_calm_day_it_keeps_the_last_hours_and_a_sample_of_each_before():
    day = window({name: [1.0] * LENGTH for name in SERIES})
    minute = at(LENGTH - 1)
    back = Lookback.of([MEAN, SILENT], [], minute - MINUTE)
    kept = kept_of(between(day, minute - DAY, minute), back)
    assert kept.num_rows == len(SERIES) * (24 + 60 + 5 + 1 + 1)  # of 1,440
