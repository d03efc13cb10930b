"""alert_rules.toml: read strictly, with errors that name the line, the rule and the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from email.errors import HeaderParseError
from email.headerregistry import Address
from typing import Any

from tracker.alerts.tables import Document, Table
from tracker.alerts.values import AlertRule, Comparison, Kind, Severity
from tracker.errors import ConfigError
from tracker.model import Metric

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_HINT = "write [[rule]] tables, and [channel.NAME] tables for notifiers"

_COMMON = ("name", "metric", "kind", "for", "resolve_after", "cooldown", "markets", "severity", "recipients",
           "channels", "runbook", "enabled")  # fmt: skip
_OF_KIND = {
    Kind.RATIO_TO_MEAN: ("factor", "comparison", "window", "min_samples", "min_mean"),
    Kind.CHANGE_PERCENT: ("percent", "comparison", "window"),
    Kind.THRESHOLD: ("value", "comparison"),
    Kind.NO_DATA: ("window",),
    Kind.FEED_DOWN: ("window",),
}
_LIMIT = {Kind.RATIO_TO_MEAN: "factor", Kind.CHANGE_PERCENT: "percent", Kind.THRESHOLD: "value"}


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to tell people besides mail: any Airflow notifier, by its dotted path, and what it is made with."""

    name: str
    notifier: str
    arguments: Mapping[str, Any]


def load_rules(text: str, name: str) -> tuple[AlertRule, ...]:
    """Read the `[[rule]]` tables of the file called `name`; a rule with `enabled = false` is checked and left out.

    Raises ConfigError naming the line, the rule and the key that is wrong, with near matches of a misspelt word.
    """
    document = Document(text, name)
    document.only(("rule", "channel"), _HINT)
    channels = _channels(document)
    tables = document.list_of("rule")
    if not tables:
        raise ConfigError(f'{name}: no rules; write at least one table [[rule]] with name = "…" and metric = "price"')
    rules: dict[str, AlertRule] = {}
    off: set[str] = set()
    for table in tables:
        rule = _rule(table)
        if rule.name in rules:
            raise table.error(f"a second rule is named {rule.name!r}; alerts are told by rule name", "name")
        for channel in rule.channels:
            table.choice("channels", channel, list(channels))
        rules[rule.name] = rule
        if not _switch(table, "enabled"):
            off.add(rule.name)
    return tuple(rule for rule in rules.values() if rule.name not in off)


def load_channels(text: str, name: str) -> dict[str, Channel]:
    """Read the `[channel.NAME]` tables of the file called `name`. Raises ConfigError like `load_rules`."""
    return _channels(Document(text, name))


def is_mail_address(text: str) -> bool:
    """Say whether mail can be sent to it: one plain address, nothing that could bend a header."""
    try:
        return "@" in text and text.isprintable() and bool(Address(addr_spec=text).domain)
    except (HeaderParseError, ValueError, IndexError):
        return False


def _channels(document: Document) -> dict[str, Channel]:
    found = {}
    for name, table in document.named("channel").items():
        if not _NAME.fullmatch(name):
            raise table.error("the name must be a word of a-z, 0-9, _ and -")
        path = table.values.get("notifier")
        if not isinstance(path, str) or not _PATH.fullmatch(path):
            what = f'must be the dotted path of an Airflow notifier, as "package.module.Notifier", not {path!r}'
            raise table.error(f"notifier {what}", "notifier")
        found[name] = Channel(name, path, {key: one for key, one in table.values.items() if key != "notifier"})
    return found


