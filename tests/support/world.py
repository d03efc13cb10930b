"""The product whole, in a folder; the exchange, the mail server and the clock are the test's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.fakes import FakeNotifier, FakeSource
from tracker.alerts import load_rules
from tracker.bucket import SiteBucket
from tracker.model import About, Market
from tracker.outbox import ObjectOutbox
from tracker.pipeline import Pipeline
from tracker.settings import ROOT
from tracker.store import ParquetStore
from tracker.watchlist import Watchlist

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BTC, ETH = Market("coinbase", "BTC", "USD"), Market("coinbase", "ETH", "USD")
RULES = load_rules((ROOT / "resources" / "alert_rules.toml").read_text(), "alert_rules.toml")


class World:
    """A pipeline in a folder, at a moment that the test moves; BTC is dear and calm, ETH does as it is told."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.now = NOON + timedelta(seconds=3)
        self.eth: dict[datetime, float | None] = {}
        self.source = FakeSource([BTC, ETH], self._price, lambda: self.now)
        self.mails = FakeNotifier()
        self.pipeline = self.made()

    def _price(self, market: Market, minute: datetime) -> float | None:
        return self.eth.get(minute, 10.0) if market == ETH else 60_000.0 + minute.minute

    def made(self, **other) -> Pipeline:
        text = json.dumps({"markets": {"coinbase": ["*-USD"]}, "metrics": ["price", "volume_24h"]})
        parts = {
            "watchlist": Watchlist.parse(text, "metrics_rank.json", ["coinbase"]),
            "rules": RULES,
            "sources": {"coinbase": self.source},
            "store": ParquetStore(str(self.folder / "store")),
            "outbox": ObjectOutbox(str(self.folder / "store")),
            "bucket": SiteBucket(str(self.folder / "site")),
            "notifier": self.mails,
            "recipients": ("you@example.com",),
            "sender": "tracker@example.com",
            "about": About(version="0"),
            "clock": lambda: self.now,
            "sleep": lambda _seconds: None,
        }
        return Pipeline(**{**parts, **other})

    def minute(self, at: datetime) -> dict[str, dict[str, object]]:
        """Let a minute come and run it whole."""
        self.now = at + timedelta(seconds=3)
        return {
            "fetch": self.pipeline.fetch(at),
            "analyze": self.pipeline.analyze(at),
            "publish": self.pipeline.publish(at),
        }

    def bytes_of(self, root: str) -> dict[str, bytes]:
        top = self.folder / root
        return {
            str(one.relative_to(top)): one.read_bytes()
            for one in sorted(top.rglob("*"))
            if one.is_file() and ".locks" not in one.parts
        }

    def ranking(self) -> dict[tuple[str, str], dict[str, object]]:
        page = json.loads((self.folder / "site/api/v1/ranking.json").read_text())
        return {(one["market"], one["metric"]): one for one in page["series"]}
