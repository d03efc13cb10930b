"""silences.toml: alerts nobody wants mails about until a given time. They still fire, are recorded and shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from tracker.alerts.rules import market_patterns
from tracker.alerts.tables import Document, Table
from tracker.alerts.values import Event, Kind, Transition
from tracker.model import Metric

_KEYS = ("markets", "metric", "rule", "until", "reason", "author")

FEED_IS_DOWN = "the feed is down"
REOPENED = "it rose again within the cooldown"


@dataclass(frozen=True, slots=True)
class Silence:
    """No mails about matching alerts that fire before `until`. `markets` are patterns of exchange:BASE-QUOTE."""

    until: datetime
    reason: str
    markets: tuple[str, ...] = ("*",)
    metric: Metric | None = None  # None: any
    rule: str | None = None  # None: any
    author: str | None = None

    def covers(self, one: Transition) -> bool:
        """Say whether this alert is silent: from its firing to its end, so that no mail ends what none began."""
        return (
            one.fired < self.until
            and any(fnmatchcase(str(one.series.market), pattern) for pattern in self.markets)
            and self.metric in {None, one.series.metric}
            and self.rule in {None, one.rule}
        )


def muted(
    transitions: Iterable[Transition],
    silences: Sequence[Silence],
    told: Iterable[Transition] = (),
    down: Collection[str] = (),
) -> list[Transition]:
    """Say of each transition why nobody gets a mail about it, if nobody does.

    Because a silence covers it; because it rose again within the cooldown; because the feed of its exchange (one of
    `down`) is down, which is told by itself; because its beginning, in `told`, was not told for such a reason. What is
    in `told` itself stays as it was told.
    """
    told = list(told)
    known = {one.id: one for one in told}
    begun = {one.alert_id: one.muted for one in told if one.event is Event.FIRING and not one.reopened}
    found = []
    for one in transitions:
        if one.id in known:
            found.append(known[one.id])
            continue
        silence = next((silence for silence in silences if silence.covers(one)), None)
        is_feed = one.kind is Kind.FEED_DOWN
        if silence is not None:
            why: str | None = f"silenced: {silence.reason}"
        elif one.reopened:
            why = REOPENED
        elif one.series.market.exchange in down and not is_feed and one.event is not Event.RESOLVED:
            why = FEED_IS_DOWN
        else:
            why = begun.get(one.alert_id) if one.event is not Event.FIRING else None
        if one.event is Event.FIRING and not one.reopened:
            begun[one.alert_id] = why
        found.append(replace(one, muted=why))
    return found


def load_silences(text: str, name: str, rules: Sequence[str]) -> tuple[Silence, ...]:
    """Read the `[[silence]]` tables of the file called `name`; none is fine. `rules` names the rules that are on.

    Raises ConfigError naming the line, the silence and the key that is wrong.
    """
    document = Document(text, name)
    document.only(("silence",), "write [[silence]] tables")
    return tuple(_silence(table, rules) for table in document.list_of("silence"))


def _silence(table: Table, rules: Sequence[str]) -> Silence:
    table.only(_KEYS)
    for key in ("until", "reason"):
        if key not in table.values:
            raise table.error(f"{key!r} is missing; a silence without an end or a reason is forgotten")
    until = table.values["until"]
    if not isinstance(until, datetime) or until.tzinfo is None:
        raise table.error(f"until must be a time with a zone, as 2026-11-30T18:00:00Z, not {until!s}", "until")
    for key in ("reason", "author", "rule"):
        value = table.values.get(key, "-")
        if not isinstance(value, str) or not value.strip():
            raise table.error(f"{key} must be text, not {value!r}", key)
    for key, known in (("rule", rules), ("metric", [one.value for one in Metric])):
        if key in table.values:
            table.choice(key, table.values[key], known)
    metric = table.values.get("metric")
    return Silence(
        until=until.astimezone(UTC),
        reason=table.values["reason"],
        markets=market_patterns(table),
        metric=Metric(metric) if metric else None,
        rule=table.values.get("rule"),
        author=table.values.get("author"),
    )
