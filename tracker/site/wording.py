"""Alerts in words: what one is about, what happened, what its rule says. For mails, feed and pages alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from decimal import ROUND_DOWN, Decimal
from math import isfinite

from tracker.alerts.values import FEED, AlertRule, Event, Kind, State, Transition
from tracker.model import Market, Metric, Series
from tracker.site import formats

LONGEST_NAME = 60


def clean(text: str) -> str:
    """Make a name from outside safe in a header and honest in a line: no control characters, no change of direction."""
    shown = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one)[0] in "CZ" else one for one in text)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"


def visible(text: str) -> str:
    """Leave out of a line what cannot be seen: control characters, line breaks, changes of direction."""
    return "".join(one if one == " " or unicodedata.category(one)[0] not in "CZ" else " " for one in text)


def is_feed(market: Market) -> bool:
    """Say whether it stands for all markets of an exchange."""
    return market.base == market.quote == FEED


def name(series: Series) -> str:
    """Name what an alert is about.

    >>> [name(Series(Market("kraken", *pair), Metric.PRICE)) for pair in (("BTC", "EUR"), ("*", "*"))]
    ['BTC/EUR price', 'kraken feed']
    """
    market = series.market
    if is_feed(market):
        return f"{clean(market.exchange)} feed"
    return f"{clean(market.base)}/{clean(market.quote)} {series.metric.label}"


def about(market: Market) -> str:
    """Name a market beside its exchange."""
    return "all markets" if is_feed(market) else market.pair


def page(market: Market) -> str:
    """Give the page of the site that shows what an alert is about."""
    return "status.html" if is_feed(market) else f"m/{market.slug}.html"


def span(minutes: int) -> str:
    """Write the length of a window.

    >>> span(3), span(60), span(90), span(720)
    ('3 min', '1 h', '90 min', '12 h')
    """
    return f"{minutes // 60} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes} min"


def news(one: Transition) -> str:
    """Say what happened in a few words, as they follow the name in a subject."""
    if one.event is Event.FIRING:
        return _now(one)
    spent = lasted(one)
    if one.kind.silence and one.event is Event.RESOLVED:
        return f"is back after {spent}"
    return f"resolved after {spent}" if one.event is Event.RESOLVED else f"lost sight of after {spent}"


def lasted(one: Transition) -> str:
    """Say how long an alert had been open at this change of it."""
    return formats.duration(one.minute - one.fired).replace(formats.NO_BREAK, " ")


def headline(one: Transition) -> str:
    """Say what happened as a sentence without its full stop."""
    verb = "is " if one.event is Event.FIRING and one.kind is Kind.RATIO_TO_MEAN and isfinite(one.ratio) else ""
    return f"{name(one.series)} {verb}{news(one)}"


def extent(one: Transition) -> str:
    """Say how far it is, in as few characters as do: `3.40×`, `+12.3 %`, a value, minutes."""
    if one.kind is Kind.RATIO_TO_MEAN:
        return _times(one.ratio)
    if one.kind is Kind.CHANGE_PERCENT:
        return percent(one.ratio)
    return span(int(one.latest)) if one.kind.silence else number(one.latest)


def peak(one: Transition) -> str:
    """Say the most extreme it was."""
    if not isfinite(one.peak_ratio):
        return "from 0"
    if one.kind is Kind.RATIO_TO_MEAN:
        return formats.ratio(one.peak_ratio)
    if one.kind is Kind.CHANGE_PERCENT:
        return percent(one.peak_ratio)
    return span(round(one.peak_ratio * one.base)) if one.kind.silence else number(one.peak_ratio * one.base)


def facts(one: Transition) -> Iterator[tuple[str, str]]:
    """Give the numbers that decided, by name."""
    value = _with_unit(one)
    if one.kind.silence:
        yield "Silent for", span(int(one.latest))
        yield "Fires at", span(one.window)
        return
    yield "Latest", value(one.latest)
    if one.kind is Kind.RATIO_TO_MEAN:
        sign = one.comparison.words
        yield f"{span(one.window)} mean before it", f"{value(one.base)} ({one.n} of {one.window} minutes)"
        yield "Ratio", formats.ratio(one.ratio) if isfinite(one.ratio) else "from 0"
        yield f"Fires {sign}", f"{value(one.base * float(one.limit))} ({one.limit}× the mean)"
    elif one.kind is Kind.CHANGE_PERCENT:
        yield f"{span(one.window)} before", value(one.base)
        yield "Change", percent(one.ratio)
        limit = value(one.base * (1 + float(one.limit) / 100))
        yield f"Fires {one.comparison.words}", f"{limit} ({_signed(one.limit)} %)"
    else:
        yield f"Fires {one.comparison.words}", value(float(one.limit))


def bars(one: Transition) -> tuple[tuple[str, str, float], ...]:
    """Give what a bar chart compares: label, text and length in multiples of the base; nothing over a base of 0."""
    if one.kind.silence or not one.base or not isfinite(one.ratio):
        return ()
    fires = f"fires {one.comparison.words}"
    if one.kind is Kind.RATIO_TO_MEAN:
        mean = f"{span(one.window)} mean"
        return (("latest", _times(one.ratio), one.ratio), (fires, _times(float(one.limit)), float(one.limit)),
                (mean, _times(1.0), 1.0))  # fmt: skip
    if one.kind is Kind.CHANGE_PERCENT:
        limit = 1 + float(one.limit) / 100
        return (("latest", percent(one.ratio), one.ratio), (fires, f"{_signed(one.limit)} %", limit),
                (f"{span(one.window)} before", "0 %", 1.0))  # fmt: skip
    return ("latest", number(one.latest), one.ratio), (fires, number(one.base), 1.0)


def condition(rule: AlertRule) -> str:
    """Say when a rule is true, as it follows "fires when".

    >>> condition(AlertRule("r", Metric.PRICE))
    'the price is more than 3 times its mean of the 60 minutes before'
    """
    what = f"the {rule.metric.label}"
    if rule.kind is Kind.FEED_DOWN:
        return f"no watched market of an exchange has had a {rule.metric.label} for {span(rule.window)}"
    if rule.kind is Kind.NO_DATA:
        return f"a series has had no {rule.metric.label} for {span(rule.window)}"
    more = {">": "more than", ">=": "at least", "<": "less than", "<=": "at most"}[rule.comparison.value]
    if rule.kind is Kind.RATIO_TO_MEAN:
        return f"{what} is {more} {rule.limit} times its mean of the {rule.window} minutes before"
    if rule.kind is Kind.CHANGE_PERCENT:
        way = "risen" if rule.comparison.upward else "fallen"
        least = "at least" if "=" in rule.comparison.value else "more than"
        return f"{what} has {way} by {least} {rule.limit.lstrip('-')} % in {span(rule.window)}"
    return f"{what} is {more} {formats.plain(Decimal(rule.limit))}"


def state(one: State | str | None) -> str:
    """Say the name of a state or of an event.

    >>> state("no_data"), state("warming"), state(None)
    ('no data', 'warming up', '–')
    """
    if one is None:
        return "–"
    return {"warming": "warming up", "expired": "lost sight of"}.get(str(one), str(one).replace("_", " "))


def number(value: float) -> str:
    """Write 6 significant digits as pages do, but with every zero: a mail has nothing to hover over."""
    shown = formats.price(value)
    return shown.text if shown.full is None else formats.plain(Decimal(f"{value:.6g}"))


def _now(one: Transition) -> str:
    if one.kind is Kind.FEED_DOWN:
        return f"is down: no data for {span(int(one.latest))}"
    if one.kind is Kind.NO_DATA:
        return f"has no data for {span(int(one.latest))}"
    if one.kind is Kind.THRESHOLD:
        return f"{number(one.latest)}, {one.comparison.words} {formats.plain(Decimal(one.limit))}"
    if not isfinite(one.ratio):
        return "rose from 0"
    if one.kind is Kind.CHANGE_PERCENT:
        return f"{percent(one.ratio)} in {span(one.window)}"
    return f"{_times(one.ratio)} its {span(one.window)} mean"


def _with_unit(one: Transition) -> Callable[[float], str]:
    unit = clean(one.series.market.quote if one.series.metric is Metric.PRICE else one.series.market.base)
    return lambda value: f"{number(value)} {unit}"


def _times(ratio: float) -> str:
    """Cut, not rounded, to 2 decimals."""
    return f"{int(Decimal(repr(ratio)) * 100) / Decimal(100):,.2f}{formats.TIMES}" if isfinite(ratio) else "from 0"


def percent(ratio: float) -> str:
    """Write a ratio as the change it is, cut to 2 decimals."""
    if not isfinite(ratio):
        return "from 0"
    change = ((Decimal(repr(ratio)) - 1) * 100).quantize(Decimal("0.01"), ROUND_DOWN)
    return f"{_signed(f'{change:,}')} %"


def _signed(text: str) -> str:
    return f"{formats.MINUS}{text[1:]}" if text.startswith("-") else f"+{text}"
