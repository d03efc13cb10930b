"""Charts keep their promises: no spike vanishes, a gap is a gap, and hovering reads what was stored."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.model import MINUTE
from tracker.site import charts, hover
from tracker.site.charts import Band, Scale
from tracker.site.samples import DAY_MINUTES, EMPTY, Samples, hours

NOW = datetime(2026, 11, 23, 22, 10, tzinfo=UTC)


def samples(values: dict[int, float]) -> Samples:
    return Samples(np.array(sorted(values)), np.array([values[at] for at in sorted(values)]))


def full(value: float = 100.0) -> dict[int, float]:
    return dict.fromkeys(range(1, DAY_MINUTES + 1), value)


def vertices(path: str) -> list[list[tuple[int, int]]]:
    """Read a path back as its strokes."""
    strokes: list[list[tuple[int, int]]] = []
    for command, arguments in re.findall(r"([Mlvh])([^Mlvh]*)", path):
        numbers = [int(one) for one in re.findall(r"-?\d+", arguments)]
        if command == "M":
            strokes.append([(numbers[0], numbers[1])])
            continue
        for pair in zip(numbers[::2], numbers[1::2], strict=True) if command == "l" else [(0, numbers[0])]:
            x, y = strokes[-1][-1]
            strokes[-1].append((x + pair[0], y + pair[1]) if command != "h" else (x + numbers[0], y))
    return strokes


def decode(text: str) -> dict[int, float]:
    """Read hover data as the page's script does."""
    head, _, body = text.lstrip("~").partition(" ")
    at = total = number = shift = 0
    gap, found = False, {}
    for one in body:
        if one == "!":
            gap = True
            continue
        bits = ord(one) - 63
        number += (bits & 31) << shift
        if bits > 31:
            shift += 5
            continue
        step = number // 2
        if gap:
            at += step
        else:
            at += 1
            total += -step if number % 2 else step
            found[at] = total * float(head)
        number = shift = 0
        gap = False
    assert at == DAY_MINUTES
    return found


def chart(values: dict[int, float], **options: object) -> charts.Chart:
    given_ = {"factor": "3", "min_samples": 30, **options}
    made = charts.chart(samples(values), NOW, "BTC-USD price", **given_)
    assert made is not None
    return made


@given(st.integers(1, DAY_MINUTES), st.floats(1.5, 1e6))
def test_no_spike_vanishes_wherever_it_lies_and_however_short(at, times):
    for spike in (times, 1 / times):
        values = samples(full() | {at: 100.0 * spike})
        scale = Scale.of(float(values.values.min()), float(values.values.max()))
        ys = {y for stroke in vertices(charts.line_path(values, scale)) for _, y in stroke}
        assert scale.y(np.array([100.0 * spike]))[0] in ys
        assert scale.y(np.array([100.0]))[0] in ys


@given(st.integers(6, 1300), st.integers(1, 130))
def test_a_gap_lifts_the_pen_and_is_shaded_from_four_missing_minutes_on(start, length):
    values = samples({at: 100.0 for at in full() if not start <= at < start + length})
    strokes = vertices(charts.line_path(values, Scale.of(90, 110)))
    shaded = charts.gaps(values)
    if length >= charts.GAP:
        assert shaded == [(start - 1, start + length)]
        assert len(strokes) == 2
        assert strokes[0][-1][0] * 2 <= start + charts.COLUMN
        assert strokes[1][0][0] * 2 >= start + length - charts.COLUMN
    else:
        assert shaded == []
        assert len(strokes) == 1


def test_the_line_passes_in_time_order_and_stays_inside_the_plot():
    random = np.random.default_rng(3)
    values = samples({at: float(x) for at, x in zip(full(), np.cumsum(random.normal(size=1440)) + 500, strict=True)})
    scale = Scale.of(float(values.values.min()), float(values.values.max()))
    [stroke] = vertices(charts.line_path(values, scale))
    xs = [x for x, _ in stroke]
    assert xs == sorted(xs)
    assert min(xs) >= 0
    assert max(xs) <= charts.WIDTH
    assert all(0 < y < charts.HEIGHT for _, y in stroke)


def test_a_lone_minute_is_drawn_as_a_dot():
    assert charts.line_path(samples({700: 5.0}), Scale.of(5, 5)) == "M349 80v0"


def test_missing_minutes_at_both_ends_of_the_day_are_shaded_too():
    assert charts.gaps(samples({100: 1.0, 101: 1.0})) == [(0, 100), (101, DAY_MINUTES + 1)]


def test_the_mean_line_is_the_hour_before_and_never_holds_the_value_itself():
    values = samples(full() | {1000: 1000.0})
    means = charts.mean_before(values, 30)[[1000, 1001, 1060, 1061]]
    assert means[0] == pytest.approx(100)
    assert means[1] == pytest.approx((59 * 100 + 1000) / 60)
    assert means[2] == pytest.approx((59 * 100 + 1000) / 60)
    assert means[3] == pytest.approx(100)


