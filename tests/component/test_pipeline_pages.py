"""What publish makes of the minutes that come: which pages, when, and what becomes of old ones."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.support import scrape
from tests.support.world import BTC, ETH, NOON, World
from tracker.bucket import SiteBucket
from tracker.errors import ConfigError, StoreUnavailable
from tracker.model import DAY, HOUR, MINUTE, Market


def test_the_status_page_shows_the_last_runs_and_the_minute_in_which_nothing_ran(world):
    for n in (0, 1, 3):
        world.minute(NOON + n * MINUTE)
    rows = scrape.tables((world.folder / "site/status.html").read_text())["What each step took "]
    assert [row[0] for row in rows] == ["12:03", "12:02", "12:01", "12:00"]
    assert rows[0][3] == "running"
    assert rows[1][1:] == ["no page was published in this minute"]
    assert all(float(cell) >= 0 for row in rows[2:] for cell in row[1:5])
    world.minute(NOON + 12 * MINUTE)
    rows = scrape.tables((world.folder / "site/status.html").read_text())["What each step took "]
    assert [row[0] for row in rows] == [f"12:{n:02}" for n in range(12, 2, -1)]


def test_a_late_minute_never_takes_the_page_back(world):
    world.minute(NOON + MINUTE)
    report = world.pipeline.publish(NOON)
    assert report["older"]
    assert json.loads((world.folder / "site/api/v1/ranking.json").read_text())["minute"] == "2026-03-02T12:01:00Z"


def test_a_clock_that_was_ahead_is_told_of_until_the_page_of_its_minute_is_out_of_the_way(world):
    world.minute(NOON + HOUR)
    with pytest.raises(ConfigError, match=r"shows 2026-03-02T13:00:00Z, .* it is 12:00:03 UTC: .* manifest.json"):
        world.minute(NOON)
    (world.folder / "site/manifest.json").unlink()
    assert not world.minute(NOON)["publish"]["older"]
    assert json.loads((world.folder / "site/api/v1/ranking.json").read_text())["minute"] == "2026-03-02T12:00:00Z"


def test_many_markets_take_turns_but_a_new_one_and_one_with_an_alert_are_painted_at_once(tmp_path):
    world = World(tmp_path)
    many = [Market("coinbase", f"C{n}", "USD") for n in range(299)]
    world.source.markets = [*many, ETH]
    world.now = NOON + timedelta(seconds=3)
    world.pipeline.load(NOON - 45 * MINUTE, NOON)
    assert world.minute(NOON)["publish"]["written"] > 4 * 300  # all are new
    world.eth[NOON + MINUTE] = 31.0
    painted = set()
    for n in range(1, 6):
        before = world.bytes_of("site/m")
        world.minute(NOON + n * MINUTE)
        changed = {path for path, data in world.bytes_of("site/m").items() if before.get(path) != data}
        painted |= changed
        assert len(before) == 300
        assert len(changed) < 120
        assert n > 1 or "coinbase-eth-usd.html" in changed
    assert len(painted) == 300
    assert 'data-period="240"' in world.bytes_of("site/m")["coinbase-c7-usd.html"].decode()


def test_a_market_that_is_watched_no_more_leaves_no_page(world):
    world.minute(NOON)
    world.source.markets = [BTC]
    world.minute(NOON + 25 * HOUR)
    assert set(world.bytes_of("site/m")) == {"coinbase-btc-usd.html"}


def test_the_pages_of_markets_keep_the_cadence_that_is_set(tmp_path):
    world = World(tmp_path)
    world.pipeline = world.made(market_pages=3)
    made = []
    for n in range(7):
        world.minute(NOON + n * MINUTE)
        page = (world.folder / "site/m/coinbase-btc-usd.html").read_text()
        assert 'data-period="180"' in page
        made.append(
            json.loads((world.folder / "site/api/v1/series/coinbase-btc-usd.json").read_text())["minute"][14:16]
        )
    assert len(set(made[1:])) in {2, 3}
    assert all(int(minute) > n - 3 for n, minute in enumerate(made))


def test_a_market_without_a_new_sample_keeps_its_page_until_it_is_told_to_be_silent(world):
    world.minute(NOON)
    for n in range(1, 8):
        world.eth[NOON + n * MINUTE] = None
    minutes = []
    for n in range(1, 8):
        world.minute(NOON + n * MINUTE)
        minutes.append((world.folder / "site/m/coinbase-eth-usd.html").read_text().count("no data for"))
    silent = json.loads((world.folder / "site/manifest.json").read_text())["objects"]["m/coinbase-eth-usd.html"]
    assert silent["minute"] == "2026-03-02T12:03:00Z"
    assert minutes == [0, 0, 2, 2, 2, 2, 2]  # once for each metric


def test_the_first_ranking_of_an_hour_is_kept_and_linked_to(world):
    world.minute(NOON)
    kept = (world.folder / "site/at/2026-03-02T12/index.html").read_bytes()
    world.minute(NOON + MINUTE)
    world.minute(NOON + HOUR + 2 * MINUTE)  # the first minutes of this hour were not published
    assert (world.folder / "site/at/2026-03-02T12/index.html").read_bytes() == kept
    later = (world.folder / "site/at/2026-03-02T13/index.html").read_text()
    assert "as it was at" in later
    assert "13:02" in later
    assert 'href="at/2026-03-02T12/index.html">an hour ago' in (world.folder / "site/index.html").read_text()
    assert (world.folder / "site/at/index.html").read_text().count("<li>") == 2


def test_copies_go_when_their_time_is_over(tmp_path):
    world = World(tmp_path)
    world.pipeline = world.made(bucket=SiteBucket(str(tmp_path / "site"), keep_copies=2 * DAY))
    world.minute(NOON)
    world.now = NOON + 3 * DAY
    world.pipeline.expire()
    assert not (tmp_path / "site/at/2026-03-02T12/index.html").exists()
    assert (tmp_path / "site/index.html").exists()


def test_a_publish_that_fails_leaves_the_old_index_and_the_next_one_mends(world, monkeypatch):
    world.minute(NOON)
    old = (world.folder / "site/index.html").read_bytes()
    swap = world.pipeline.bucket.objects.swap

    def failing(path, *what):
        if path == "status.html":
            raise StoreUnavailable("the disk is full")
        return swap(path, *what)

    with monkeypatch.context() as patch:
        patch.setattr(world.pipeline.bucket.objects, "swap", failing)
        with pytest.raises(StoreUnavailable):
            world.minute(NOON + MINUTE)
    assert (world.folder / "site/index.html").read_bytes() == old
    world.minute(NOON + 2 * MINUTE)
    pages = [path.read_text() for path in (world.folder / "site").glob("*.html")]
    assert all("12:02 UTC" in page for page in pages)
