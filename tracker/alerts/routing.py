"""Who is told what, and what a mail needs to know besides: the hour behind an alert, and whether the source is mad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby, islice
from typing import TYPE_CHECKING

from tracker.alerts.columns import columns, number_of
from tracker.alerts.values import AlertRule, Batch, Event, MassRise, Transition, by_urgency
from tracker.model import HOUR, MINUTE, Market

if TYPE_CHECKING:
    import pyarrow as pa

CHANNEL = "channel:"
"""Begins the name of a recipient that is a channel of alert_rules.toml, not an address."""

CHARTED = 10
"""Of so many alerts of a minute the hour before is kept for the mail."""

MASS_SHARE = 0.25
MASS_LEAST = 5
"""More than this share of an exchange's series, and at least so many, rising in one minute is a mass rise."""

_POINTS = HOUR // MINUTE + 1


def batches(
    transitions: Iterable[Transition],
    rules: Sequence[AlertRule],
    everybody: Sequence[str],
    window: pa.Table | None = None,
) -> list[Batch]:
    """Give what each recipient is told of each minute: what is not muted, of the rules that name them.

    A rule that names nobody tells everybody; one that is no longer there too, so that nothing once begun is lost.
    `window` holds the samples of the hour before at least; without it mails have no charts.
    """
    told = sorted((one for one in transitions if one.muted is None), key=lambda one: one.minute)
    to = {rule.name: recipients(rule, everybody) for rule in rules}
    found = []
    for minute, group in groupby(told, key=lambda one: one.minute):
        every = list(group)
        charts = _charts(every, window) if window is not None else {}
        mass = _mass_rises(every, rules, window, minute) if window is not None else []
        for recipient in dict.fromkeys(who for one in every for who in to.get(one.rule, everybody)):
            own = tuple(one for one in every if recipient in to.get(one.rule, everybody))
            names = {one.rule for one in own}
            drawn = {one.id: charts[one.id] for one in own if one.id in charts}
            crowds = tuple(one for one in mass if one.rule in names)
            found.append(Batch("", recipient, minute, own, charts=drawn, mass=crowds))
    return found


def recipients(rule: AlertRule, everybody: Sequence[str]) -> tuple[str, ...]:
    """Give who hears of a rule: those it names, else everybody."""
    return (*rule.recipients, *(CHANNEL + name for name in rule.channels)) or tuple(everybody)


def _charts(transitions: Sequence[Transition], window: pa.Table) -> dict[str, tuple[float | None, ...]]:
    """Give the values of the hour up to each of the most urgent alerts that is about values."""
    chosen = list(islice((one for one in by_urgency(transitions) if not one.kind.silence), CHARTED))
    if not chosen:
        return {}
    until = max(one.minute for one in chosen)
    samples = columns(window, min(one.minute for one in chosen) - HOUR - MINUTE, until)
    found = {}
    for one in chosen:
        if (index := samples.index(one.series)) is not None:
            rows = slice(samples.bounds[index], samples.bounds[index + 1])
            there = dict(zip(samples.minutes[rows].tolist(), samples.values[rows].tolist(), strict=True))
            last = number_of(one.minute)
            found[one.id] = tuple(there.get(minute) for minute in range(last - _POINTS + 1, last + 1))
    return found


def _mass_rises(
    transitions: Sequence[Transition], rules: Sequence[AlertRule], window: pa.Table, minute: datetime
) -> list[MassRise]:
    """Find rules that fired for more than MASS_SHARE of the series of an exchange that have a sample at the minute."""
    fired = Counter(
        (one.rule, one.series.market.exchange)
        for one in transitions
        if one.event is Event.FIRING and not one.kind.silence
    )
    crowded = {key: count for key, count in fired.items() if count >= MASS_LEAST}
    if not crowded:
        return []
    samples = columns(window, minute - MINUTE, minute)
    found = []
    for rule in rules:
        exchanges = Counter(Market.parse(samples.names[index][0]).exchange for index in samples.chosen(rule).tolist())
        for exchange, of in sorted(exchanges.items()):
            count = crowded.get((rule.name, exchange), 0)
            if count > MASS_SHARE * of:
                found.append(MassRise(rule.name, exchange, count, of))
    return found
