"""Status, alerts and methodology."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np

from tests.support import scrape, site
from tests.support.site import NOW, RULES, STATUS
from tracker import stats
from tracker.alerts import State
from tracker.model import Market, Metric, Series, Usage
from tracker.site import Feed, Status
from tracker.site.content import fold


def test_an_alert_is_open_while_the_rules_say_so_and_its_end_is_unknown_when_they_say_nothing(eventful):
    series = Series(Market("coinbase", "PEPE", "USD"), Metric.PRICE)
    fired = [one for one in eventful.transitions if one.series == series]
    [open_] = fold(fired, {fired[0].alert_id: State.RESOLVING})
    [closed] = fold(fired, {})
    assert (open_.open, open_.state) == (True, State.RESOLVING)
    assert (closed.open, closed.ended, closed.why_ended) == (False, None, "end not recorded")


def test_the_status_page_says_the_worst_first(eventful, files):
    assert "kraken did not answer at the last fetch" in scrape.text_of(files["status.html"].decode())
    good = scrape.text_of(
        eventful.render(status=Status(feeds=(Feed("coinbase", 30, 30, 60, 0.2),)))["status.html"].decode()
    )
    assert "4 of 60 series are without data" in good
    assert "did you mean BTC-USD?" in scrape.text_of(files["status.html"].decode())
    assert "not set: alerts are recorded and shown, not mailed" in good


def test_the_status_page_begins_with_how_many_are_fresh_answered_complete_and_told(eventful, files):
    said = scrape.text_of(files["status.html"].decode())
    assert "Fresh series 56 of 60 Exchanges 1 of 2 kraken did not answer Coverage, 24 h 94.1 % 81,268 of 86,400" in said
    assert "Mails waiting 1 none failed" in said
    lost = eventful.render(status=Status(failed_mails=2))["status.html"].decode()
    assert "Mails waiting 0 2 failed for good" in scrape.text_of(lost)
    assert lost.count('<li class="hot">') == 1


def test_the_status_page_says_what_publishing_costs(eventful):
    status = replace(STATUS, usage=Usage(publishes=1440, writes=92_448, reads=4_320, bytes=7_300_000_000))
    said = scrape.text_of(eventful.render(status=status)["status.html"].decode())
    assert "Counted in 1,440 publishes of the last 24 h: 92,448 writes of 7.30 GB, 4,320 reads" in said
    assert "A month of it: 2,773,440 writes of 219 GB" in said
    assert "$7.98 at Cloudflare R2 or $13.92 at Amazon S3" in said


def test_the_methodology_states_the_constants_of_the_code(files):
    said = scrape.text_of(files["methodology.html"].decode())
    assert " ".join(stats.SQL.split()) in " ".join(said.split())
    assert "[t − 60 min, t)" in said
    assert "the last sample of every 120 minutes (price) or 180 minutes (24 h volume)" in said
    assert "poll made within 90 s after t" in said
    assert "late 120 s and stale 180 s" in said
    assert "No sample for 3 minutes is no data" in said
    assert "k 3 3.15 4 5 6 10 30" in said
    assert "minutes above 0 2 7 10 12 16 19" in said


def test_the_page_of_a_changed_rule_says_the_changed_rule(eventful):
    rules = (replace(RULES[0], limit="2.5", min_samples=20), RULES[1])
    said = scrape.text_of(eventful.render(rules=rules)["methodology.html"].decode())
    assert "more than 2.5 times its mean of the 60 minutes before" in said
    assert "It needs 20 of the 60 minutes before" in said


def test_a_status_with_a_thousand_problems_stays_readable(eventful):
    many = replace(STATUS, problems=STATUS.problems * 1000)
    assert "950 more in" in scrape.text_of(eventful.render(status=many)["status.html"].decode())


def test_an_outage_is_told_in_words_with_its_length():
    two = site.markets(2)
    values = {(one, Metric.PRICE): site.walk(one)[Metric.PRICE] for one in two}
    for series in values.values():
        series[352:635] = np.nan
    day = site.day(values)
    page = day.render(status=replace(STATUS, coverage=(site.coverage(day, two),)))["status.html"].decode()
    told = "coinbase gave nothing from 04:02 to 08:45 UTC , 283 minutes: an outage, candles of its 2 markets have none"
    assert told in scrape.text_of(page)
    assert "<title>coinbase:BTC-USD, minutes of the last 24 h: 1,157 polled, 283 outage.</title>" in page
    assert page.count('<tr><th scope="row"><a href="m/coinbase-') == 2


def test_few_markets_have_a_strip_each_and_many_only_where_there_is_something_to_tell():
    def strips(count, gap_in):
        some = site.markets(count)
        values = {(one, Metric.PRICE): np.ones(1440) for one in some}
        for one in some[:gap_in]:
            values[one, Metric.PRICE][100:200] = np.nan
        day = site.day(values)
        page = day.render(status=replace(STATUS, coverage=(site.coverage(day, some),)))["status.html"].decode()
        return page.count('<td class="l"><svg'), scrape.text_of(page)

    assert strips(100, 0)[0] == 100
    shown, said = strips(101, 0)
    assert (shown, "101 markets have a sample of every minute" in said) == (0, True)
    shown, said = strips(101, 3)
    assert (shown, "98 more markets have a sample of every minute" in said) == (3, True)
    shown, said = strips(300, 299)
    assert (shown, "49 more with gaps in status.json" in said) == (250, True)


def test_the_status_page_of_a_thousand_ragged_markets_keeps_its_budget():
    some, random = site.markets(1000), np.random.default_rng(7)
    values = {(one, Metric.PRICE): np.where(random.random(1440) < random.random() * 0.2, np.nan, 1.0) for one in some}
    table = site.window(values)
    coverage = site.coverage(site.Day(table, None, (), NOW), some)
    day = site.quiet_day(2)
    page = day.render(status=replace(STATUS, coverage=(coverage,)))["status.html"]
    assert len(gzip.compress(page)) < 100_000
