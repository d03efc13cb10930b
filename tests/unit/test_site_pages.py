"""The site as a whole: what every page holds, hostile names, contracts for machines, budgets, proof."""

from __future__ import annotations

import hashlib
import html
import pickle
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tests.support import scrape, site
from tests.support.site import ABOUT, NOW
from tracker.model import DAY, HOUR, About, Evidence
from tracker.site import CommonFiles, History, market_parts, markets
from tracker.stats import summarise

BUDGET = 14_000


SCRIPT_BUDGET = 2_500


EVIDENCE = [
    Evidence(f"minute/date=2026-11-23/hour=22/2210-{name}.parquet", hashlib.sha256(name.encode()).hexdigest(), name)
    for name in ("binance", "coinbase", "kraken")
]
EVIDENCE.append(Evidence("summary/date=2026-11-23/hour=22/2210.parquet", hashlib.sha256(b"summary").hexdigest()))


@pytest.fixture(scope="module")
def hundred():
    """Make a hundred markets out of many, with all that takes bytes: objects, quotes, links to then."""
    quotes = ("USD", "EUR", "GBP", "USDT", "BTC", "ETH")
    some = [replace(one, quote=quotes[n % 6]) for n, one in enumerate(site.markets(300))]
    walks = {(one, metric): values for one in some for metric, values in site.walk(one).items()}
    history = History((NOW.replace(minute=0) - HOUR, NOW.replace(minute=0) - DAY), copy=True)
    day = site.day(walks)
    before = summarise(day.window, NOW)
    ranks = pa.array(np.roll(np.arange(1, before.num_rows + 1), 1), pa.int32())
    moved = before.set_column(before.schema.get_field_index("rank"), before.schema.field("rank"), ranks)
    return day.render(evidence=EVIDENCE, history=history, hour_ago=moved)


def test_the_map_of_the_site_is_that_of_the_contract(files):
    assert {
        "index.html", "volume.html", "alerts.html", "status.html", "methodology.html", "404.html", "feed.xml",
        "favicon.svg", "m/coinbase-btc-usd.html", "data/ranking.csv", "data/coinbase-btc-usd-24h.csv",
        "data/coinbase-btc-usd-24h.parquet", "api/v1/ranking.json", "api/v1/series/coinbase-btc-usd.json",
        "api/v1/alerts.json", "api/v1/status.json",
    } <= set(files)  # fmt: skip
    assert list(files)[-1] == "index.html"


def test_rendering_twice_gives_the_same_bytes(eventful, files):
    assert eventful.render() == files


def test_parts_made_by_other_processes_have_the_same_bytes(eventful, files, monkeypatch):
    monkeypatch.setattr(markets, "PART", 7)
    yet = market_parts(eventful.content())
    make = pickle.loads(pickle.dumps(yet.make))
    made = [make(pickle.loads(pickle.dumps(part))) for part in yet.parts]
    assert len(made) > 3
    assert len(pickle.dumps(yet.make)) < eventful.window.nbytes / 10  # the samples go with the parts only
    whole = {path: data for some in made for path, data in some.items()}
    assert whole == {path: files[path] for path in yet.paths}


def test_the_common_files_are_those_that_were_announced_and_index_is_last(eventful, files):
    common = CommonFiles(eventful.content())
    announced = list(common)
    assert announced[-1] == "index.html"
    assert dict(common) == {path: files[path] for path in announced}
    assert files.keys() == set(announced) | market_parts(eventful.content()).paths


def test_every_link_leads_to_a_file_of_the_site_and_every_id_is_unique(files):
    for path, page in scrape.pages(files).items():
        found = scrape.Links(page)
        assert len(found.ids) == len(set(found.ids)), path
        for href in found.links:
            if href.startswith(("https://", "#")):
                continue
            folder = path.rpartition("/")[0]
            parts = [*folder.split("/"), *href.partition("#")[0].split("/")]
            resolved: list[str] = []
            for part in filter(None, parts):
                resolved.pop() if part == ".." else resolved.append(part)
            assert "/".join(resolved) in files, (path, href)


