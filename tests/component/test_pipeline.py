"""The steps over a real store, outbox and site in a folder; the exchange, the mail server and the clock are ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from tests.support import scrape
from tests.support.fakes import FakeNotifier, FakeSource
from tracker.alerts import load_rules
from tracker.bucket import SiteBucket
from tracker.errors import ConfigError, MailRefused, MailUnavailable, SourceUnavailable, StoreUnavailable
from tracker.model import DAY, HOUR, MINUTE, About, Market
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


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_a_minute_goes_from_the_exchange_to_the_page(world):
    steps = world.minute(NOON)
    assert steps["fetch"]["rows"] == 4
    assert (world.folder / "store/minute/date=2026-03-02/hour=12/1200-coinbase.parquet").is_file()
    assert world.ranking()["coinbase:BTC-USD", "price"]["latest"] == 60_000.0
    assert "BTC" in (world.folder / "site/index.html").read_text()
    assert (world.folder / "site/m/coinbase-btc-usd.html").is_file()


def test_every_step_run_twice_leaves_the_same_bytes(world):
    world.minute(NOON)
    samples, summary, site = world.bytes_of("store/minute"), world.bytes_of("store/summary"), world.bytes_of("site")
    world.minute(NOON)
    assert world.bytes_of("store/minute") == samples
    assert world.bytes_of("store/summary") == summary
    changed = {path for path, data in world.bytes_of("site").items() if site.get(path) != data}
    assert changed <= {"status.html", "api/v1/status.json", "manifest.json"}  # they tell how long the steps took


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


def test_a_minute_executed_late_is_not_polled_and_writes_no_sample(world):
    world.now = NOON + timedelta(minutes=32)
    report = world.pipeline.fetch(NOON)
    assert (report["late"], report["rows"]) == (True, 0)
    assert not (world.folder / "store/minute").exists()
    assert "latest" not in {call[0] for call in world.source.calls}


def test_a_late_minute_never_takes_the_page_back(world):
    world.minute(NOON + MINUTE)
    report = world.pipeline.publish(NOON)
    assert report["older"]
    assert json.loads((world.folder / "site/api/v1/ranking.json").read_text())["minute"] == "2026-03-02T12:01:00Z"


def test_a_minute_that_has_not_begun_is_refused(world):
    for step in (world.pipeline.fetch, world.pipeline.analyze, world.pipeline.publish):
        with pytest.raises(ConfigError, match="has not begun"):
            step(NOON + HOUR)
    assert not (world.folder / "site").exists()


def test_a_clock_that_was_ahead_is_told_of_until_the_page_of_its_minute_is_out_of_the_way(world):
    world.minute(NOON + HOUR)
    with pytest.raises(ConfigError, match=r"shows 2026-03-02T13:00:00Z, .* 2026-03-02T12:00:03Z: .* manifest.json"):
        world.minute(NOON)
    (world.folder / "site/manifest.json").unlink()
    assert not world.minute(NOON)["publish"]["older"]
    assert json.loads((world.folder / "site/api/v1/ranking.json").read_text())["minute"] == "2026-03-02T12:00:00Z"


def test_an_exchange_that_fails_is_an_error_and_is_named_on_the_status_page(world):
    world.minute(NOON)
    world.now += MINUTE
    world.source.failures["latest"] = [SourceUnavailable("coinbase, /products/stats: HTTP 503")]
    with pytest.raises(SourceUnavailable):
        world.pipeline.fetch(NOON + MINUTE)
    world.pipeline.analyze(NOON + MINUTE)
    world.pipeline.publish(NOON + MINUTE)
    assert "HTTP 503" in (world.folder / "site/status.html").read_text()
    assert world.ranking()["coinbase:BTC-USD", "price"]["latest_minute"] == "2026-03-02T12:00:00Z"


def test_listings_are_asked_for_once_an_hour_and_old_ones_serve_while_asking_fails(world):
    world.minute(NOON)
    world.minute(NOON + MINUTE)
    assert [call[0] for call in world.source.calls].count("listings") == 1
    world.source.failures["listings"] = [SourceUnavailable("coinbase, /products: HTTP 503")]
    report = world.minute(NOON + 2 * HOUR)["fetch"]
    assert report["rows"] == 4
    assert "as listed at" in report["feeds"][0]["problems"][0]["what"]


def spike(world) -> datetime:
    """Load an hour of history, then let ETH jump; give the minute of the jump."""
    world.now = NOON + timedelta(seconds=3)
    world.pipeline.load(NOON - HOUR, NOON)
    world.eth[NOON + MINUTE] = 31.0
    return NOON + MINUTE


def test_a_jump_is_recorded_queued_and_mailed_once(world):
    at = spike(world)
    assert world.minute(at)["analyze"]["queued"] == 1
    assert world.pipeline.analyze(at)["queued"] == 0
    [waiting] = world.pipeline.pending()
    assert world.pipeline.deliver(waiting)["sent"] == 1
    assert world.pipeline.deliver(waiting)["sent"] == 0
    assert world.pipeline.pending() == []
    [mail] = world.mails.taken
    assert mail["To"] == "you@example.com"
    assert "ETH" in mail["Subject"]


def test_an_alert_recorded_by_a_task_that_died_before_queueing_it_is_mailed_all_the_same(world):
    at = spike(world)
    world.now = at + timedelta(seconds=3)
    world.pipeline.fetch(at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ObjectOutbox, "queue", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.pipeline.analyze(at)
    [waiting] = world.pipeline.pending()
    assert world.pipeline.deliver(waiting)["sent"] == 1
    assert world.pipeline.pending() == []


def test_a_jump_found_an_hour_later_is_recorded_and_never_mailed(world):
    at = spike(world)
    world.now = at + timedelta(seconds=3)
    world.pipeline.fetch(at)
    world.now = at + HOUR + MINUTE
    report = world.pipeline.analyze(at)
    assert (report["live"], report["recorded"], report["queued"]) == (False, 1, 0)
    assert world.pipeline.pending() == []


def test_a_backfill_over_a_jump_records_it_and_never_mails(world):
    world.eth[NOON - 30 * MINUTE] = 31.0
    report = world.pipeline.load(NOON - 3 * HOUR, NOON)
    assert report["would_have_fired"] == 2  # it fires, and five samples later it resolves
    assert world.pipeline.pending() == []
    [alert] = world.pipeline.replay(NOON - 3 * HOUR, NOON)
    assert (alert["market"], alert["fired"], alert["rises"]) == ("coinbase:ETH-USD", "2026-03-02T11:30:00Z", 1)


def test_a_mail_server_that_is_down_leaves_the_mail_waiting(world):
    world.minute(spike(world))
    [waiting] = world.pipeline.pending()
    world.mails.errors = [MailUnavailable("mail.example.com does not answer")]
    with pytest.raises(MailUnavailable):
        world.pipeline.deliver(waiting)
    assert world.pipeline.pending() == [waiting]
    assert world.pipeline.deliver(waiting)["sent"] == 1


def test_a_mail_refused_for_good_is_marked_as_failed_and_not_tried_again(world):
    world.minute(spike(world))
    [waiting] = world.pipeline.pending()
    world.mails.errors = [MailRefused("550 no such user")]
    with pytest.raises(MailRefused):
        world.pipeline.deliver(waiting)
    assert world.pipeline.pending() == []


def test_without_a_mail_server_the_error_says_which_connection_to_set(world):
    world.minute(spike(world))
    pipeline = world.made(notifier=None)
    with pytest.raises(ConfigError, match="smtp_default"):
        pipeline.deliver(pipeline.pending()[0])


def test_history_loaded_twice_changes_nothing(world):
    first = world.pipeline.load(NOON - 3 * HOUR, NOON)
    before = world.bytes_of("store/candles")
    again = world.pipeline.load(NOON - 3 * HOUR, NOON, again=True)
    assert (first["changed"], again["changed"]) == (4, 0)
    assert world.bytes_of("store/candles") == before


def test_history_that_arrives_late_is_in_the_summaries_it_touches(world):
    world.minute(NOON)
    before = world.ranking()["coinbase:BTC-USD", "price"]["stdev_24h"]
    report = world.pipeline.load(NOON - HOUR, NOON - MINUTE)
    assert report["analyzed"] == 1
    world.pipeline.publish(NOON)
    assert before is None
    assert world.ranking()["coinbase:BTC-USD", "price"]["stdev_24h"] > 0


def test_repair_fills_the_minutes_of_a_standstill_and_leaves_polls_alone(world):
    world.minute(NOON)
    world.minute(NOON + 31 * MINUTE)
    polled = world.bytes_of("store/minute")
    world.now = NOON + 40 * MINUTE
    report = world.pipeline.repair(NOON + 31 * MINUTE)
    stored = world.pipeline.store.read(NOON - DAY, NOON + 31 * MINUTE, markets=[BTC], columns=("minute",))
    assert report["gaps"] == 1  # the day before the first poll and the standstill, as one range
    assert stored.num_rows >= 1440
    assert world.bytes_of("store/minute") == polled
    assert world.pipeline.repair(NOON + 31 * MINUTE)["gaps"] == 0


def test_the_gap_of_one_market_is_repaired_though_the_others_were_polled(world):
    world.pipeline.load(NOON - DAY, NOON)
    world.source.calls.clear()
    for n in range(1, 4):
        world.eth[NOON + n * MINUTE] = None if n == 2 else 10.0
        world.minute(NOON + n * MINUTE)
    world.eth.clear()
    world.now = NOON + 9 * MINUTE
    world.pipeline.repair(NOON + 3 * MINUTE)
    assert [call[1] for call in world.source.calls if call[0] == "candles"] == [ETH]
    stored = world.pipeline.store.read(NOON, NOON + 3 * MINUTE, markets=[ETH])
    assert sorted(set(stored["origin"].to_pylist())) == ["candle", "poll"]
    assert stored.num_rows == 2 * 3


def test_a_market_that_is_new_on_the_list_gets_its_day_and_no_other_is_asked_again(world):
    world.source.markets = [BTC]
    world.pipeline.load(NOON - DAY, NOON)
    world.now = NOON + HOUR + MINUTE  # the listings are an hour old
    world.source.markets = [BTC, ETH]
    world.source.calls.clear()
    world.pipeline.repair(NOON)
    assert {call[1] for call in world.source.calls if call[0] == "candles"} == {ETH}
    assert world.pipeline.store.read(NOON - HOUR, NOON, markets=[ETH]).num_rows == 2 * 60


def test_exchanges_are_asked_side_by_side_each_at_its_own_pace(world):
    both, met = Barrier(2), []

    def price(_market, _minute):
        if not met:
            both.wait(30)  # until the other exchange is asked too
            met.append(True)
        return 10.0

    solana = Market("kraken", "SOL", "USD")
    sources = {"kraken": FakeSource([solana], price, lambda: world.now, "kraken")}
    sources["coinbase"] = FakeSource([BTC], price, lambda: world.now)
    text = json.dumps({"markets": {"kraken": ["*"], "coinbase": ["*"]}, "metrics": ["price"]})
    watchlist = Watchlist.parse(text, "metrics_rank.json", ["coinbase", "kraken"])
    steps = []
    pipeline = world.made(sources=sources, watchlist=watchlist)
    report = pipeline.load(NOON - 2 * HOUR, NOON, progress=lambda _what, done, total: steps.append((done, total)))
    assert report["rows"] == 2 * 120
    assert steps[-1] == (2, 2)


@pytest.mark.parametrize("step", ["load", "repair"])
def test_an_exchange_that_is_away_does_not_keep_the_past_of_another_away(world, step):
    bad = FakeSource([], world._price, lambda: world.now, "kraken")
    bad.failures["listings"] = [SourceUnavailable("kraken: HTTP 503")] * 9
    text = json.dumps({"markets": {"kraken": ["*-USD"], "coinbase": ["*-USD"]}, "metrics": ["price"]})
    watchlist = Watchlist.parse(text, "metrics_rank.json", ["coinbase", "kraken"])
    pipeline = world.made(sources={"kraken": bad, "coinbase": world.source}, watchlist=watchlist)
    with pytest.raises(SourceUnavailable, match="kraken"):
        pipeline.load(NOON - DAY, NOON) if step == "load" else pipeline.repair(NOON)
    assert pipeline.store.read(NOON - DAY, NOON).num_rows == 2 * 1440


def test_what_candles_cannot_give_is_not_asked_for_for_ever(world):
    silent = {NOON - n * MINUTE for n in range(200, 484)}
    world.source.price = lambda _market, minute: None if minute in silent else 10.0
    assert world.pipeline.repair(NOON)["gaps"] == 1
    world.source.calls.clear()
    world.now = NOON + 15 * MINUTE
    assert world.pipeline.repair(NOON)["gaps"] == 0
    assert [call for call in world.source.calls if call[0] == "candles"] == []


def test_sealed_hours_hold_what_the_minutes_and_candles_held(world):
    world.minute(NOON)
    world.now = NOON + 2 * HOUR
    world.pipeline.repair(NOON + 2 * HOUR)
    before = world.pipeline.store.read(NOON - DAY, NOON + HOUR)
    assert world.pipeline.seal(NOON + 2 * HOUR)["changed"] == 23
    assert (world.folder / "store/hour/date=2026-03-02/hour=12/hour.parquet").is_file()
    assert world.pipeline.store.read(NOON - DAY, NOON + HOUR).equals(before)
    assert world.pipeline.seal(NOON + 2 * HOUR)["changed"] == 0


def test_minutes_go_when_their_hour_is_sealed_and_the_window_reads_the_same(world):
    world.minute(NOON)
    world.now = NOON + 3 * DAY
    assert world.pipeline.expire()["problems"] != []  # not sealed: kept, and said so
    before = world.pipeline.store.read(NOON - DAY, NOON)
    world.pipeline.store.seal(NOON)
    assert world.pipeline.expire()["inputs"] == 1
    assert not list((world.folder / "store/minute").rglob("*.parquet"))
    assert world.pipeline.store.read(NOON - DAY, NOON).equals(before)


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


def test_a_load_killed_before_it_derived_is_made_good_by_the_next(world):
    world.minute(NOON)
    stale = world.bytes_of("store/summary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "_derive_again", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            world.pipeline.load(NOON - HOUR, NOON - MINUTE)
    assert world.bytes_of("store/summary") == stale
    assert world.pipeline.load(NOON - HOUR, NOON - MINUTE)["analyzed"] >= 1
    assert world.bytes_of("store/summary") != stale
    assert world.pipeline.store.ledger.begun() == []


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
