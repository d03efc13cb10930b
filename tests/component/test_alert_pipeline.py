"""Alerts through the steps: killed and late minutes, feeds, replays, the pages and the feed, the watcher outside."""

from __future__ import annotations

import json
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest

from tests.support.fakes import FakeNotifier
from tests.support.world import ETH, NOON, World
from tracker.alerts import AlertRule, Channel, load_rules
from tracker.errors import ConfigError, SourceUnavailable
from tracker.model import HOUR, MINUTE, Metric
from tracker.settings import ROOT

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    world.pipeline.load(NOON - HOUR, NOON)
    return world


def log(world, would_have_fired=False):
    found = world.pipeline.outbox.transitions(NOON - HOUR, NOON + HOUR)
    return [(one.rule, one.event.value, one.minute) for one in found if one.would_have_fired == would_have_fired]


def jump(world, at):
    world.eth[at] = 31.0


def fetch(world, at):
    world.now = at + timedelta(seconds=3)
    world.pipeline.fetch(at)


def test_what_a_killed_analyze_did_not_decide_the_next_minute_decides_and_mails(world):
    world.minute(NOON + MINUTE)
    jump(world, NOON + 2 * MINUTE)
    fetch(world, NOON + 2 * MINUTE)  # and then the run is killed
    world.minute(NOON + 3 * MINUTE)
    assert log(world) == [("price-3x", "firing", NOON + 2 * MINUTE)]
    assert len(world.pipeline.pending()) == 1


def test_a_jump_in_a_standstill_that_candles_filled_meanwhile_is_history_and_mails_nobody(world):
    world.minute(NOON + MINUTE)
    jump(world, NOON + 5 * MINUTE)
    world.now = NOON + 20 * MINUTE
    world.pipeline.repair(NOON + 19 * MINUTE)
    world.minute(NOON + 20 * MINUTE)
    assert log(world) == []
    assert log(world, would_have_fired=True)[0] == ("price-3x", "firing", NOON + 5 * MINUTE)
    assert world.pipeline.pending() == []


def test_a_minute_that_a_load_met_before_it_was_evaluated_live_is_told_once(world):
    for minute in (NOON + 2 * MINUTE, NOON + 3 * MINUTE):
        jump(world, minute)
    world.now = NOON + 2 * MINUTE + timedelta(seconds=3)
    world.pipeline.load(NOON, NOON + 2 * MINUTE)
    assert log(world, would_have_fired=True) == [("price-3x", "firing", NOON + 2 * MINUTE)]
    world.minute(NOON + 2 * MINUTE)
    world.minute(NOON + 3 * MINUTE)
    assert log(world) == [("price-3x", "firing", NOON + 2 * MINUTE)]
    assert len(world.pipeline.pending()) == 1


def test_killed_between_recording_and_queueing_no_mail_is_lost(world):
    world.minute(NOON + MINUTE)
    jump(world, NOON + 2 * MINUTE)
    fetch(world, NOON + 2 * MINUTE)

    def killed(*_):
        raise KeyboardInterrupt

    broken = world.made()
    object.__setattr__(broken.outbox, "queue", killed)
    with pytest.raises(KeyboardInterrupt):
        broken.analyze(NOON + 2 * MINUTE)
    assert log(world) == [("price-3x", "firing", NOON + 2 * MINUTE)]
    assert world.pipeline.store.read_summary(NOON + 2 * MINUTE) is None
    world.minute(NOON + 3 * MINUTE)
    assert len(world.pipeline.pending()) == 1
    assert log(world) == [("price-3x", "firing", NOON + 2 * MINUTE)]


def test_a_minute_analyzed_again_after_a_repair_contradicts_nothing_that_was_told(world):
    world.minute(NOON + MINUTE)
    world.eth[NOON + 2 * MINUTE] = None
    world.minute(NOON + 2 * MINUTE)
    jump(world, NOON + 3 * MINUTE)
    world.minute(NOON + 3 * MINUTE)
    before = log(world)
    jump(world, NOON + 2 * MINUTE)  # what its candle says
    world.now = NOON + 9 * MINUTE
    world.pipeline.repair(NOON + 3 * MINUTE)
    for n in (2, 1, 3, 3, 2):
        world.pipeline.analyze(NOON + n * MINUTE)
    assert log(world) == before == [("price-3x", "firing", NOON + 3 * MINUTE)]
    assert log(world, would_have_fired=True) == [("price-3x", "firing", NOON + 2 * MINUTE)]
    assert len(world.pipeline.pending()) == 1


def down_for(world, first, last):
    for n in range(first, last + 1):
        at = NOON + n * MINUTE
        world.source.failures["latest"] = [SourceUnavailable("coinbase: HTTP 503")]
        with pytest.raises(SourceUnavailable):
            fetch(world, at)
        world.pipeline.analyze(at)
        world.pipeline.publish(at)


def test_a_feed_that_is_down_is_told_once_and_when_it_is_back(world):
    text = (ROOT / "resources" / "alert_rules.toml").read_text()
    silent = '\n[[rule]]\nname = "silent"\nmetric = "price"\nkind = "no_data"\n'
    world.pipeline = world.made(rules=load_rules(text + silent, "alert_rules.toml"))
    world.minute(NOON + MINUTE)
    down_for(world, 2, 6)
    assert log(world)[0] == ("feed-down", "firing", NOON + 4 * MINUTE)
    for n in range(7, 13):
        world.minute(NOON + n * MINUTE)
    assert [one for one in log(world) if one[0] == "feed-down"][1:] == [("feed-down", "resolved", NOON + 11 * MINUTE)]
    assert {one[:2] for one in log(world)} >= {("silent", "firing"), ("silent", "resolved")}
    mails = world.pipeline.pending()
    assert len(mails) == 2
    for one in mails:
        world.pipeline.deliver(one)
    first, second = world.mails.taken
    assert first["Subject"] == "[tracker] coinbase feed is down: no data for 3 min"
    assert second["In-Reply-To"] == first["Message-ID"]
    page = (world.folder / "site/alerts.html").read_text()
    assert "not mailed: the feed is down" in page
    assert 'href="status.html">coinbase feed</a>' in page


