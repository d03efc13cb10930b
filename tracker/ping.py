"""A dead-man's switch outside: a URL called after each good minute. When calls stop, the watcher there tells."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

TIMEOUT = (3.0, 5.0)
"""Seconds to connect and to wait for an answer: the minute is over by then, but the next one is not."""


class Ping:
    """Calls a URL and never raises. The URL is a secret: logs name its host only."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self) -> None:
        import requests  # 60 ms that the other steps save

        host = urlsplit(self._url).hostname
        try:
            answer = requests.get(self._url, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            kind = type(error).__name__  # its words would tell the URL
            log.warning("the watcher at %s did not answer (%s); the minute is good all the same", host, kind)
            return
        if not answer.ok:
            log.warning("the watcher at %s answered %s; mend TRACKER_PING_URL", host, answer.status_code)
