"""silences.toml: alerts nobody wants mails about until a given time. They still fire, are recorded and shown."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from tracker.alerts.rules import near
from tracker.alerts.values import Transition
from tracker.errors import ConfigError
from tracker.model import Metric

_KEYS = ("markets", "metric", "rule", "until", "reason", "author")


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


def audible(transitions: Iterable[Transition], silences: Sequence[Silence]) -> list[Transition]:
    """Give the transitions that no silence covers."""
    return [one for one in transitions if not any(silence.covers(one) for silence in silences)]


def load_silences(text: str, name: str, rules: Sequence[str]) -> tuple[Silence, ...]:
    """Read the `[[silence]]` tables of the file called `name`; none is fine. `rules` names the rules that are on.

    Raises ConfigError naming the file, the silence and the key that is wrong.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from error
    if unknown := sorted(raw.keys() - {"silence"}):
        raise ConfigError(
            f"{name}: unknown key {unknown[0]!r}{near(unknown[0], ['silence'])}; write [[silence]] tables"
        )
    tables = raw.get("silence", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{name}: write [[silence]] tables")
    return tuple(_silence(table, f"{name}, silence {number}", rules) for number, table in enumerate(tables, 1))


def _silence(table: Mapping[str, Any], where: str, rules: Sequence[str]) -> Silence:
    for key in table:
        if key not in _KEYS:
            raise ConfigError(f"{where}: unknown key {key!r}{near(key, _KEYS)}; known: {', '.join(_KEYS)}")
    for key in ("until", "reason"):
        if key not in table:
            raise ConfigError(f"{where}: {key!r} is missing; a silence without an end or a reason is forgotten")
    until = table["until"]
    if not isinstance(until, datetime) or until.tzinfo is None:
        raise ConfigError(f"{where}: until must be a time with a zone, as 2026-11-30T18:00:00Z, not {until!s}")
    for key in ("reason", "author", "rule"):
        if not isinstance(table.get(key, "-"), str) or not table.get(key, "-").strip():
            raise ConfigError(f"{where}: {key} must be text, not {table[key]!r}")
    rule, metric = table.get("rule"), table.get("metric")
    for what, value, known in (("rule", rule, rules), ("metric", metric, [one.value for one in Metric])):
        if value is not None and value not in known:
            raise ConfigError(f"{where}: {what} {value!r} is none of {', '.join(known)}{near(value, known)}")
    return Silence(
        until=until.astimezone(UTC),
        reason=table["reason"],
        markets=_markets(table.get("markets", ["*"]), where),
        metric=Metric(metric) if metric else None,
        rule=rule,
        author=table.get("author"),
    )


def _markets(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise ConfigError(f'{where}: markets must be a list of patterns, as ["kraken:*-EUR"], not {value!r}')
    return tuple(value)
