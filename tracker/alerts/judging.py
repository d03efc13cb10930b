"""Judge the minutes of series against one rule: which can be judged, and in which the rule is true, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from tracker.alerts.columns import Columns, Floats, Ints
from tracker.alerts.values import LEEWAY, LOST_MINUTES, AlertRule, Comparison, Kind, feed_of
from tracker.model import DAY, MINUTE, Market, Metric, Series

_BLOCK = 2_000_000  # rows judged at a time: bounds the memory of a minute in which every series is a candidate

UNHEARD_OF = DAY // MINUTE - 2 * LOST_MINUTES
"""A series silent for so many minutes cannot be judged any more, so that its alert expires within the window."""

Exactly = Callable[[int], tuple[Fraction, Fraction]]

_COMPARE: dict[Comparison, Callable[..., NDArray[np.bool_]]] = {
    Comparison.ABOVE: np.greater,
    Comparison.AT_LEAST: np.greater_equal,
    Comparison.BELOW: np.less,
    Comparison.AT_MOST: np.less_equal,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """The minutes of a series in which a rule could be judged, oldest first, and the numbers behind each.

    `base(i)` is what `latest[i]` is compared with, of `counts[i]` samples.
    """

    series: Series
    minutes: Ints
    above: NDArray[np.bool_]
    latest: Floats
    counts: Ints
    base: Callable[[int], float]

    def ratio(self, judged: int) -> float:
        base = self.base(judged)
        return float(self.latest[judged]) / base if base else math.inf


def judge(
    rule: AlertRule, samples: Columns, after: int, until: int, since: Mapping[Series, int]
) -> Iterator[tuple[Series, Judged | None]]:
    """Judge the minutes in (after, until] of every series of the rule that may be true in one of them.

    `since` names series whose alert stood before, and after which minute each is judged; those are always given, with
    None for a series without a sample in the window.
    """
    found = _silences(rule, samples, after, until, since) if rule.kind.silence else _values(rule, samples, after, since)
    seen = set()
    for one in found:
        seen.add(one.series)
        yield one.series, one
    for series in since.keys() - seen:
        yield series, None


# values that lie wrong --------------------------------------------------------------------------


def _values(rule: AlertRule, samples: Columns, after: int, since: Mapping[Series, int]) -> Iterator[Judged]:
    chosen = samples.chosen(rule)
    if not len(chosen):
        return
    begins = np.full(len(samples.names), after, dtype=np.int64)
    for series, minute in since.items():
        if (index := samples.index(series)) is not None:
            begins[index] = minute
    samples = samples.after(int(begins.min()) - rule.window - LEEWAY - 1)  # most minutes look back an hour, not a day
    stood = np.array([one for one in map(samples.index, since) if one is not None], dtype=np.int64)
    for block in samples.blocks(chosen, _BLOCK):
        yield from _block(rule, samples, _rows(rule, samples, block, begins), stood)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of a block of series, and which of them could be judged: `asked`, each with the row its base begins."""

    owners: Ints
    minutes: Ints
    values: Floats
    asked: Ints
    firsts: Ints
    counts: Ints
    above: NDArray[np.bool_]


def _rows(rule: AlertRule, samples: Columns, block: Ints, begins: Ints) -> _Rows:
    rows, owners = samples.rows(block)
    values, minutes = samples.values[rows], samples.minutes[rows]
    asked = np.flatnonzero(minutes > begins[owners])
    firsts, counts, judged = _bases(rule, (owners << 32) + minutes, asked)
    asked, firsts, counts = asked[judged], firsts[judged], counts[judged]
    return _Rows(owners, minutes, values, asked, firsts, counts, _above(rule, values, asked, firsts))


def _block(rule: AlertRule, samples: Columns, rows: _Rows, stood: Ints) -> Iterator[Judged]:
    owners = rows.owners[rows.asked]
    told = np.union1d(owners[rows.above], np.intersect1d(stood, rows.owners))
    edges = np.searchsorted(owners, told), np.searchsorted(owners, told, side="right")
    for index, first, last in zip(told.tolist(), *edges, strict=True):
        here = slice(first, last)
        asked = rows.asked[here]
        base = _base_of(rule, rows.values, asked, rows.firsts[here])
        yield Judged(
            samples.series(index), rows.minutes[asked], rows.above[here], rows.values[asked], rows.counts[here], base
        )