def _rule(table: Table) -> AlertRule:
    kind = Kind(table.choice("kind", table.values.get("kind", Kind.RATIO_TO_MEAN.value), [one.value for one in Kind]))
    table.only([*_COMMON, *_OF_KIND[kind]])
    limit = _LIMIT.get(kind)
    for key in ("name", "metric", *([limit] if limit and kind is not Kind.RATIO_TO_MEAN else [])):
        if key not in table.values and not (key == "metric" and kind is Kind.FEED_DOWN):
            raise table.error(f"{key!r} is missing")
    comparison = _comparison(table, kind, limit)
    window = _whole(table, "window", 1, 720, 3 if kind.silence else 60)
    return AlertRule(
        name=_rule_name(table),
        metric=Metric(table.choice("metric", table.values.get("metric", "price"), [one.value for one in Metric])),
        kind=kind,
        limit=_limit(table, kind, limit, comparison) if limit else "0",
        comparison=comparison,
        window=window,
        min_samples=_whole(table, "min_samples", 1, window, max(1, window // 2)),
        min_mean=_decimal(table, "min_mean", lambda one: 0 <= one <= 10**15, "a number from 0 to 10^15", "0"),
        lasting=_whole(table, "for", 0, 360, 0),
        resolve_after=_whole(table, "resolve_after", 1, 60, 5),
        cooldown=_whole(table, "cooldown", 0, 1440, 30),
        markets=_markets(table),
        severity=Severity(table.choice("severity", table.values.get("severity", "warning"), [*Severity])),
        recipients=_words(table, "recipients", is_mail_address, "mail addresses"),
        channels=_words(table, "channels", lambda one: bool(_NAME.fullmatch(one)), "names of [channel.NAME] tables"),
        runbook=_link(table),
    )


def _rule_name(table: Table) -> str:
    value = table.values["name"]
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise table.error(f"name must be a word of a-z, 0-9, _ and - (64 at most), not {value!r}", "name")
    return value


def _comparison(table: Table, kind: Kind, limit: str | None) -> Comparison:
    """Read the comparison; a fall by so many per cent needs none."""
    falls = kind is Kind.CHANGE_PERCENT and limit is not None and str(table.values.get(limit)).startswith("-")
    default = Comparison.AT_LEAST if kind.silence else Comparison.BELOW if falls else Comparison.ABOVE
    known = [one.value for one in Comparison]
    return Comparison(table.choice("comparison", table.values.get("comparison", default.value), known))


def _limit(table: Table, kind: Kind, key: str, comparison: Comparison) -> str:
    if kind is Kind.THRESHOLD:
        return _decimal(table, key, lambda one: 0 <= one <= 10**15, "a number from 0 to 10^15")
    if kind is Kind.RATIO_TO_MEAN and comparison.upward:
        return _decimal(table, key, lambda one: 1 < one <= 10**6, "a number above 1 and at most 1000000, as 2.5", "3")
    if kind is Kind.RATIO_TO_MEAN:
        return _decimal(table, key, lambda one: 0 < one < 1, f"a number between 0 and 1 with {comparison.value!r}")
    if comparison.upward:
        return _decimal(table, key, lambda one: 0 < one <= 10**8, f"above 0 with {comparison.value!r}")
    return _decimal(table, key, lambda one: -100 < one < 0, f"between -100 and 0 with {comparison.value!r}")


def _decimal(table: Table, key: str, fits: Callable[[Decimal], bool], wanted: str, default: str | None = None) -> str:
    """Give a number as it is written in the file."""
    value = table.values.get(key, default)
    try:
        number = Decimal(str(value)) if isinstance(value, int | str | Decimal) and not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or not fits(number):
        raise table.error(f"{key} must be {wanted}, not {value!s}", key)
    return f"{number.normalize():f}"


def _whole(table: Table, key: str, least: int, most: int, default: int) -> int:
    value = table.values.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise table.error(f"{key} must be a whole number from {least} to {most}, not {value!s}", key)
    return value


def _switch(table: Table, key: str) -> bool:
    value = table.values.get(key, True)
    if not isinstance(value, bool):
        raise table.error(f"{key} must be true or false, not {value!r}", key)
    return value


def _markets(table: Table) -> tuple[str, ...]:
    return market_patterns(table, lambda one: ":" in one or one.startswith("*"))


def market_patterns(table: Table, fits: Callable[[str], bool] = bool) -> tuple[str, ...]:
    """Read the key `markets`: patterns of exchange:BASE-QUOTE, all markets if it is left out."""
    value = table.values.get("markets", ["*"])
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        wanted = 'a list of patterns, as ["coinbase:*-USD", "*:BTC-*"]'
        raise table.error(f"markets must be {wanted}, not {value!r}", "markets")
    for pattern in value:
        if not fits(pattern):
            wrong = f"{pattern!r} is not exchange:BASE-QUOTE, as coinbase:BTC-USD or *:*-EUR"
            raise table.error(f"markets: {wrong}", "markets")
    return tuple(value)


def _words(table: Table, key: str, fits: Callable[[str], bool], wanted: str) -> tuple[str, ...]:
    value = table.values.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and fits(one) for one in value):
        raise table.error(f"{key} must be a list of {wanted}, not {value!r}", key)
    return tuple(dict.fromkeys(value))


def _link(table: Table) -> str | None:
    value = table.values.get("runbook")
    if value is not None and (not isinstance(value, str) or not re.fullmatch(r"https?://\S+", value)):
        raise table.error(f"runbook must be a link that starts with http:// or https://, not {value!r}", "runbook")
    return value
