"""alert_rules.toml: read strictly, with errors that name the file, the rule and the key."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any

from tracker.alerts.values import AlertRule
from tracker.errors import ConfigError
from tracker.model import Metric

KINDS = ("ratio_to_mean",)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def load_rules(text: str, name: str) -> tuple[AlertRule, ...]:
    """Read the `[[rule]]` tables of the file called `name`.

    Raises ConfigError naming the file, the rule and the key that is wrong, with near matches of a misspelt word.
    """
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from error
    if unknown := sorted(raw.keys() - {"rule"}):
        raise ConfigError(f"{name}: unknown key {unknown[0]!r}{_near(unknown[0], ['rule'])}; write [[rule]] tables")
    tables = raw.get("rule", [])
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f'{name}: no rules; write at least one table [[rule]] with name = "…" and metric = "price"')
    rules: list[AlertRule] = []
    for number, table in enumerate(tables, 1):
        rule = _rule(table, f"{name}, rule {number}")
        if rule.name in {one.name for one in rules}:
            raise ConfigError(
                f"{name}, rule {number}: a second rule is named {rule.name!r}; alerts are told by rule name"
            )
        rules.append(rule)
    return tuple(rules)


def _rule(table: Mapping[str, Any], where: str) -> AlertRule:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: write a table [[rule]]")
    if isinstance(table.get("name"), str):
        where = f"{where} ({table['name']!r})"
    known = [one.name for one in fields(AlertRule)] + ["kind"]
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}{_near(key, known)}; known: {', '.join(sorted(known))}")
    for key in ("name", "metric"):
        if key not in table:
            raise ConfigError(f"{where}: {key!r} is missing")
    kind = table.get("kind", KINDS[0])
    if kind not in KINDS:
        raise ConfigError(f"{where}: kind {kind!r} is none of {', '.join(KINDS)}{_near(kind, KINDS)}")
    given = {key: value for key, value in table.items() if key != "kind"}
    return AlertRule(**{key: _READERS[key](value, f"{where}: {key}") for key, value in given.items()})


def _rule_name(value: object, where: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigError(f"{where} must be a word of a-z, 0-9, _ and - (64 at most), not {value!r}")
    return value


def _metric(value: object, where: str) -> Metric:
    known = [one.value for one in Metric]
    if value not in known:
        raise ConfigError(f"{where} {value!r} is none of {', '.join(known)}{_near(value, known)}")
    return Metric(str(value))


def _factor(value: object, where: str) -> str:
    try:
        number = Decimal(str(value)) if isinstance(value, int | str | Decimal) and value is not True else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 1 < number <= 1_000_000:
        raise ConfigError(f"{where} must be a number above 1 and at most 1000000, such as 3 or 2.5, not {value!s}")
    return f"{number.normalize():f}"


def _whole(least: int, most: int) -> Callable[[object, str], int]:
    def read(value: object, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ConfigError(f"{where} must be a whole number from {least} to {most}, not {value!s}")
        return value

    return read


def _near(word: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(word), known, n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


_READERS: dict[str, Callable[[object, str], Any]] = {
    "name": _rule_name,
    "metric": _metric,
    "factor": _factor,
    "min_samples": _whole(1, 60),
    "resolve_after": _whole(1, 60),
}