def test_a_standstill_of_tracker_itself_is_no_feed_that_is_down(world):
    world.minute(NOON + MINUTE)
    world.minute(NOON + 30 * MINUTE)
    late = NOON + 55 * MINUTE
    world.now = late + timedelta(minutes=5)  # a run that comes too late to poll
    world.pipeline.fetch(late)
    world.pipeline.analyze(late)
    assert log(world) == []


def test_a_channel_gets_what_a_mail_would_say_and_needs_airflow(world):
    rule = AlertRule("price-3x", Metric.PRICE, channels=("ops",))
    channel = FakeNotifier()
    world.pipeline = world.made(rules=(rule,), channels={"ops": channel})
    jump(world, NOON + MINUTE)
    world.minute(NOON + MINUTE)
    (waiting,) = world.pipeline.pending()
    with pytest.raises(ConfigError, match="the DAG deliver_alerts sends it"):
        world.made(rules=(rule,)).deliver(waiting)
    assert world.pipeline.deliver(waiting)["sent"] == 1
    assert channel.taken[0]["Subject"] == "[tracker] ETH/USD price 3.10× its 1 h mean"
    assert Channel("ops", "a.B", {}).arguments == {}


def test_the_watcher_hears_of_each_good_minute_and_of_no_other(world):
    calls = []
    world.pipeline = world.made(ping=lambda: calls.append(1))
    world.minute(NOON + MINUTE)
    assert len(calls) == 1
    beat = json.loads((world.folder / "site/heartbeat.json").read_text())
    assert (beat["minute"], beat["stale_at"]) == ("2026-03-02T12:01:00Z", "2026-03-02T12:04:00Z")
    down_for(world, 2, 2)
    world.pipeline.publish(NOON + MINUTE)  # older than what is out
    assert len(calls) == 1


def test_a_refused_recipient_is_shown_as_failed_with_the_reason_and_without_the_address(world):
    from tracker.errors import MailRefused

    jump(world, NOON + MINUTE)
    world.minute(NOON + MINUTE)
    world.mails.errors = [MailRefused("mail server said 550 5.1.1 <you@example.com> unknown")]
    with pytest.raises(MailRefused):
        world.pipeline.deliver(world.pipeline.pending()[0])
    world.minute(NOON + 2 * MINUTE)
    page = (world.folder / "site/alerts.html").read_text()
    assert "550 5.1.1 &lt;(address)&gt; unknown" in page
    (mail,) = json.loads((world.folder / "site/api/v1/alerts.json").read_text())["mails"]
    assert mail["state"] == "failed"
    assert "you@example.com" not in page + json.dumps(mail)


def test_every_short_alert_is_in_the_log_and_in_the_feed(world):
    """As 1,440 in a day, in small: many spikes of one minute, on one market after the other, each told."""
    rule = AlertRule("spike", Metric.PRICE, cooldown=0, resolve_after=1)
    world.pipeline = world.made(rules=(rule,))
    for n in range(1, 21):
        if n % 2:
            jump(world, NOON + n * MINUTE)
            world.eth[NOON + n * MINUTE] *= n  # above the mean, however often it jumped before
        world.minute(NOON + n * MINUTE)
    fired = [one for one in log(world) if one[1] == "firing"]
    assert len(fired) == 10
    feed = ET.fromstring((world.folder / "site/feed.xml").read_bytes())
    ids = [entry.findtext(f"{ATOM}id") for entry in feed.findall(f"{ATOM}entry")]
    assert len([one for one in ids if "/firing/" in one]) == 10
    assert len(set(ids)) == len(ids)


def test_a_replay_tells_what_was_told_live_and_what_it_comes_to(world):
    jump(world, NOON + 2 * MINUTE)
    world.eth[NOON + 12 * MINUTE] = 40.0  # the jump before lifts the mean
    for n in range(1, 25):
        world.minute(NOON + n * MINUTE)
    live = [one for one in log(world) if one[0] == "price-3x"]
    found = world.pipeline.replayed(NOON, NOON + 24 * MINUTE)
    assert found.transitions == len(live)
    (alert,) = found.alerts
    assert (str(alert.series.market), alert.fired, alert.reopened) == (str(ETH), NOON + 2 * MINUTE, 1)
    assert found.saved_by_cooldown == 1
    assert found.longest is alert
    assert found.noisiest == [(alert.series, 1)]
    assert list(found.per_day.values()) == [1]
    assert found.misses["volume-3x"].ratio == pytest.approx(1.0)
    assert [str(series.market) for series, _ in found.quietest(found.rules[0])] == ["coinbase:BTC-USD", str(ETH)]
    assert world.pipeline.replay(NOON, NOON + 24 * MINUTE) == [
        {
            "rule": "price-3x",
            "market": "coinbase:ETH-USD",
            "metric": "price",
            "fired": "2026-03-02T12:02:00Z",
            "resolved": "2026-03-02T12:17:00Z",
            "peak_ratio": pytest.approx(40 / ((59 * 10 + 31) / 60)),
            "rises": 2,
        }
    ]
