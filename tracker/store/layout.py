"""The names of objects: `root/date=YYYY-MM-DD/hour=HH/…`, as DESIGN.md, section 4, has them."""

from __future__ import annotations

import re
from datetime import datetime

from tracker.errors import PermanentError
from tracker.model import HOUR, whole_hour, whole_minute

_NAME = re.compile(r"\w+/date=(\d{4}-\d\d-\d\d)/hour=(\d\d)/(?:\d\d(\d\d))?.*")


def folder(root: str, at: datetime) -> str:
    """Give the folder of the hour of `at`."""
    return f"{day(root, at)}/hour={at:%H}"


def day(root: str, at: datetime) -> str:
    """Give the folder of the day of `at`."""
    return f"{root}/date={at:%Y-%m-%d}"


def before(root: str, at: datetime) -> str:
    """Give what sorts before the hour of `at` in its day's folder, and after the hours before.

    It does not name the hour's own folder: SeaweedFS would then leave out all that lies in it.
    """
    return f"{folder(root, at - HOUR)}/~" if at.hour else ""


def minute_path(minute: datetime, exchange: str) -> str:
    """Give the object of the samples of one minute and exchange."""
    return named("minute", minute, f"-{safe_name(exchange)}.parquet")


def candles_path(hour: datetime, exchange: str) -> str:
    """Give the object of the history rows of one hour and exchange. PermanentError if it is no whole hour."""
    if whole_hour(hour) != hour:
        raise PermanentError(f"{hour} is not a whole hour")
    return f"{folder('candles', hour)}/{safe_name(exchange)}.parquet"


def hour_path(hour: datetime) -> str:
    """Give the sealed object of an hour."""
    return f"{folder('hour', hour)}/hour.parquet"


def mark_path(hour: datetime) -> str:
    """Give the empty object that says of an hour that it is sealed, or that someone has begun to."""
    return f"{folder('sealing', hour)}/begun"


def named(root: str, minute: datetime, ending: str) -> str:
    """Give `HHMM` and `ending` in the folder of the minute. PermanentError if it is no whole minute."""
    if whole_minute(minute) != minute:
        raise PermanentError(f"{minute} is not a whole minute")
    return f"{folder(root, minute)}/{minute:%H%M}{ending}"


def stamp(path: str) -> datetime | None:
    """Give the minute that a path speaks of (the hour, where it names no minute), or None if it is not one of ours."""
    found = _NAME.fullmatch(path)
    return datetime.fromisoformat(f"{found[1]}T{found[2]}:{found[3] or '00'}:00+00:00") if found else None


def exchange_file(path: str) -> str:
    """Give the `safe_name` of the exchange that a minute or candle object is of."""
    return path.rsplit("/", 1)[-1].removesuffix(".parquet").split("-", 1)[-1]


def safe_name(text: str) -> str:
    """Give a name that every file system and partition reader takes, different for different texts.

    >>> safe_name("ccxt:OKX")
    'ccxt_3a__4f__4b__58_'
    """
    return re.sub(r"[^a-z0-9]", lambda found: f"_{ord(found.group()):x}_", text)
