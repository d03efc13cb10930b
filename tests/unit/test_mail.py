"""The mail of an alert: what it says, how it threads, and that a market's name cannot bend it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import SMTP, default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.transitions import fired, resolved, series
from tests.support.windows import T0
from tracker.alerts import AlertRule, Batch, Comparison, Event, Kind, Severity, load_silences
from tracker.alerts.values import MassRise, feed_of
from tracker.mail.composing import compose
from tracker.mail.sparkline import sparkline
from tracker.model import MINUTE, Market, Metric, Series

SENDER = "tracker <tracker@example.com>"
SITE = "https://markets.example.com"
ENG = series("ENG", "BTC")
FIRED = replace(fired(ENG), latest=0.00001431, base=0.0000042, peak_ratio=3.407142857142857)
RESOLVED = replace(resolved(ENG), latest=0.000005, base=0.000006, peak_ratio=3.791, rises=3)


def batch(*transitions, **more):
    return Batch(**({"id": "b", "recipient": "ann@example.com", "minute": T0, "transitions": transitions} | more))


def parts(message):
    message = message_from_bytes(message.as_bytes(), policy=default)
    return message.get_body(("plain",)).get_content(), message.get_body(("html",)).get_content()


def test_the_text_of_one_alert_reads_as_agreed():
    message = compose(batch(FIRED, run_url="https://airflow.example.com/run"), SITE, SENDER)
    text, _html = parts(message)
    assert message["Subject"] == "[tracker] ENG/BTC price 3.40× its 1 h mean"
    assert text.splitlines() == [
        "ENG/BTC price is 3.40× its 1 h mean",
        "Fired at 2026-03-01 12:00 UTC.",
        "",
        "",
        "  latest      ██████████████████████████████ 3.40×",
        "  fires above ██████████████████████████ 3.00×",
        "  1 h mean    █████████ 1.00×",
        "",
        "  Latest:             0.00001431 BTC",
        "  1 h mean before it: 0.0000042 BTC (60 of 60 minutes)",
        "  Ratio:              3.407×",
        "  Fires above:        0.0000126 BTC (3× the mean)",
        "  Market:             ENG/BTC price on coinbase",
        "  Rule:               price-3x",
        "  https://markets.example.com/m/coinbase-eng-btc.html",
        "",
        "-- ",
        "Found by https://airflow.example.com/run",
        "To hear no more of ENG/BTC price for a day, add to silences.toml:",
        "  [[silence]]",
        '  markets = ["coinbase:ENG-BTC"]',
        '  rule = "price-3x"',
        "  until = 2026-03-02T12:00:00Z",
        '  reason = "…"',
        "To hear less of all: change price-3x in alert_rules.toml.",
    ]


def test_the_end_of_an_alert_tells_its_life_and_answers_its_beginning():
    begin = batch(FIRED)
    end = batch(RESOLVED, minute=T0 + 12 * MINUTE, answers=begin)
    first, second = compose(begin, SITE, SENDER), compose(end, SITE, SENDER)
    assert second["Subject"] == f"Re: {first['Subject']}"
    assert second["In-Reply-To"] == second["References"] == first["Message-ID"]
    assert second["Message-ID"] != first["Message-ID"]
    text, html = parts(second)
    for said in ("resolved after 12 min", "2026-03-01 12:00 UTC", "2026-03-01 12:12 UTC", "3 rises", "3.791×"):
        assert said in text.replace("\N{NO-BREAK SPACE}", " ")
        assert said in html.replace("\N{NO-BREAK SPACE}", " ")


def test_an_alert_nobody_could_judge_is_not_called_resolved():
    lost = resolved(ENG, event=Event.EXPIRED, minute=T0 + timedelta(hours=1))
    message = compose(batch(lost), None, SENDER)
    assert message["Subject"] == "[tracker] ENG/BTC price lost sight of after 1 h 0 min"
    text, html = parts(message)
    assert "nobody knows whether it ended" in text
    assert "resolved" not in (text + re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)).lower()


@pytest.mark.parametrize(
    ("transitions", "subject"),
    [
        ([FIRED, fired(series("BTC"), ratio=9.0)], "[tracker] 2 alerts, first BTC/USD price 9.00×"),
        ([FIRED, resolved(series("XRP"))], "[tracker] 1 alert and 1 ended, first ENG/BTC price 3.40×"),
        ([RESOLVED, resolved(series("XRP"))], "[tracker] 2 alerts ended, first XRP/USD price"),
        ([resolved(series("XRP"))], "[tracker] XRP/USD price resolved after 12 min"),
        ([replace(FIRED, base=0.0, peak_ratio=math.inf)], "[tracker] ENG/BTC price rose from 0"),
        ([replace(FIRED, latest=2999.99999, base=1000.0)], "[tracker] ENG/BTC price 2.99× its 1 h mean"),
        ([fired(series("DOGE", metric=Metric.VOLUME_24H))], "[tracker] DOGE/USD 24 h volume 3.41× its 1 h mean"),
    ],
)
def test_the_subject_says_the_news_without_a_date(transitions, subject):
    assert compose(batch(*transitions), None, SENDER)["Subject"] == subject


def test_a_rule_adds_its_severity_and_what_to_do():
    rule = AlertRule("price-3x", Metric.PRICE, severity=Severity.CRITICAL, runbook="https://wiki.example.com/price")
    text, html = parts(compose(batch(FIRED), SITE, SENDER, [rule]))
    assert "Rule:               price-3x (critical)" in text
    assert "What to do:         https://wiki.example.com/price" in text
    assert 'href="https://wiki.example.com/price"' in html


def test_the_same_batch_gives_the_same_bytes_whatever_order_its_alerts_came_in():
    alerts = [fired(series(f"C{index}"), ratio=3.1 + index) for index in range(5)]
    one, other = compose(batch(*alerts), SITE, SENDER), compose(batch(*alerts[::-1]), SITE, SENDER)
    assert one.as_bytes() == other.as_bytes()


def test_message_ids_differ_by_recipient_and_alert():
    mails = [
        batch(FIRED),
        batch(FIRED, recipient="bob@example.com"),
        batch(fired(ENG, T0 + MINUTE), minute=T0 + MINUTE),
        batch(FIRED, fired()),
    ]
    ids = [compose(one, None, SENDER)["Message-ID"] for one in mails]
    assert len(set(ids)) == 4
    assert all(re.fullmatch(r"<[0-9a-f]{64}@example\.com>", one) for one in ids)


def test_machines_are_told_that_a_machine_writes():
    message = compose(batch(FIRED), None, SENDER)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Sun, 01 Mar 2026 12:00:00 +0000"
    assert message["To"] == "ann@example.com"


def test_ten_thousand_alerts_are_one_short_mail_that_counts_the_rest():
    message = compose(batch(*(fired(series(f"C{index}")) for index in range(10_000))), SITE, SENDER)
    assert message["Subject"].startswith("[tracker] 10,000 alerts, first C0/USD")
    text, html = parts(message)
    assert "and 9,975 more: https://markets.example.com/alerts.html" in text
    assert html.count('class="card') == 25
    assert len(message.as_bytes()) < 102_000  # Gmail cuts a mail off there


def test_the_html_loads_nothing_and_links_only_where_it_says():
    _text, html = parts(compose(batch(FIRED, run_url="https://airflow.example.com/run"), SITE, SENDER))
    assert set(re.findall(r'href="([^"]*)"', html)) == {
        "https://markets.example.com/m/coinbase-eng-btc.html",
        "https://airflow.example.com/run",
    }
    assert not re.search(r"<(img|script|link|iframe|object|form)\b|url\(|@import|src=", html)
    _text, html = parts(compose(batch(FIRED), None, SENDER))
    assert "href=" not in html


def test_a_mail_draws_the_hour_before_in_both_parts():
    hour = (*[0.0000042] * 40, *[None] * 4, *[0.0000042] * 16, 0.00001431)
    text, html = parts(compose(batch(FIRED, charts={FIRED.id: hour}), SITE, SENDER))
    assert "  ▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃▃··▃▃▃▃▃▃▃▃█" in text
    assert "the hour before, 0.0000042 to 0.00001431" in text
    assert html.count("<i style=") == 29  # of 31 columns, two without a sample
    assert 'class="last"><i style="height:36px">' in html


def test_a_spike_of_one_minute_is_seen_in_the_chart_and_a_steady_price_is_level():
    assert sparkline([*[1.0] * 31, 9.0, *[1.0] * 29], str).text.count("█") == 1
    assert set(sparkline([7.0] * 61, str).heights) == {4}
    assert set(sparkline([100.0, 101.0] * 30, str).text) <= set("▁▂█")
    assert sparkline([None] * 60 + [1.0], str) is None


def test_a_rise_of_a_whole_exchange_is_told_as_one():
    rose = [fired(series(f"C{index}"), ratio=4 + index) for index in range(30)]
    other = fired(Series(Market("kraken", "BTC", "EUR"), Metric.PRICE))
    mail = batch(*rose, other, mass=(MassRise("price-3x", "coinbase", 30, 40),))
    text, _html = parts(compose(mail, SITE, SENDER))
    assert "! Check the source first: 30 of 40 series of coinbase did this in one minute (price-3x)." in text
    assert re.findall(r"FIRED: (\S+)", text) == ["C29/USD", "C28/USD", "C27/USD", "BTC/EUR"]
    assert "and 27 more" in text


def test_a_feed_that_is_down_comes_first_and_leads_to_the_status_page():
    down = replace(fired(feed_of("kraken", Metric.PRICE)), kind=Kind.FEED_DOWN, latest=3.0, base=3.0, window=3)
    message = compose(batch(FIRED, down), SITE, SENDER)
    text, html = parts(message)
    assert message["Subject"] == "[tracker] 2 alerts, first kraken feed is down: no data for 3 min"
    assert text.index("kraken feed") < text.index("ENG/BTC")
    assert 'href="https://markets.example.com/status.html"' in html


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"kind": Kind.CHANGE_PERCENT, "limit": "-10", "comparison": Comparison.BELOW, "window": 30},
            "−15.00 % in 30 min",
        ),
        ({"kind": Kind.THRESHOLD, "limit": "100", "comparison": Comparison.AT_MOST}, "85.0000, at most 100"),
        ({"kind": Kind.NO_DATA, "latest": 3.0, "base": 3.0, "window": 3}, "has no data for 3 min"),
        ({"limit": "0.9", "comparison": Comparison.BELOW}, "0.85× its 1 h mean"),
    ],
)
def test_each_kind_of_rule_has_its_words(changes, says):
    one = replace(fired(ratio=0.85, mean=100.0), **changes)
    message = compose(batch(one), SITE, SENDER)
    assert message["Subject"] == f"[tracker] BTC/USD price {says}"


def test_a_mail_says_how_to_hear_no_more_of_it():
    text, _html = parts(compose(batch(FIRED), SITE, SENDER))
    lines = [line.strip() for line in text.splitlines()]
    first = lines.index("[[silence]]")
    (silence,) = load_silences("\n".join(lines[first : first + 5]), "silences.toml", ["price-3x"])
    assert silence.covers(FIRED)
    assert not silence.covers(fired(series("XRP")))


NASTY = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from(list('\r\n\x00\u2028\u202e<>"&=?')),
    ),
    min_size=1,
    max_size=90,
)


@settings(deadline=None, max_examples=80)
@given(NASTY, NASTY, NASTY)
def test_no_name_of_a_market_breaks_out_of_headers_or_html(exchange, base, quote):
    evil = Series(Market(exchange, base, quote), Metric.PRICE)
    raw = compose(batch(fired(evil)), SITE, SENDER).as_bytes()
    back = message_from_bytes(raw, policy=default)
    assert set(back.keys()) == {
        "Subject",
        "From",
        "To",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "X-Auto-Response-Suppress",
        "MIME-Version",
        "Content-Type",
    }
    assert back["To"] == "ann@example.com"
    plain_raw = compose(batch(fired(ENG)), SITE, SENDER).as_bytes()
    _text, html = parts(message_from_bytes(raw, policy=SMTP))
    _text, plain_html = parts(message_from_bytes(plain_raw, policy=SMTP))
    tags = re.compile(r"<[a-z/!][^>]*>")
    assert [re.sub(r'href="[^"]*"', "", tag) for tag in tags.findall(html)] == [
        re.sub(r'href="[^"]*"', "", tag) for tag in tags.findall(plain_html)
    ]
