"""Settings: read once from the environment into a frozen value. An unknown TRACKER_* name is an error."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tracker.alerts.rules import is_mail_address
from tracker.errors import ConfigError
from tracker.model import is_web_address

ROOT = Path(__file__).resolve().parent.parent
"""The folder of the project: dags/, resources/ and site_templates/ lie in it."""

MOST_DAYS = 36_500

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ELSEWHERE = {"TRACKER_REAL_DATA", "TRACKER_HOME"}  # of the tests, and of `tracker up`: no settings of a step


@dataclass(frozen=True, slots=True)
class MailServer:
    """How to reach the mail server; the meaning of an Airflow connection of type smtp.

    `ssl`: TLS from the first byte; `starttls`: TLS after EHLO. `timeout` in seconds.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ssl: bool = True
    starttls: bool = True
    timeout: float = 10.0
    sender: str = "tracker@localhost"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set. Each field is the environment variable TRACKER_<NAME>; docs/configuration.md lists them."""

    store_url: str = "data/store"
    site_url: str = "data/site"
    metrics: Path = ROOT / "resources" / "metrics_rank.json"
    rules: Path = ROOT / "resources" / "alert_rules.toml"
    silences: Path = ROOT / "resources" / "silences.toml"
    coinbase_url: str = "https://api.exchange.coinbase.com"
    coinbase_advanced_url: str = "https://api.coinbase.com"
    kraken_url: str = "https://api.kraken.com"
    binance_url: str = "https://data-api.binance.vision"
    pace: bool = True
    mail_to: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()
    ping_url: str | None = field(default=None, repr=False)
    keep_inputs: timedelta | None = timedelta(days=2)
    keep_hours: timedelta | None = None
    keep_summaries: timedelta | None = timedelta(days=30)
    keep_reports: timedelta | None = timedelta(days=7)
    keep_copies: timedelta | None = timedelta(days=90)
    market_pages: int | None = None
    public_url: str | None = None
    airflow_url: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read TRACKER_* names. Raises ConfigError naming the variable that is unknown or wrong."""
        known = {f"TRACKER_{one.name.upper()}": one.name for one in fields(cls)}
        given: dict[str, object] = {}
        for name, value in sorted(environment.items()):
            if not name.startswith("TRACKER_") or name in _ELSEWHERE:
                continue
            if name not in known:
                near = difflib.get_close_matches(name, [*known, *_ELSEWHERE], n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(sorted(known))}"
                raise ConfigError(f"unknown setting {name}{hint}")
            if value.strip():
                given[known[name]] = _READERS.get(known[name], _text)(name, value.strip())
        if home := environment.get("TRACKER_HOME", "").strip():  # where `tracker up` keeps them
            for name, folder in (("store_url", "store"), ("site_url", "site")):
                given.setdefault(name, place("TRACKER_HOME", f"{home}/{folder}"))
        return cls(**given)  # type: ignore[arg-type]  # the readers give each field its type


def mail_server(environment: Mapping[str, str]) -> MailServer | None:
    """Read the Airflow connection `smtp_default` from AIRFLOW_CONN_SMTP_DEFAULT (JSON or URI); None if it is not set.

    Secrets never appear in the message of the ConfigError this raises for a wrong value.
    """
    text = environment.get("AIRFLOW_CONN_SMTP_DEFAULT", "").strip()
    if not text:
        return None
    try:
        raw: dict[str, Any] = json.loads(text) if text.startswith("{") else _from_uri(text)
        extra = raw.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
    except (ValueError, AttributeError):
        what = "neither a JSON object nor a URI smtp://user:password@host:port"
        raise ConfigError(f"AIRFLOW_CONN_SMTP_DEFAULT is {what}") from None
    return mail_server_of(raw.get("host"), raw.get("port"), raw.get("login"), raw.get("password"), extra)


def mail_server_of(
    host: str | None, port: int | str | None, user: str | None, password: str | None, extra: Mapping[str, object]
) -> MailServer:
    """Make a MailServer from the parts of an Airflow connection, with the meanings Airflow's SMTP hook gives them:
    `disable_ssl` and `disable_tls` switch off what is otherwise on, the port is 465 with SSL, else 587 or 25.
    """
    if not host:
        raise ConfigError("the connection smtp_default names no host; set it in AIRFLOW_CONN_SMTP_DEFAULT or in the UI")
    if not isinstance(extra, Mapping):
        raise ConfigError('the extra of the connection smtp_default is no JSON object, as {"disable_tls": true}')
    ssl, tls = not _flag(extra.get("disable_ssl")), not _flag(extra.get("disable_tls"))
    return MailServer(
        host=str(host),
        port=int(_number("port", port or (465 if ssl else 587 if tls else 25), 65_535)),
        user=str(user) if user else None,
        password=str(password) if password else None,
        ssl=ssl,
        starttls=tls and not ssl,
        timeout=_number("timeout", extra.get("timeout") or 10, 3600),
        sender=str(extra.get("from_email") or user or "tracker@localhost"),
    )