def test_the_mean_line_is_absent_while_the_hour_has_too_few_samples():
    means = charts.mean_before(samples(dict.fromkeys(range(100, 200), 1.0)), 30)
    assert np.isnan(means[[129, 130]]).tolist() == [True, False]


def test_the_alert_line_joins_the_scale_only_when_it_is_near():
    calm, wild = chart(full()), chart(full() | dict.fromkeys(range(1000, 1010), 250.0))
    assert not calm.has_limit
    assert calm.note == "3× line: 300.000, above this chart"
    assert wild.has_limit
    assert wild.note is None
    assert wild.high > 300
    assert 'class="li"' in wild.svg
    assert 'class="li"' not in calm.svg


def test_alerts_are_bands_and_the_sentence_says_all_in_words():
    values = full() | {1000: 400.0}
    del values[1200]
    made = chart(values, bands=(Band(1000, 1005),))
    assert made.svg.count('class="al"') == 1
    assert made.sentence == (
        "BTC-USD price, 24 h to 22:10 UTC: low 100.000 at 22:11, high 400.000 at 14:50, last 100.000 at 22:10; "
        "1 alert; 1 of 1,440 minutes without a sample."
    )


@pytest.mark.parametrize("level", [1e-9, 0.00001823, 0.4711, 1.0, 65012.4, 4.2e9, 7e13])
@pytest.mark.parametrize("move", [0.0, 1e-5, 0.02, 4.0])
def test_ticks_are_round_distinct_and_inside_whatever_the_price(level, move):
    made = chart({at: level * (1 + move * at / DAY_MINUTES) for at in full()})
    texts = [tick.text for tick in made.y_ticks]
    assert len(set(texts)) == len(texts)
    assert all(0 < tick.at < 100 for tick in made.y_ticks)
    assert len(texts) <= 7
    assert not any("e" in text.lower() for text in texts)


def test_time_ticks_are_every_third_hour_and_midnight_carries_its_date():
    assert [tick.text for tick in chart(full()).x_ticks] == [
        "23 Nov", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00",
    ]  # fmt: skip
    assert chart(full()).x_ticks[0].at == pytest.approx(110 / 1440 * 100, abs=0.01)


def test_without_samples_there_is_no_chart():
    assert charts.chart(EMPTY, NOW, "x", factor="3", min_samples=30) is None
    assert charts.sparkline(EMPTY, 90) == ""


def test_hovering_reads_back_every_stored_value():
    values = {at: round(65000 + 20 * np.sin(at / 7), 1) for at in full() if at % 7}
    assert decode(chart(values).hover) == pytest.approx(values, abs=1e-9)


def test_hover_data_of_a_wild_market_is_shortened_and_says_so():
    random = np.random.default_rng(0)
    values = {at: float(f"{100 * np.exp(x):.6g}") for at, x in enumerate(np.cumsum(random.normal(size=1440) / 50), 1)}
    text = chart(values).hover
    assert text.startswith("~")
    assert len(zlib.compress(text.encode())) <= 2001
    assert decode(text) == pytest.approx(values, abs=max(values.values()) / 100)


def test_a_unit_does_not_grow_where_what_repeats_takes_little_as_it_is():
    ramp = samples({at: 4700.0 + at * 1.25 for at in range(1, DAY_MINUTES + 1)})
    assert hover.encode(ramp, 700).startswith("0.01 ")


@given(st.dictionaries(st.integers(1, DAY_MINUTES), st.integers(1, 10**6), min_size=1, max_size=50))
def test_hover_data_round_trips_for_any_gaps(values):
    assert decode(hover.encode(samples({at: float(v) for at, v in values.items()}))) == pytest.approx(
        values, abs=1e-5 * max(values.values())
    )


def test_a_sparkline_breaks_at_an_empty_stretch():
    values = {at: float(at) for at in full() if not 400 <= at < 800}
    assert charts.sparkline(samples(values), 90).count("M") == 2
    assert charts.sparkline(samples(full()), 90).count("M") == 1


def test_the_hours_cover_the_window_once():
    seen = [minute for _, first, last in hours(NOW) for minute in range(max(first, 1), min(last, DAY_MINUTES + 1))]
    assert sorted(seen) == list(range(1, DAY_MINUTES + 1))
    begins, first, last = next(iter(hours(NOW)))
    assert begins == NOW.replace(minute=0)
    assert NOW - timedelta(minutes=DAY_MINUTES) + first * MINUTE == begins + MINUTE
    assert last - first == 60


def test_a_minute_at_the_full_hour_belongs_to_the_hour_that_ends():
    [(begins, first, last), *_] = hours(NOW.replace(minute=0))
    assert begins.hour == 21
    assert last - 1 == DAY_MINUTES
    assert last - first == 60