def _bases(rule: AlertRule, keys: Ints, asked: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Give, for each row asked for, the row where its base begins, of how many samples it is, and if that will do."""
    before = keys[asked] - rule.window
    if rule.kind is Kind.RATIO_TO_MEAN:
        firsts = np.searchsorted(keys, before)
        return firsts, asked - firsts, asked - firsts >= rule.min_samples
    if rule.kind is Kind.CHANGE_PERCENT:
        firsts = np.searchsorted(keys, before, side="right") - 1
        return firsts, np.ones_like(asked), (firsts >= 0) & (keys[firsts] >= before - LEEWAY)
    return asked, np.zeros_like(asked), np.ones(len(asked), dtype=bool)


def _base_of(rule: AlertRule, values: Floats, rows: Ints, firsts: Ints) -> Callable[[int], float]:
    if rule.kind is Kind.RATIO_TO_MEAN:  # correctly rounded
        return lambda i: math.fsum(values[firsts[i] : rows[i]].tolist()) / int(rows[i] - firsts[i])
    if rule.kind is Kind.CHANGE_PERCENT:
        return lambda i: float(values[firsts[i]])
    return lambda _i: float(rule.limit)


def _above(rule: AlertRule, values: Floats, rows: Ints, firsts: Ints) -> NDArray[np.bool_]:
    """Say for each row whether the rule is true, exactly; over a mean lower than `min_mean` it is not."""
    limit = Fraction(rule.limit)
    latest, at, base = values[rows], rows.tolist(), firsts.tolist()

    def decimal(row: int) -> Fraction:
        return _exact(float(values[row]))

    if rule.kind is Kind.THRESHOLD:
        return _compare(rule, latest, np.full(len(rows), float(limit)), lambda i: (decimal(at[i]), limit))
    if rule.kind is Kind.CHANGE_PERCENT:
        right = values[firsts] * float(100 + limit)
        exactly = lambda i: (decimal(at[i]) * 100, decimal(base[i]) * (100 + limit))  # noqa: E731 - beside its floats
        return _compare(rule, latest * 100, right, exactly)
    if not len(rows):  # reduceat wants some
        return np.zeros(0, dtype=bool)
    with np.errstate(over="ignore"):
        totals = np.add.reduceat(values, np.stack([firsts, rows], axis=1).reshape(-1))[::2]

    def mean(i: int) -> tuple[Fraction, Fraction]:
        hour = values[base[i] : at[i]].tolist()
        return decimal(at[i]) * len(hour), limit * sum(map(_exact, hour), Fraction(0))

    with np.errstate(over="ignore", invalid="ignore"):
        above = _compare(rule, latest * (rows - firsts), totals * float(limit), mean)
    floored: NDArray[np.bool_] = above & (totals >= float(rule.min_mean) * (rows - firsts))
    return floored


def _compare(rule: AlertRule, left: Floats, right: Floats, exactly: Exactly) -> NDArray[np.bool_]:
    """Compare as floats where they are sure, else as the fractions of the shortest decimal forms.

    60 numbers of one sign add up with a relative error below 60 * 2^-53, about 7e-15: nearer to equality than 1e-12,
    and at the ends of the range of floats, they are not sure.
    """
    compare = _COMPARE[rule.comparison]
    with np.errstate(over="ignore", invalid="ignore"):
        found: NDArray[np.bool_] = compare(left, right)
        larger = np.maximum(np.abs(left), np.abs(right))
        sure = (np.abs(left - right) > 1e-12 * larger) & (larger > 1e-290) & np.isfinite(left) & np.isfinite(right)
    for i in np.flatnonzero(~sure).tolist():
        found[i] = compare(*exactly(i))
    return found


def _exact(value: float) -> Fraction:
    """The number a person reads: the shortest decimal that is this float."""
    return Fraction(repr(value))


@dataclass(frozen=True, slots=True)
class Miss:
    """The judged minute that came nearest to firing without the rule being true; `ratio` is latest / base."""

    series: Series
    minute: int
    latest: float
    ratio: float


def nearest(rule: AlertRule, samples: Columns, after: int, until: int) -> Miss | None:
    """Find the nearest miss in the minutes (after, until]; None if none was judged. Floats decide: this informs."""
    found = _nearest_silence(rule, samples, after, until) if rule.kind.silence else _nearest_value(rule, samples, after)
    return nearer(rule, found)


def nearer(rule: AlertRule, misses: Iterable[Miss]) -> Miss | None:
    """Choose the miss that is nearest to firing."""
    upward = rule.comparison.upward
    return max(misses, key=lambda one: one.ratio if upward else -one.ratio, default=None)


def extremes(rule: AlertRule, samples: Columns, after: int) -> Iterator[tuple[Series, float]]:
    """Give the most extreme latest / base of each series in the minutes after `after`; not for rules about silence."""
    begins = np.full(len(samples.names), after, dtype=np.int64)
    extreme = np.fmax if rule.comparison.upward else np.fmin
    for block in samples.blocks(samples.chosen(rule), _BLOCK):
        rows = _rows(rule, samples, block, begins)
        owners, firsts = np.unique(rows.owners[rows.asked], return_index=True)
        if len(owners):
            found = extreme.reduceat(_ratios(rule, rows), firsts)
            yield from ((samples.series(int(one)), float(ratio)) for one, ratio in zip(owners, found, strict=True))


def _nearest_value(rule: AlertRule, samples: Columns, after: int) -> Iterator[Miss]:
    begins = np.full(len(samples.names), after, dtype=np.int64)
    for block in samples.blocks(samples.chosen(rule), _BLOCK):
        rows = _rows(rule, samples, block, begins)
        if not len(rows.asked):
            continue
        ratios = _ratios(rule, rows)
        worst = -np.inf if rule.comparison.upward else np.inf
        ratios = np.where(rows.above | ~np.isfinite(ratios), worst, ratios)
        best = int(np.argmax(ratios) if rule.comparison.upward else np.argmin(ratios))
        if np.isfinite(ratios[best]):
            row = rows.asked[best]
            series = samples.series(int(rows.owners[row]))
            yield Miss(series, int(rows.minutes[row]), float(rows.values[row]), float(ratios[best]))


def _ratios(rule: AlertRule, rows: _Rows) -> Floats:
    """Give latest / base of the rows asked for, to the digits of floats; NaN over a base of 0."""
    if rule.kind is Kind.THRESHOLD:
        bases = np.full(len(rows.asked), float(rule.limit))
    elif rule.kind is Kind.CHANGE_PERCENT or not len(rows.asked):
        bases = rows.values[rows.firsts]
    else:
        pairs = np.stack([rows.firsts, rows.asked], axis=1).reshape(-1)
        bases = np.add.reduceat(rows.values, pairs)[::2] / rows.counts
    found: Floats = rows.values[rows.asked] / np.where(bases > 0, bases, np.nan)
    return found


def _nearest_silence(rule: AlertRule, samples: Columns, after: int, until: int) -> Iterator[Miss]:
    for series, came in _came(rule, samples, until):
        gaps = np.diff(np.append(came, until + 1)) - 1
        late = (came + gaps > after) & (gaps < rule.window) & (gaps > 0)
        for place in np.flatnonzero(late)[np.argsort(gaps[late])[-1:]].tolist():
            gap = float(gaps[place])
            yield Miss(series, int(came[place] + gaps[place]), gap, gap / rule.window)


# samples that do not come -----------------------------------------------------------------------


def _silences(
    rule: AlertRule, samples: Columns, after: int, until: int, since: Mapping[Series, int]
) -> Iterator[Judged]:
    for series, came in _came(rule, samples, until):
        begin = max(since.get(series, after), int(came[0]) - 1)
        minutes = np.arange(begin + 1, until + 1, dtype=np.int64)
        ages = minutes - came[np.searchsorted(came, minutes, side="right") - 1]
        judged = ages < UNHEARD_OF
        minutes, ages = minutes[judged], ages[judged]
        above = ages >= rule.window
        if above.any() or series in since:
            nothing = np.zeros(len(minutes), dtype=np.int64)
            yield Judged(series, minutes, above, ages.astype(np.float64), nothing, lambda _i: float(rule.window))


def _came(rule: AlertRule, samples: Columns, until: int) -> Iterator[tuple[Series, Ints]]:
    """Give the minutes in which there was a sample of each series, or of any series of each exchange."""
    chosen = samples.chosen(rule).tolist()
    if rule.kind is Kind.NO_DATA:
        for index in chosen:
            yield samples.series(index), samples.minutes[samples.bounds[index] : samples.bounds[index + 1]]
        return
    exchange = lambda index: Market.parse(samples.names[index][0]).exchange  # noqa: E731 - the key of two calls
    for name, group in groupby(sorted(chosen, key=exchange), exchange):
        there = np.zeros(until + 1 - int(samples.minutes.min(initial=until)), dtype=bool)
        for index in group:
            there[until - samples.minutes[samples.bounds[index] : samples.bounds[index + 1]]] = True
        yield feed_of(name, Metric(rule.metric)), until - np.flatnonzero(there)[::-1]


def heard(judged: Judged, after: int, at_work: Collection[int] | None) -> Judged:
    """Leave out the minutes after `after` in which tracker was not at work: silence says nothing then."""
    if at_work is None:
        return judged
    kept = (judged.minutes <= after) | np.isin(judged.minutes, np.fromiter(at_work, np.int64))
    return replace(
        judged,
        minutes=judged.minutes[kept],
        above=judged.above[kept],
        latest=judged.latest[kept],
        counts=judged.counts[kept],
    )
