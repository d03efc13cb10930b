"""Explain a rule before it surprises anybody: in words and in arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from math import ceil

from tracker.alerts.explanation import minutes_above
from tracker.alerts.values import LEEWAY, LOST_MINUTES, AlertRule, Kind
from tracker.site import formats, wording

STEPS = (
    Fraction("1.01"),
    Fraction("1.2"),
    Fraction(4, 3),
    Fraction("1.5"),
    Fraction(2),
    Fraction(10, 3),
)  # of the factor


def explain(rule: AlertRule) -> list[str]:
    """Say in sentences what a rule does, when it can fire at all, and what it cannot see."""
    where = "every market" if rule.markets == ("*",) else f"markets like {', '.join(rule.markets)}"
    return [
        f"{rule.name} watches the {rule.metric.label} of {where}; severity {rule.severity.value}.",
        f"It fires when {wording.condition(rule)}{_for(rule)}.",
        *_ARITHMETIC[rule.kind](rule),
        f"It resolves after {rule.resolve_after} judged minutes in a row in which that is not so.",
        "Rises before that belong to the same alert, and minutes without a value do not count.",
        *_cooldown(rule),
        f"After {LOST_MINUTES} minutes that cannot be judged the alert expires: lost sight of, not resolved.",
    ]


def _for(rule: AlertRule) -> str:
    return f", and has been so for {wording.span(rule.lasting)}" if rule.lasting else ""


def _cooldown(rule: AlertRule) -> Iterator[str]:
    if rule.cooldown:
        yield f"A new rise within {wording.span(rule.cooldown)} of its end reopens it: shown and recorded, not mailed."


def listeners(rule: AlertRule) -> str:
    """Say who hears of a rule; not for a public page."""
    named = [*rule.recipients, *(f"the channel {name}" for name in rule.channels)]
    return f"It tells {', '.join(named) or 'everybody in TRACKER_MAIL_TO'}."


def _ratio(rule: AlertRule) -> Iterator[str]:
    window = rule.window
    yield f"Exactly {rule.limit} times {_at_limit(rule)}: both sides are compared as the decimals they are written as."
    if Decimal(rule.min_mean):
        yield f"Over a mean below {rule.min_mean} nothing fires: that mean must be at least {rule.min_mean}."
    yield f"It needs {rule.min_samples} of the {window} minutes before; with fewer it is warming and cannot fire."
    if not rule.comparison.upward:
        return
    factor = Fraction(rule.limit)
    yield f"The smallest jump from a flat level that fires is to just over {rule.limit} times; that lasts one minute."
    steps = ", ".join(
        f"{_times(factor * step)} for {minutes_above(rule.limit, factor * step, window)}" for step in STEPS
    )
    longest = ceil(window / factor)
    yield f"After a lasting step it stays above for so many minutes: {steps}."
    yield f"It is never above for more than {longest} minutes, because the mean catches up."
    if rule.lasting:
        yield from _lasting(rule, factor, longest)
    yield "It sees jumps: a climb that takes an hour must be many times larger to fire."
    blind, hour = _times(factor * Fraction(window - 1 + 100, window)), wording.span(window)
    yield f"A spike blinds it: for {hour} after one minute at 100 times, only a jump above {blind} fires."


def _lasting(rule: AlertRule, factor: Fraction, longest: int) -> Iterator[str]:
    """Say which step is large enough to be above for as long as `for` asks: one minute more than `for`."""
    wanted = rule.lasting + 1
    if wanted > longest:
        yield f"With for = {rule.lasting} it can never fire at a step: none stays above for {wanted} minutes."
        return
    # above at minute j of the new level: step * (window - limit * j) > limit * (window - j)
    limit, window, j = factor, rule.window, rule.lasting
    smallest = limit * (window - j) / (window - limit * j)
    yield f"With for = {rule.lasting} only a step above {_times(smallest)} fires, and no spike below {wanted} minutes."


def _change(rule: AlertRule) -> Iterator[str]:
    yield f"Exactly {rule.limit} % {_at_limit(rule)}: both sides are compared as the decimals they are written as."
    yield (
        f"The value of {wording.span(rule.window)} ago is the sample of that minute, or one at most {LEEWAY} minutes "
        "older; without one the minute cannot be judged."
    )
    factor = formats.plain((1 + Decimal(rule.limit) / 100).normalize())
    yield f"The smallest jump that fires is to just {rule.comparison.words} {factor} times the value before."
    yield f"After a lasting step it is true for {rule.window} minutes: until the step itself is so long ago."
    yield "It sees climbs as well as jumps, if they are over within that time."


def _threshold(rule: AlertRule) -> Iterator[str]:
    yield f"Exactly {rule.limit} {_at_limit(rule)}. It stays true for as long as the value stays there: without end."
    yield "A rule that is true when it is first judged fires then."


def _silence(rule: AlertRule) -> Iterator[str]:
    yield "Only minutes in which tracker asked the exchange are judged: a standstill of its own says nothing."
    if rule.kind is Kind.FEED_DOWN:
        yield "While it fires, other alerts of that exchange send no mail: they are recorded and shown."
    else:
        yield "While the whole feed is down, the rule feed_down tells it, and this one sends no mail."


_ARITHMETIC = {
    Kind.RATIO_TO_MEAN: _ratio,
    Kind.CHANGE_PERCENT: _change,
    Kind.THRESHOLD: _threshold,
    Kind.NO_DATA: _silence,
    Kind.FEED_DOWN: _silence,
}


def _at_limit(rule: AlertRule) -> str:
    return "fires" if "=" in rule.comparison.value else "does not fire"


def _times(number: Fraction) -> str:
    return f"{float(number):.4g}×"