def _number(what: str, value: object, most: int) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = 0.0
    if not 1 <= number <= most:
        raise ConfigError(f"the {what} of the connection smtp_default must be a number from 1 to {most}, not {value!r}")
    return number


def _from_uri(text: str) -> dict[str, Any]:
    parts = urlsplit(text)
    return {
        "host": parts.hostname,
        "port": parts.port,
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "extra": dict(parse_qsl(parts.query)),
    }


def _flag(value: object) -> bool:
    return str(value).lower() in {"true", "1", "yes"}


def _switch(name: str, value: str) -> object:
    if value.lower() not in {"on", "off"}:
        raise ConfigError(f"{name} must be on or off, not {value!r}")
    return value.lower() == "on"


def _text(_name: str, value: str) -> object:
    return value


def _path(name: str, value: str) -> object:
    path = _expanded(name, value).resolve()
    try:
        there = path.is_file()
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}: {value}") from None
    if not there:
        raise ConfigError(f"{name}: there is no file {value}")
    return path


def _expanded(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ConfigError(f"{name}: {value} begins with the home of somebody who is not known here") from None


def _url(name: str, value: str) -> object:
    if not is_web_address(value):
        raise ConfigError(f"{name} must be a URL that starts with http:// or https://, not {value!r}")
    return value.rstrip("/")


def _secret_url(name: str, value: str) -> object:
    try:
        return _url(name, value)
    except ConfigError:
        raise ConfigError(f"{name} must be a URL that starts with http:// or https://") from None


def _days(name: str, value: str) -> object:
    if value.lower() == "forever":
        return None
    if not value.isdecimal() or not 2 <= int(value) <= MOST_DAYS:
        what = f"a number of days from 2 (the window is a day long) to {MOST_DAYS}, or `forever`"
        raise ConfigError(f"{name} must be {what}, not {value!r}")
    return timedelta(days=int(value))


def _cadence(name: str, value: str) -> object:
    if value.lower() == "auto":
        return None
    if not value.isdecimal() or not 1 <= int(value) <= 60:
        raise ConfigError(f"{name} must be a number of minutes, 1 to 60, or `auto`, not {value!r}")
    return int(value)


def place(name: str, value: str) -> str:
    """Read where objects live: a path, `file://…` or `s3://bucket/prefix`. ConfigError begins with `name`."""
    scheme, is_url, rest = value.partition("://")
    bucket = rest.partition("/")[0]
    if not is_url:
        _expanded(name, value)
    elif scheme not in {"file", "s3"}:
        raise ConfigError(f"{name} must be a path, file://… or s3://bucket/prefix, not {value!r}")
    elif scheme == "s3" and not bucket:
        raise ConfigError(f"{name} names no bucket: write s3://bucket/prefix")
    elif scheme == "s3" and not _BUCKET.fullmatch(bucket):  # not repeated: it may hold keys, before an @
        raise ConfigError(f"{name}: no bucket has such a name; write s3://bucket/prefix, and keys into AWS_*")
    return value.rstrip("/") or "/"


def _addresses(name: str, value: str) -> object:
    addresses = tuple(one.strip() for one in value.split(",") if one.strip())
    for one in addresses:
        if not is_mail_address(one):
            raise ConfigError(f"{name}: {one!r} is not a mail address")
    return addresses


_READERS = {
    "store_url": place,
    "site_url": place,
    "metrics": _path,
    "rules": _path,
    "silences": _path,
    "coinbase_url": _url,
    "coinbase_advanced_url": _url,
    "kraken_url": _url,
    "binance_url": _url,
    "pace": _switch,
    "keep_inputs": _days,
    "keep_hours": _days,
    "keep_summaries": _days,
    "keep_reports": _days,
    "keep_copies": _days,
    "market_pages": _cadence,
    "mail_to": _addresses,
    "operator": _addresses,
    "ping_url": _secret_url,
    "public_url": _url,
    "airflow_url": _url,
}
