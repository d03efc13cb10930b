"""Charts as inline SVG: pure functions of samples. No spike vanishes, and a gap is drawn as a gap.

The plot is a 720 x 160 box stretched to the width of the page: x is half a minute, y grows downwards. Text
is never in the SVG, where it would shrink with the page; ticks are laid around it as HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from tracker.model import HOUR, MINUTE, Metric, whole_hour
from tracker.site.formats import NO_BREAK, clock, count, decimal, significant
from tracker.site.hover import encode
from tracker.site.pages import Chart, Tick
from tracker.site.samples import DAY_MINUTES, EVERY_MINUTE, HOUR_MINUTES, Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT = 720, 160
COLUMN = 4
"""Minutes in one column of the line; each draws its lowest and its highest value."""

GAP = 4
"""So many minutes without a sample, and more, break the line and are shaded."""

MEAN_EVERY = 15
"""Minutes between two points of the 1 h mean, which moves slowly."""

LIMIT_SHOWN_FROM = 2.0
"""The alert line joins the scale when some value in view is at least so many times its 1 h mean."""

SPARK_EVERY = {Metric.PRICE: 120, Metric.VOLUME_24H: 180}
"""Minutes between two points of a sparkline: what fits 100 of them into a page's budget; volumes are long numbers."""

SPARK_HEIGHT = 8


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale of values to the height of the plot."""

    low: float
    high: float

    @classmethod
    def of(cls, low: float, high: float) -> Scale:
        """Fit the values with a margin; a constant lies in the middle."""
        span = high - low
        margin = span * 0.06 if span > 0 else abs(high) * 0.01 or 1.0
        return cls(low - margin, high + margin)

    def y(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Give whole units from the top."""
        return np.rint((self.high - values) / (self.high - self.low) * HEIGHT).astype(np.int64)

    def percent(self, value: float) -> float:
        """Give the place from the top in percent."""
        return round((self.high - value) / (self.high - self.low) * 100, 1)


def mean_before(samples: Samples, min_samples: int) -> NDArray[np.float64]:
    """Give the mean of [m-60min, m) for each minute m of 0 to 1440; NaN where fewer than `min_samples` are there."""
    total = np.concatenate(([0.0], np.cumsum(samples.values)))
    first, end = _hours_before() if samples.whole else _hour_before(samples.at)
    n = end - first
    return np.where(n >= max(min_samples, 1), (total[end] - total[first]) / np.maximum(n, 1), np.nan)


