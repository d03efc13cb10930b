"""The words of the product as values. Standard library only; see DESIGN.md, section 2."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from urllib.parse import urlsplit

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

POLL_WITHIN = timedelta(seconds=90)
"""A poll made within this time after minute t is a sample of t; a later one is nobody's."""

_LONGEST_SLUG = 100


class Metric(StrEnum):
    """What is measured of a market. A closed list that can grow."""

    PRICE = "price"
    VOLUME_24H = "volume_24h"

    @property
    def label(self) -> str:
        """The metric in a reader's words."""
        return "price" if self is Metric.PRICE else "24 h volume"


class Origin(StrEnum):
    """Where a sample came from: a poll of the live ticker, or the close of a candle."""

    POLL = "poll"
    CANDLE = "candle"


class MarketStatus(StrEnum):
    """What an exchange says of a market."""

    TRADABLE = "tradable"
    HALTED = "halted"
    DELISTED = "delisted"


@dataclass(frozen=True, slots=True, order=True)
class Market:
    """A pair on an exchange, written `coinbase:BTC-USD`.

    >>> Market.parse("coinbase:BTC-USD")
    Market(exchange='coinbase', base='BTC', quote='USD')
    >>> Market.parse("coinbase:BTC-USD").slug
    'coinbase-btc-usd'
    """

    exchange: str
    base: str
    quote: str

    @classmethod
    def parse(cls, text: str) -> Market:
        """Read `exchange:BASE-QUOTE`; the last dash parts base from quote. ValueError if it is not one."""
        exchange, colon, pair = text.partition(":")
        if exchange == "ccxt":  # ccxt:bitfinex is an exchange's name
            name, colon, pair = pair.partition(":")
            exchange = f"ccxt:{name}"
        base, dash, quote = pair.rpartition("-")
        if not (colon and dash and exchange and base and quote):
            raise ValueError(f"{text!r} is not a market; write exchange:BASE-QUOTE, as in coinbase:BTC-USD")
        return cls(exchange, base, quote)

    @property
    def pair(self) -> str:
        """`BTC-USD`: the market without its exchange, as metrics_rank.json writes it."""
        return f"{self.base}-{self.quote}"

    @property
    def slug(self) -> str:
        """A name for files and links: lower case, `[a-z0-9_-]` only, different for different markets.

        Letters are lowered; whatever else a name holds, small letters included, stands as its code point.

        >>> Market("binance", "<B>", "USDT").slug
        'binance-_3c_b_3e_-usdt'
        """
        return _slug(self)

    def __str__(self) -> str:
        return f"{self.exchange}:{self.base}-{self.quote}"


@lru_cache(maxsize=1 << 14)
def _slug(market: Market) -> str:
    pair = (
        re.sub(r"[^A-Z0-9]", lambda m: f"_{ord(m.group()):x}_", part).lower() for part in (market.base, market.quote)
    )
    exchange = re.sub(r"[^a-z0-9]", lambda m: f"_{ord(m.group()):x}_", market.exchange)
    slug = "-".join((exchange, *pair))
    if len(slug) <= _LONGEST_SLUG:
        return slug
    return f"{slug[: _LONGEST_SLUG - 13]}-{hashlib.sha256(str(market).encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """One metric of one market: what has samples, statistics, a rank and alerts."""

    market: Market
    metric: Metric

    def __str__(self) -> str:
        return f"{self.market} {self.metric.value}"


@dataclass(frozen=True, slots=True)
class Sample:
    """The value of a series at a whole UTC minute.

    `value` is finite: above 0 for a price (quote units), 0 or more for a volume (base units).
    `observed_at` is when a poll was received, or the close time of a candle.
    """

    series: Series
    minute: datetime
    value: float
    observed_at: datetime
    origin: Origin


@dataclass(frozen=True, slots=True)
class Candle:
    """One finished minute of trading; `opened` is a whole UTC minute, `volume` is in base units."""

    market: Market
    opened: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float

    @property
    def minute(self) -> datetime:
        """The stamp of its sample: the instant at which the candle ended."""
        return self.opened + MINUTE


@dataclass(frozen=True, slots=True)
class Listing:
    """A market as its exchange lists it; `symbol` is the exchange's own name for it."""

    market: Market
    symbol: str
    status: MarketStatus


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a step could not do and went on without: shown on the status page.

    `where` is an exchange (`coinbase`) or a market (`coinbase:BTC-USD`); `what` is a sentence.
    """

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll of an exchange gave: samples, and a problem for each market left out."""

    samples: tuple[Sample, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of object is kept; None: for ever. `inputs` are the minute and candle objects of sealed hours.

    From the deletion of its inputs on, `hour/` is what there is of an hour: it can no longer be derived again.
    """

    inputs: timedelta | None = 2 * DAY
    hours: timedelta | None = None
    summaries: timedelta | None = 30 * DAY
    reports: timedelta | None = 7 * DAY


@dataclass(frozen=True, slots=True)
class Usage:
    """What publishing asked of the bucket in the last 24 h: so many publishes, in the classes of a bucket's bill."""

    publishes: int = 0
    writes: int = 0
    reads: int = 0
    bytes: int = 0


NOTHING_ASKED = Usage()


@dataclass(frozen=True, slots=True)
class Evidence:
    """An object of the store and the SHA-256 of its bytes; `exchange` is whose samples it holds, empty for all."""

    path: str
    sha256: str
    exchange: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """What made the site: shown in footers and provenance, so nothing secret may be in it.

    `store` describes the store without credentials. `repaint_seconds` is the period in which pages are
    made anew, `market_seconds` that of the pages and files of a market.
    """

    version: str
    run_id: str | None = None
    run_url: str | None = None
    airflow_url: str | None = None
    public_url: str | None = None
    commit: str | None = None
    mail_to_count: int = 0
    store: str = ""
    repaint_seconds: int = 60
    market_seconds: int = 60

    def of_run(self, run_id: str | None, run_url: str | None) -> About:
        """Give the same with the run that makes the pages."""
        return replace(self, run_id=run_id, run_url=run_url)


def whole_minute(at: datetime) -> datetime:
    """Give the whole UTC minute at or before `at` as a plain datetime (pendulum stops here).

    >>> whole_minute(datetime(2026, 1, 1, 12, 0, 59, tzinfo=UTC))
    datetime.datetime(2026, 1, 1, 12, 0, tzinfo=datetime.timezone.utc)
    """
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return datetime.fromtimestamp(int(at.timestamp()) // 60 * 60, UTC)


def whole_hour(at: datetime) -> datetime:
    """Give the whole UTC hour at or before `at`."""
    return whole_minute(at).replace(minute=0)


def is_web_address(text: str) -> bool:
    """Say whether this is a URL of http or https whose host and port can be: what is not makes libraries panic.

    >>> [is_web_address(one) for one in ("http://s3:9000", "s3:9000", "http://s3:nine", "http://[", "https://a..b")]
    [True, False, False, False, False]
    """
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")  # a ValueError for labels that no name has
        return bool(parts.scheme in {"http", "https"} and host and parts.port != 0 and not {" ", "*"} & set(text))
    except ValueError:
        return False


def iso(at: datetime) -> str:
    """Write an instant as every page, file and mail does: `2026-11-23T22:10:00Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
