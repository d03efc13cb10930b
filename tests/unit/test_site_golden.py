"""The agreed HTML of a small made site: `GOLDEN=write make test` writes it anew; review its diff like code."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import site
from tracker.alerts import Delivery, Silence
from tracker.model import HOUR, Market, Metric

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "site"

SHOWN = [
    "index.html", "volume.html", "m/coinbase-btc-usd.html", "m/kraken-pepe-eur.html", "alerts.html", "status.html",
    "methodology.html", "markets.html", "404.html", "feed.xml", "api/v1/ranking.json", "api/v1/alerts.json",
    "api/v1/status.json", "data/ranking.csv", "heartbeat.json",
]  # fmt: skip


MAILS = (
    Delivery("2026-11-23/1311-0a1b2c3d-0", site.NOW - 9 * HOUR, "failed", "mail.example said 550 no such user"),
    Delivery("2026-11-23/1311-4e5f6a7b-0", site.NOW - 9 * HOUR, "sent"),
)
SILENCES = (Silence(site.NOW + HOUR, "fee change, expected", ("kraken:*-EUR",), Metric.VOLUME_24H, author="ann"),)


@pytest.fixture(scope="module")
def files():
    """Make a site of two markets: one steps every hour, one has a spike, a gap, and no volume yet."""
    steps = 60000 + 100.0 * (np.arange(1440) // 60 % 5)
    spike = np.full(1440, 0.00000423)
    spike[900:902] = 0.0000169
    spike[1200:1260] = np.nan
    btc, pepe = Market("coinbase", "BTC", "USD"), Market("kraken", "PEPE", "EUR")
    day = site.day(
        {
            (btc, Metric.PRICE): steps,
            (btc, Metric.VOLUME_24H): 4700 + np.arange(1440) / 8,
            (pepe, Metric.PRICE): spike,
        }
    )
    new = Market("kraken", "NEW", "EUR")
    coverage = (site.coverage(day, [btc]), site.coverage(day, [new, pepe], loaded=False, reach=12 * HOUR))
    status = replace(site.STATUS, coverage=coverage, mails=MAILS, silences=SILENCES)
    return day.render(about=replace(site.ABOUT, version="0.0.0"), status=status)


def reviewable(data: bytes) -> str:
    """Leave out what is reviewed elsewhere: style, script, its hash, the samples for hovering, hashes of files."""
    text = re.sub(r"<(style|script)>.*?</\1>", r"<\1>…</\1>", data.decode(), flags=re.DOTALL)
    text = re.sub(r"<pre><code>\s*WITH .*?</code>", "<pre><code>…</code>", text, flags=re.DOTALL)  # tracker/stats
    text = re.sub(r"sha256-[^&]*&#39;", "sha256-…&#39;", text)
    text = re.sub(r'data-v="(~?[\d.]+) [^"]{40,}"', r'data-v="\1 …"', text)
    return re.sub(r"<code>[0-9a-f]{64}</code>", "<code>…</code>", text)


@pytest.mark.parametrize("path", SHOWN)
def test_the_page_is_the_agreed_one(files, path):
    agreed = GOLDEN / path
    made = reviewable(files[path])
    if os.environ.get("GOLDEN") == "write":
        agreed.parent.mkdir(parents=True, exist_ok=True)
        agreed.write_text(made, encoding="utf-8")
    assert made == agreed.read_text(encoding="utf-8")


def test_nothing_else_lies_among_the_agreed_pages():
    assert {str(one.relative_to(GOLDEN)) for one in GOLDEN.rglob("*") if one.is_file()} == set(SHOWN)
