"""axe-core finds nothing on any kind of page, light or dark, wide or narrow, fresh or stale."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.support import site
from tests.support.browser import serve
from tests.support.site import NOW
from tracker.model import DAY, HOUR, Usage, iso
from tracker.site import History

PAGES = [
    "index.html", "volume.html", "m/coinbase-sol-usd.html", "m/coinbase-pepe-usd.html", "alerts.html", "status.html",
    "methodology.html", "markets.html", "at/index.html", "at/2026-11-23T22/index.html", "404.html",
]  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    noon, day = NOW.replace(minute=0), site.eventful_day()
    history = History((noon - HOUR, noon - DAY), copy=True, every=(noon - DAY, noon - HOUR))
    coverage = site.coverage(day, site.markets(30))
    status = replace(site.STATUS, coverage=(coverage,), usage=Usage(1440, 92_448, 4_320, 7_300_000_000))
    with serve(site.write(day.render(history=history, status=status), tmp_path_factory.mktemp("site"))) as address:
        yield address


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "after"), [(1280, 25), (320, 600)])
def test_axe_finds_nothing(browser: Browser, address: str, scheme, width, after):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, axe = context.new_page(), Axe()
    page.clock.install(time=iso(NOW + timedelta(seconds=after)))
    for path in PAGES:
        page.goto(address + path)
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true })")
        found = axe.run(page).response
        said = [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found["violations"]]
        assert said == [], f"{path}: {json.dumps(said, indent=1)}"
        assert len(found["passes"]) > 10, path
    context.close()
