"""ccxt's own clients, led to the simulator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit


def ccxt_client(name: str, url: str, clock: Callable[[], datetime]) -> Any:
    """Make ccxt's client of an exchange, asking at `url` with the paths it always asks, and living by our clock."""
    import ccxt

    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}
    made = getattr(ccxt, name)({"enableRateLimit": False, "enableLastJsonResponse": True, "options": options})
    made.urls["api"] = _rooted(made.urls["api"], url)
    made.milliseconds = lambda: int(clock().timestamp() * 1000)
    return made


def _rooted(urls: Any, root: str) -> Any:
    if isinstance(urls, dict):
        return {key: _rooted(value, root) for key, value in urls.items()}
    return root + urlsplit(urls).path if isinstance(urls, str) else urls