def test_no_page_asks_for_a_second_file_or_another_host(files):
    for path, page in scrape.pages(files).items():
        assert all(one.startswith("data:") for one in scrape.Links(page).fetched), path
        assert "url(" not in page
        assert "@import" not in page


def test_every_page_says_its_minute_and_when_it_is_stale_without_a_script(files):
    for path, page in scrape.pages(files).items():
        said = scrape.text_of(page)
        assert "as of 2026-11-23 22:10 UTC" in said, path
        assert "a page older than 2026-11-23 22:13 UTC is stale" in said, path
        assert f'data-at="{int(NOW.timestamp())}" data-period="60"' in page


def test_a_link_to_a_page_has_a_picture_where_the_address_of_the_site_is_known(eventful, files):
    assert 'property="og:image" content="https://tracker.example.org/card.png"' in files["index.html"].decode()
    assert files["card.png"][:8] == b"\x89PNG\r\n\x1a\n"
    nameless = eventful.render(about=replace(ABOUT, public_url=None), due=frozenset())
    assert "card.png" not in nameless
    assert "og:image" not in nameless["index.html"].decode()


def test_the_period_moves_the_time_of_staleness(eventful):
    page = eventful.render(about=replace(ABOUT, repaint_seconds=300))["index.html"].decode()
    assert "a page older than 2026-11-23 22:17 UTC is stale" in scrape.text_of(page)


def test_the_script_may_run_only_because_its_hash_is_named(files):
    import base64
    import hashlib

    for path, page in scrape.pages(files).items():
        [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in html.unescape(page), path
        assert not re.search(r"\son\w+=", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)), path


def test_a_ranking_of_a_hundred_rows_and_each_market_page_fit_the_first_round_trip(hundred):
    for path, data in hundred.items():
        if path.startswith(("index", "volume", "m/", "at/")) and path.endswith(".html"):
            assert scrape.zipped(data) <= BUDGET, path
    assert hundred["index.html"].count(b"<tr") == 101
    assert hundred["index.html"].count(b"<option") > 6


def test_no_page_has_more_script_than_its_budget(files):
    for path, page in scrape.pages(files).items():
        [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        assert scrape.zipped(script.encode()) <= SCRIPT_BUDGET, path


def test_rendering_needs_no_pandas():
    program = (
        "import sys; from tests.support import site; d = site.quiet_day(2)\n"
        "from tracker.stats import summarise; s = summarise(d.window, d.minute)\n"
        "from tracker.site import render\n"
        "render(s, d.window, d.evaluation, d.minute, rules=site.RULES, status=site.STATUS, about=site.ABOUT)\n"
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_no_template_leaves_a_python_word_on_a_page(files):
    for path, page in scrape.pages(files).items():
        said = scrape.text_of(page)
        for word in ("None", "nan", "inf ", "State.", "Metric.", "datetime", "{{", "{%"):
            assert word not in said, (path, word)


def test_without_a_public_address_or_a_run_pages_are_whole(eventful):
    files = eventful.render(about=About(version="0.1.0"))
    page = files["index.html"].decode()
    assert "canonical" not in page
    assert "run " not in re.search(r"<footer>.*?</footer>", page, re.DOTALL)[0]
    assert 'href="alerts.html"' in files["feed.xml"].decode()


def test_texts_keep_their_contrast_in_both_schemes():
    from tracker.site import assets

    text = assets.style("style")
    light, dark = re.findall(r":root\{(color-scheme[^}]*|--bg:#111[^}]*)\}", text)
    for scheme in (light, dark):
        token = dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", scheme))
        for ink in ("text", "muted", "line", "mean", "up", "down"):
            for ground in ("bg", "soft", "hot"):
                assert _contrast(token[ink], token[ground]) >= 4.5, (ink, ground, token)


def _contrast(one: str, two: str) -> float:
    """Give the contrast of WCAG 2.2."""

    def luminance(color: str) -> float:
        color = color.lstrip("#")
        color = "".join(c * 2 for c in color) if len(color) == 3 else color
        parts = [int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)
