"""The one place that asks an exchange over the network: an answer comes back, or an error of ours."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import requests
import requests.adapters
import requests.utils

from tracker.errors import BadAnswer, NotServed, RateLimited, SourceRefused, SourceUnavailable
from tracker.sources.machine import LONGEST_QUIET, Pace

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 10.0
DEADLINE = 20.0
"""Seconds until the last byte of an answer: a server that drips does not hold a minute up."""

LARGEST = 32 * 2**20
"""Bytes of an answer: five times the largest list that an exchange sends (Binance `exchangeInfo`, 1.9 to 6 MB)."""

CLOCKS_APART = timedelta(seconds=90)
"""More than this between the server's `Date` and our clock, and no answer can be given a minute."""

QUIET = 2.0
"""Seconds of quiet after "too many requests" without a Retry-After: enough for the buckets of Coinbase and Kraken."""

_AT_ONCE = 16
_CONNECTION = re.compile(r"HTTPS?Connection\(.*?\): (Failed to establish a new connection: )?")
_CHUNK = 64 * 1024
_HEADERS = {
    "User-Agent": "tracker (market metrics; one bulk call a minute)",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask: a path below the base URL, and the query; `cost` is what the exchange counts it as."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    cost: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back with a 2xx status. `received_at` is our clock (UTC) when the last byte was here."""

    body: Any
    headers: Mapping[str, str]
    received_at: datetime

    @property
    def age(self) -> timedelta:
        """How long a cache on the way kept the answer (RFC 9111, `Age`)."""
        seconds = _seconds(self.headers.get("Age"))
        return timedelta(seconds=seconds or 0.0)

    @property
    def skew(self) -> timedelta:
        """How far the server's clock is ahead of ours: `Date` + `Age` - ours; 0 if it does not tell."""
        try:
            said = parsedate_to_datetime(self.headers["Date"])
        except (KeyError, ValueError):
            return timedelta(0)
        if said.tzinfo is None:  # "-0000" in RFC 5322: UTC without a place
            said = said.replace(tzinfo=UTC)
        return said + self.age - self.received_at

    @property
    def as_of(self) -> datetime:
        """Until when the answer can know: the earlier of the two clocks, so that ours may run ahead."""
        return self.received_at + min(self.skew, timedelta(0))


class Refused(SourceRefused):
    """A 4xx other than a rate limit. `status` and `text` are for the adapter that knows what they mean."""

    def __init__(self, message: str, *, status: int, text: str) -> None:
        super().__init__(message)
        self.status = status
        self.text = text


class RefusedHere(Refused, NotServed):
    """A 401, 403 or 451: it is this machine that is refused, not the question."""


class Http:
    """Ask one exchange, in turn with the others on this machine. Safe to use from several threads.

    `clock` gives the present in UTC, `elapsed` seconds from any fixed start (for the deadline only). Without a
    `pace` nothing is waited for.
    """

    def __init__(
        self,
        exchange: str,
        url: str,
        clock: Callable[[], datetime],
        *,
        pace: Pace | None = None,
        elapsed: Callable[[], float] = time.monotonic,
        timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
        deadline: float = DEADLINE,
        largest: int = LARGEST,
    ) -> None:
        self._exchange, self._url, self._clock, self._elapsed = exchange, url.rstrip("/"), clock, elapsed
        self._shown = re.sub(r"//[^/@]*@", "//", self._url)  # the status page says it: without a password
        self._timeouts, self._deadline, self._largest, self._pace = timeouts, deadline, largest, pace
        # The transport without a session: cookies, redirects and .netrc are not wanted, and cost a third of a call.
        self._transport = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=_AT_ONCE)
        self._blank = requests.Request("GET", self._url, headers=_HEADERS).prepare()
        self._proxies = requests.utils.get_environ_proxies(url)
        self._verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True

    def get(self, request: Request) -> Answer:
        """Wait for a turn, ask, give the answer's JSON.

        Raises RateLimited (418, 429, or quiet asked for before), SourceUnavailable (no answer, cut answer, 408, 5xx),
        Refused (other 4xx) or BadAnswer (a redirect, too large, not JSON), each naming exchange, path and status.
        """
        where = f"{self._exchange}, {request.path}"
        if self._pace:
            self._pace.turn(request.cost)
        try:
            with self._send(request) as response:
                content = self._read(response, where)
        except requests.Timeout as error:
            raise SourceUnavailable(f"{where}: no answer within {self._timeouts[1]:g} s; it is tried again") from error
        except requests.ConnectionError as error:
            raise SourceUnavailable(f"{where}: cannot connect to {self._shown}: {_cause(error)}") from error
        except requests.RequestException as error:
            raise SourceUnavailable(f"{where}: the answer broke off: {_cause(error)}") from error
        status = response.status_code
        if status != 200:
            failure = _failure(where, status, content, response.headers)
            if isinstance(failure, RateLimited):
                self.quiet(failure.retry_after)
            raise failure
        return Answer(_json(where, content), response.headers, self._clock())

    def quiet(self, seconds: float | None) -> None:
        """Keep everybody on this machine from asking for so long; None: the exchange did not say how long."""
        if self._pace:
            self._pace.quiet(QUIET if seconds is None else seconds)

    def _send(self, request: Request) -> requests.Response:
        asked = self._blank.copy()
        asked.url = self._url + request.path + (f"?{urlencode(request.params)}" if request.params else "")
        return self._transport.send(
            asked, stream=True, timeout=self._timeouts, verify=self._verify, proxies=self._proxies
        )

    def _read(self, response: requests.Response, where: str) -> bytes:
        began, content = self._elapsed(), bytearray()
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > self._largest:
                raise BadAnswer(f"{where}: the answer is larger than {self._largest} bytes; it was not read")
            if self._elapsed() - began > self._deadline:
                raise SourceUnavailable(f"{where}: the answer took more than {self._deadline:g} s; it is tried again")
        return bytes(content)


