"""alert_rules.toml: read strictly, with errors that name the file, the rule and the key."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any

from tracker.alerts.values import AlertRule, Severity
from tracker.errors import ConfigError
from tracker.model import Metric

KINDS = ("ratio_to_mean",)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def load_rules(text: str, name: str) -> tuple[AlertRule, ...]:
    """Read the `[[rule]]` tables of the file called `name`; a rule with `enabled = false` is checked and left out.

    Raises ConfigError naming the file, the rule and the key that is wrong, with near matches of a misspelt word.
    """
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from error
    if unknown := sorted(raw.keys() - {"rule"}):
        raise ConfigError(f"{name}: unknown key {unknown[0]!r}{near(unknown[0], ['rule'])}; write [[rule]] tables")
    tables = raw.get("rule", [])
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f'{name}: no rules; write at least one table [[rule]] with name = "…" and metric = "price"')
    rules: list[AlertRule] = []
    off: set[str] = set()
    for number, table in enumerate(tables, 1):
        rule, enabled = _rule(table, f"{name}, rule {number}")
        if rule.name in {one.name for one in rules}:
            raise ConfigError(
                f"{name}, rule {number}: a second rule is named {rule.name!r}; alerts are told by rule name"
            )
        rules.append(rule)
        if not enabled:
            off.add(rule.name)
    return tuple(rule for rule in rules if rule.name not in off)


def _rule(table: Mapping[str, Any], where: str) -> tuple[AlertRule, bool]:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: write a table [[rule]]")
    if isinstance(table.get("name"), str):
        where = f"{where} ({table['name']!r})"
    known = [one.name for one in fields(AlertRule)] + ["kind", "enabled"]
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}{near(key, known)}; known: {', '.join(sorted(known))}")
    for key in ("name", "metric"):
        if key not in table:
            raise ConfigError(f"{where}: {key!r} is missing")
    kind = table.get("kind", KINDS[0])
    if kind not in KINDS:
        raise ConfigError(f"{where}: kind {kind!r} is none of {', '.join(KINDS)}{near(kind, KINDS)}")
    enabled = table.get("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigError(f"{where}: enabled must be true or false, not {enabled!r}")
    given = {key: value for key, value in table.items() if key not in {"kind", "enabled"}}
    return AlertRule(**{key: _READERS[key](value, f"{where}: {key}") for key, value in given.items()}), enabled


def _rule_name(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigError(f"{where} must be a word of a-z, 0-9, _ and - (64 at most), not {value!r}")
    return value


def _metric(value: object, where: str) -> Metric:
    known = [one.value for one in Metric]
    if value not in known:
        raise ConfigError(f"{where} {value!r} is none of {', '.join(known)}{near(value, known)}")
    return Metric(str(value))


def _factor(value: object, where: str) -> str:
    number = _decimal(value)
    if not 1 < number <= 1_000_000:
        raise ConfigError(f"{where} must be a number above 1 and at most 1000000, such as 3 or 2.5, not {value!s}")
    return f"{number.normalize():f}"


def _floor(value: object, where: str) -> str:
    number = _decimal(value)
    if not 0 <= number <= 10**15:
        raise ConfigError(f"{where} must be a number from 0 to 10^15, not {value!s}")
    return f"{number.normalize():f}"


def _decimal(value: object) -> Decimal:
    """Give a number as it is written in the file; -1 for what is none."""
    try:
        number = Decimal(str(value)) if isinstance(value, int | str | Decimal) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    return number if number is not None and number.is_finite() else Decimal(-1)


def _markets(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ConfigError(f'{where} must be a list of patterns, as ["coinbase:*-USD", "*:BTC-*"], not {value!r}')
    for pattern in value:
        if not isinstance(pattern, str) or (":" not in pattern and not pattern.startswith("*")):
            raise ConfigError(f"{where}: {pattern!r} is not exchange:BASE-QUOTE, as coinbase:BTC-USD or *:*-EUR")
    return tuple(value)


def _severity(value: object, where: str) -> Severity:
    known = [one.value for one in Severity]
    if value not in known:
        raise ConfigError(f"{where} {value!r} is none of {', '.join(known)}{near(value, known)}")
    return Severity(str(value))


def _link(value: object, where: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"https?://\S+", value):
        raise ConfigError(f"{where} must be a link that starts with http:// or https://, not {value!r}")
    return value


def _whole(least: int, most: int) -> Callable[[object, str], int]:
    def read(value: object, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ConfigError(f"{where} must be a whole number from {least} to {most}, not {value!s}")
        return value

    return read


def near(word: object, known: Sequence[str]) -> str:
    """Give the end of a message about an unknown word: which known one was meant, if any is like it."""
    matches = difflib.get_close_matches(str(word), known, n=2)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


_READERS: dict[str, Callable[[object, str], Any]] = {
    "name": _rule_name,
    "metric": _metric,
    "factor": _factor,
    "min_samples": _whole(1, 60),
    "resolve_after": _whole(1, 60),
    "min_mean": _floor,
    "markets": _markets,
    "severity": _severity,
    "runbook": _link,
}
