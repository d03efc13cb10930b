"""A minute through the steps, over a real store, outbox and site in a folder; the world around is ours."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.support.world import NOON
from tracker.errors import ConfigError, MailRefused, MailUnavailable, SourceUnavailable
from tracker.model import HOUR, MINUTE
from tracker.outbox import ObjectOutbox


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


def test_a_minute_executed_late_is_not_polled_and_writes_no_sample(world):
    world.now = NOON + timedelta(minutes=32)
    report = world.pipeline.fetch(NOON)
    assert (report["late"], report["rows"]) == (True, 0)
    assert not (world.folder / "store/minute").exists()
    assert "latest" not in {call[0] for call in world.source.calls}


def test_a_minute_that_has_not_begun_is_refused(world):
    for step in (world.pipeline.fetch, world.pipeline.analyze, world.pipeline.publish):
        with pytest.raises(ConfigError, match="has not begun"):
            step(NOON + HOUR)
    assert not (world.folder / "site").exists()


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