def _hour_before(at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give for each minute m of 0 to 1440 which samples, by their numbers from first to end, lie in [m-60min, m)."""
    before = np.zeros(DAY_MINUTES + 1, np.int64)
    before[at[: np.searchsorted(at, DAY_MINUTES)] + 1] = 1
    end = np.cumsum(before)
    return np.concatenate((np.zeros(HOUR_MINUTES, np.int64), end[:-HOUR_MINUTES])), end


@cache
def _hours_before() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the same where no minute is missing."""
    return _hour_before(EVERY_MINUTE)


def gaps(samples: Samples) -> list[tuple[int, int]]:
    """Give the stretches of at least GAP minutes without a sample, as (last before, first after) in minutes."""
    if samples.whole:
        return []
    edges = np.concatenate(([0], samples.at, [DAY_MINUTES + 1]))
    wide = np.flatnonzero(np.diff(edges) > GAP)
    return [(int(edges[i]), int(edges[i + 1])) for i in wide]


def line_path(samples: Samples, scale: Scale) -> str:
    """Draw every column's lowest and highest value, joined in time; a gap lifts the pen.

    >>> flat = Samples(np.arange(1, 9), np.array([1.0, 1, 1, 1, 1, 9, 1, 1]))
    >>> line_path(flat, Scale(0, 10))
    'M1 144l2 0v-128'
    """
    if not len(samples):
        return ""
    columns = _every_column() if samples.whole else _Columns.of(samples.at)
    low = scale.y(np.minimum.reduceat(samples.values, columns.starts))
    high = scale.y(np.maximum.reduceat(samples.values, columns.starts))
    rises = samples.values[columns.ends] >= samples.values[columns.starts]
    enter, leave = np.where(rises, low, high), np.where(rises, high, low)
    dy, (uprights, lines) = enter[1:] - leave[:-1], _strokes()
    parts = [""] * (2 * len(enter))
    parts[1::2] = uprights[leave - enter + HEIGHT].tolist()
    parts[2::2] = lines[dy + HEIGHT].tolist()
    for one in columns.far:
        parts[2 * one + 2] = _line(int(columns.x[one + 1] - columns.x[one]), int(dy[one]))
    for one in columns.lifted:
        parts[2 * one] = f"M{columns.x[one]} {enter[one]}"
    for one in columns.alone:
        parts[2 * one + 1] = parts[2 * one + 1] or "v0"  # a dot, drawn by the round cap of a line of no length
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that have samples: the numbers of their first and last one, and where they are drawn.

    By their own numbers: those before which the pen is lifted, those alone between two gaps, and those after which
    columns are missing.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    x: NDArray[np.int64]
    lifted: list[int]
    alone: list[int]
    far: list[int]

    @classmethod
    def of(cls, at: NDArray[np.int64]) -> _Columns:
        """Part the minutes `at` into columns."""
        column = (at - 1) // COLUMN
        starts = np.concatenate(([0], np.flatnonzero(np.diff(column)) + 1))
        ends = np.concatenate((starts[1:], [len(column)])) - 1
        lifted = np.concatenate(([True], at[starts[1:]] - at[ends[:-1]] > GAP))
        alone = lifted & np.concatenate((lifted[1:], [True]))
        x = column[starts] * (COLUMN // 2) + COLUMN // 4
        far = np.diff(x) != COLUMN // 2
        return cls(starts, ends, x, *(np.flatnonzero(some).tolist() for some in (lifted, alone, far)))


@cache
def _every_column() -> _Columns:
    """Give the columns of a day of which no minute is missing."""
    return _Columns.of(EVERY_MINUTE)


def curve_path(at: NDArray[np.int64], values: NDArray[np.float64], scale: Scale) -> str:
    """Join points by straight lines; NaN lifts the pen."""
    known = np.isfinite(values)
    if not known.any():
        return ""
    y = scale.y(np.where(known, values, scale.high))
    x = at // 2
    parts = ["", *map(_line, (x[1:] - x[:-1]).tolist(), (y[1:] - y[:-1]).tolist())]
    for one in np.flatnonzero(~known).tolist():
        parts[one] = ""
    for one in np.flatnonzero(known & ~np.concatenate(([False], known[:-1]))).tolist():
        parts[one] = f"M{x[one]} {y[one]}"
    return "".join(parts)


@cache
def _line(dx: int, dy: int) -> str:
    return f"l{dx}{dy}" if dy < 0 else f"l{dx} {dy}"


@cache
def _strokes() -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    """Draw uprights, and lines to the next column, of all heights from -HEIGHT to HEIGHT."""
    heights = range(-HEIGHT, HEIGHT + 1)
    uprights, lines = [f"v{dy}" if dy else "" for dy in heights], [_line(COLUMN // 2, dy) for dy in heights]
    return np.array(uprights, object), np.array(lines, object)


def sparkline(samples: Samples, every: int) -> Markup:
    """Draw the day: the last sample of every so many minutes before t, the pen lifted where there is none."""
    if len(samples) < 2:
        return Markup()
    ends = np.searchsorted(samples.at, np.arange(every, DAY_MINUTES + every, every), "right").tolist()
    places = [place for place, end in enumerate(ends) if end > (ends[place - 1] if place else 0)]
    values = samples.values[[ends[place] - 1 for place in places]].tolist()
    low, span = min(values), max(values) - min(values)
    parts, before, pen = [], (-2, 0), ""
    for place, value in zip(places, values, strict=True):
        top = round(SPARK_HEIGHT * (1 - (value - low) / span)) if span else SPARK_HEIGHT // 2
        if place != before[0] + 1:
            parts.append(f"M{place} {top}h0")  # a lone point is a dot
            pen = "l"
        else:
            dy = top - before[1]
            parts.append(f"{pen or ' '}1{dy}" if dy < 0 else f"{pen or ' '}1 {dy}")
            pen = ""
        before = (place, top)
    d = "".join(parts)
    box = f"0 0 {DAY_MINUTES // every - 1} {SPARK_HEIGHT}"
    return Markup(f'<svg class="s" viewBox="{box}" preserveAspectRatio="none"><path d="{d}"/></svg>')  # noqa: S704


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time in which an alert was open, in minutes of the window."""

    start: int
    stop: int


def chart(
    samples: Samples,
    minute: datetime,
    name: str,
    *,
    factor: str | None,
    min_samples: int,
    bands: Sequence[Band] = (),
    short: bool = False,
    hover_bytes: int = 2000,
) -> Chart | None:
    """Draw the window of one series that ends at `minute`; None without samples.

    `name` begins the sentence that says the chart in words; `factor` is that of the alert line, None for none;
    `short` writes ticks from a million on as 1.2 M; `hover_bytes` is what `encode` may take.
    """
    if not len(samples):
        return None
    values = samples.values
    points = np.append(np.arange(MEAN_EVERY, DAY_MINUTES, MEAN_EVERY), DAY_MINUTES)
    every_mean = mean_before(samples, min_samples)
    means = every_mean[points]
    low, high = float(values.min()), float(values.max())
    limit = means * float(factor) if factor else np.full(len(means), np.nan)
    in_view = factor is not None and _highest_ratio(samples, every_mean) >= LIMIT_SHOWN_FROM
    scale = Scale.of(low, float(np.nanmax(np.append(limit, high))) if in_view else high)
    missing, last = gaps(samples), float(values[-1])
    ticks = _y_ticks(scale, short)
    x_ticks = _x_ticks(minute)
    svg = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">']
    svg += [f'<path class="g" d="{_grid(ticks, x_ticks)}"/>']
    svg += [_rect("gap", start / 2, (stop - 1) / 2) for start, stop in missing]
    svg += [_rect("al", (band.start - 1) / 2, band.stop / 2) for band in bands]
    svg += [_path("me", curve_path(points, means, scale))]
    svg += [_path("li", curve_path(points, limit, scale))] if in_view else []
    svg += [_path("va", line_path(samples, scale)), "</svg>"]
    note = None
    if factor and not in_view and np.isfinite(limit[-1]):
        note = f"{factor}× line: {_tick(decimal(float(limit[-1])), Decimal(0), short)}, above this chart"
    recent = int(samples.at[-1]) > DAY_MINUTES - GAP
    return Chart(
        svg=Markup("".join(svg)),  # noqa: S704  made of numbers only
        sentence=_sentence(name, samples, minute, bands, short),
        low=scale.low,
        high=scale.high,
        y_ticks=tuple(one for one in ticks if not recent or abs(one.at - scale.percent(last)) > 7),
        x_ticks=x_ticks,
        last_at=scale.percent(last) if recent else None,
        last_text=_tick(decimal(last), Decimal(0), short),
        note=note,
        hover=encode(samples, hover_bytes),
        has_limit=in_view,
        has_gap=bool(missing),
        has_alert=bool(bands),
    )


def _highest_ratio(samples: Samples, means: NDArray[np.float64]) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = samples.values / means[samples.at]
    return float(np.fmax.reduce(ratios, initial=0))


def _path(name: str, d: str) -> str:
    return f'<path class="{name}" d="{d}"/>' if d else ""


def _rect(name: str, left: float, right: float) -> str:
    return f'<rect class="{name}" x="{left:g}" width="{max(right - left, 1):g}" height="{HEIGHT}"/>'


def _grid(ys: Iterable[Tick], xs: Iterable[Tick]) -> str:
    across = "".join(f"M0 {one.at * HEIGHT / 100:.0f}h{WIDTH}" for one in ys)
    return across + "".join(f"M{one.at * WIDTH / 100:.0f} 0v{HEIGHT}" for one in xs)


def _y_ticks(scale: Scale, short: bool) -> tuple[Tick, ...]:
    """Choose about five round values: 1, 2, 2.5 or 5 times a power of ten apart."""
    span = decimal(scale.high) - decimal(scale.low)
    rough = span / 5
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(one * power for one in map(Decimal, ("1", "2", "2.5", "5", "10")) if one * power >= rough)
    first = -(-decimal(scale.low) // step)
    found = []
    value = first * step
    if value < decimal(scale.low):
        value += step
    while value < decimal(scale.high):
        at = scale.percent(float(value))
        if 3 <= at <= 97 and (value >= 0 or scale.low >= 0):
            found.append(Tick(at, _tick(value, step, short)))
        value += step
    return tuple(found) if len({one.text for one in found}) == len(found) else ()


def _tick(value: Decimal, step: Decimal, short: bool) -> str:
    """Write a tick with the decimals of its step; without a step, with 6 significant digits."""
    if not step:
        whole = significant(float(value), 6, at_least=2)
        text = whole.full if whole.full is not None and len(whole.full) <= 12 else whole.text
        if not short or value < 1_000_000:
            return text
        step = value / 1000
    power, letter = next(
        ((p, name) for p, name in ((12, "T"), (9, "B"), (6, "M")) if short and abs(value).adjusted() >= p), (0, "")
    )
    value, step = value.scaleb(-power), step.scaleb(-power)
    decimals = max(0, -step.normalize().adjusted() + (1 if str(step.normalize()).strip("0.E-").startswith("25") else 0))
    if decimals > 11:
        return significant(float(value), 6).text
    return f"{value:,.{decimals}f}" + (f"{NO_BREAK}{letter}" if letter else "")


@lru_cache(maxsize=1)
def _x_ticks(minute: datetime) -> tuple[Tick, ...]:
    """Mark every third UTC hour; midnight carries its date."""
    start = minute - timedelta(minutes=DAY_MINUTES)
    at = whole_hour(start) + HOUR
    found = []
    while at < minute:
        if at.hour % 3 == 0:
            text = f"{at:%-d %b}" if at.hour == 0 else clock(at)
            found.append(Tick(round((at - start) / MINUTE / DAY_MINUTES * 100, 2), text))
        at += HOUR
    return tuple(found)


def _sentence(name: str, samples: Samples, minute: datetime, bands: Sequence[Band], short: bool) -> str:
    start = minute - timedelta(minutes=DAY_MINUTES)
    values = samples.values
    low, high = int(values.argmin()), int(values.argmax())

    def say(index: int) -> str:
        text = _tick(decimal(float(values[index])), Decimal(0), short)
        return f"{text} at {clock(start + int(samples.at[index]) * MINUTE)}"

    missing = DAY_MINUTES - len(samples)
    alerts = {0: "no alert", 1: "1 alert"}.get(len(bands), f"{len(bands)} alerts")
    return (
        f"{name}, 24 h to {clock(minute)} UTC: low {say(low)}, high {say(high)}, last {say(-1)}; "
        f"{alerts}; {count(missing)} of {count(DAY_MINUTES)} minutes without a sample."
    )
