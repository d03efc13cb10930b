"""Errors, sorted by what the reader does next.

`ConfigError`: a person changes a file or a setting. `PermanentError`: trying again will not help.
`RetriableError`: wait and try again. Airflow's retry policy names these classes, so this module
imports the standard library only.
"""

from __future__ import annotations


class TrackerError(Exception):
    """Say in one sentence what failed, where, and what to do next."""


class ConfigError(TrackerError):
    """A setting or a file of the user's is wrong; the message names it and how to mend it."""


class PermanentError(TrackerError):
    """The same call will fail the same way: report it, do not retry."""


class RetriableError(TrackerError):
    """A later try may succeed.

    `retry_after` is the number of seconds the other side asked us to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SourceUnavailable(RetriableError):
    """The exchange did not answer, or answered with a 5xx or a time-out."""


class RateLimited(RetriableError):
    """The exchange asks us to slow down (429, 418, or its own wording); the whole exchange waits."""


class BadAnswer(RetriableError):
    """The answer is not what the wire format promises: HTML, cut JSON, wrong types."""


class SourceRefused(PermanentError):
    """The exchange understood and said no (4xx, 451): asking again changes nothing."""


class NotServed(SourceRefused):
    """The exchange serves nobody where this machine is (401, 403, 451): no market of it can be had this way."""


class UnknownMarket(SourceRefused):
    """The exchange does not list the market, or has delisted it."""


class StoreUnavailable(RetriableError):
    """The object store did not answer."""


class Conflict(RetriableError):
    """Another writer was there first; read again and decide again."""


class CorruptObject(PermanentError):
    """A stored object cannot be read as what its path says it is."""


class MailUnavailable(RetriableError):
    """The mail server did not answer or said 4xx."""


class MailRefused(PermanentError):
    """The mail server will never take this mail (5xx)."""