def _failure(
    where: str, status: int, content: bytes, headers: Mapping[str, str]
) -> RateLimited | SourceUnavailable | BadAnswer | Refused:
    text = _excerpt(content)
    wait = _retry_after(headers)
    if status in {418, 429}:
        asked = f"; it asks for {wait:g} s of quiet" if wait is not None else ""
        what = "banned for asking too often" if status == 418 else "asked too often"
        return RateLimited(f"{where}: {what} (HTTP {status}){asked}", retry_after=wait)
    if status >= 500 or status == 408:
        return SourceUnavailable(f"{where}: HTTP {status} {text}".rstrip(), retry_after=wait)
    if status < 400:
        return BadAnswer(f"{where}: HTTP {status} instead of an answer; is the base URL right?")
    if status == 451:
        message = f"{where}: not served where this machine is (HTTP 451); use another address of the exchange"
        return RefusedHere(message, status=status, text=text)
    if status in {401, 403}:
        message = f"{where}: this machine is refused (HTTP {status} {text}".rstrip() + "); use another address of it"
        return RefusedHere(message, status=status, text=text)
    return Refused(f"{where}: refused with HTTP {status} {text}".rstrip(), status=status, text=text)


def _json(where: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"{where}: not JSON but {_excerpt(content) or 'nothing'}") from error


def _excerpt(content: bytes) -> str:
    """Give the start of a body as one printable line; of a web page, its title."""
    if content.lstrip()[:1] == b"<":
        title = re.search(rb"<title[^>]*>([^<]{1,80})", content, re.IGNORECASE)
        return f"a web page{': ' + title[1].decode('utf-8', 'replace').strip() if title else ''}"
    text = " ".join(content[:400].decode("utf-8", "replace").split())
    return "".join(one for one in text if one.isprintable())[:120]


def _cause(error: BaseException) -> str:
    """Give the innermost reason: requests wraps urllib3, which wraps the socket's error, each repeating the URL."""
    inner: BaseException = error
    while isinstance(getattr(inner, "reason", None) or (inner.args and inner.args[0]), BaseException):
        inner = getattr(inner, "reason", None) or inner.args[0]
    said = _CONNECTION.sub("", str(inner.args[-1] if inner.args else inner))
    return f"{type(inner).__name__}: {said}"[:200]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After` (RFC 9110, 10.2.3): seconds, or a date, which counts from the server's own `Date`."""
    text = headers.get("Retry-After")
    seconds = _seconds(text)
    if seconds is not None or text is None:
        return seconds
    try:
        until, said = parsedate_to_datetime(text), parsedate_to_datetime(headers["Date"])
        return min(max((until - said).total_seconds(), 0.0), LONGEST_QUIET)
    except (KeyError, ValueError, TypeError):
        return None


def _seconds(text: str | None) -> float | None:
    if not (text and text.isascii() and text.strip().isdigit()):
        return None
    return min(float(text.strip()[:12]), LONGEST_QUIET)
