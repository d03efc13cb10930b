"""alert_rules.toml: read strictly, with errors that name the place and the way out."""

from __future__ import annotations

import re

import pytest

from tracker.alerts import AlertRule, Comparison, Kind, Severity, load_channels, load_rules
from tracker.errors import ConfigError
from tracker.model import Metric
from tracker.settings import ROOT


def read(text):
    return load_rules(text, "alert_rules.toml")


def test_the_default_rules_are_three_times_the_mean_of_price_and_volume_and_a_feed_that_is_down():
    assert read((ROOT / "resources" / "alert_rules.toml").read_text()) == (
        AlertRule("price-3x", Metric.PRICE, "3", 30, 5),
        AlertRule("volume-3x", Metric.VOLUME_24H, "3", 30, 5),
        AlertRule(
            "feed-down",
            Metric.PRICE,
            "0",
            min_samples=1,
            kind=Kind.FEED_DOWN,
            comparison=Comparison.AT_LEAST,
            window=3,
            severity=Severity.CRITICAL,
        ),
    )


@pytest.mark.parametrize(
    ("written", "kept"), [("3", "3"), ("3.0", "3"), ("2.10", "2.1"), ("1e1", "10"), ('"2.5"', "2.5")]
)
def test_a_factor_is_kept_as_the_decimal_it_is_written_as(written, kept):
    (rule,) = read(f'[[rule]]\nname = "a"\nmetric = "price"\nfactor = {written}')
    assert rule.limit == kept


def test_every_key_can_be_set():
    (rule,) = read("""
        [[rule]]
        name = "loud"
        metric = "volume_24h"
        kind = "ratio_to_mean"
        factor = 2.5
        min_samples = 10
        resolve_after = 3
        min_mean = 0.5
        markets = ["coinbase:*-USD"]
        severity = "critical"
        runbook = "https://wiki.example.com/volume"
        [[rule]]
        name = "off"
        metric = "price"
        enabled = false
    """)
    link = "https://wiki.example.com/volume"
    markets = ("coinbase:*-USD",)
    assert rule == AlertRule("loud", Metric.VOLUME_24H, "2.5", 10, 3, "0.5", markets, Severity.CRITICAL, link)
    assert [rule.watches(one) for one in ("coinbase:BTC-USD", "coinbase:BTC-EUR", "kraken:BTC-USD")] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no rules"),
        ("rule = 3", "write [[rule]] tables"),
        ("rule = [3]", "rule 1: write a table"),
        ("[[rule]", "not TOML"),
        ('[[rules]]\nname = "a"', "unknown key 'rules'; did you mean rule?"),
        ('[[rule]]\nmetric = "price"', "rule 1: 'name' is missing"),
        ('[[rule]]\nname = "a"', "rule 1 ('a'): 'metric' is missing"),
        (
            '[[rule]]\nname = "a"\nmetric = "prices"',
            "metric 'prices' is none of price, volume_24h; did you mean price?",
        ),
        ('[[rule]]\nname = "a"\nmetric = ["price"]', "is none of price"),
        ('[[rule]]\nname = "A b"\nmetric = "price"', "name must be a word"),
        ('[[rule]]\nname = 3\nmetric = "price"', "name must be a word"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nfacto = 3', "unknown key 'facto'; did you mean factor?"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nkind = "ratio"', "kind 'ratio' is none of ratio_to_mean"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nfactor = 1', "factor must be a number above 1"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nfactor = true', "factor must be a number above 1"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nfactor = nan', "factor must be a number above 1"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nfactor = "x"', "factor must be a number above 1"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nmin_samples = 61', "min_samples must be a whole number from 1 to 60"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nresolve_after = 0', "resolve_after must be a whole number from 1"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nmin_mean = -1', "min_mean must be a number from 0"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nmarkets = "*"', "markets must be a list of patterns"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nmarkets = ["BTC-USD"]', "'BTC-USD' is not exchange:BASE-QUOTE"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nseverity = "critcal"', "did you mean critical?"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nrunbook = "wiki"', "runbook must be a link"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nenabled = "no"', "enabled must be true or false"),
        ('[[rule]]\nname = "a"\nmetric = "price"\nenabled = false\nfactor = 0', "factor must be a number above 1"),
        (
            '[[rule]]\nname = "a"\nmetric = "price"\n[[rule]]\nname = "a"\nmetric = "price"',
            "rule 2 ('a'): a second rule",
        ),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_file_the_rule_and_the_key(text, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        read(text)
    assert str(caught.value).startswith("alert_rules.toml")


def test_an_error_points_at_the_line_of_the_key():
    text = """
# a comment with factor = 9
[[rule]]
name = "a"
metric = "price"
runbook = \"\"\"https://example.com/x
factor = 7\"\"\"

[[rule]]
name = "b"
metric = "price"
markets = [
  "coinbase:*",
]
factor = 0.5
"""
    with pytest.raises(ConfigError, match=r"^alert_rules\.toml:6: rule 1 \('a'\): runbook"):
        read(text)
    with pytest.raises(ConfigError, match=r"^alert_rules\.toml:14: rule 2 \('b'\): factor must"):
        read(text.replace('"""https://example.com/x\nfactor = 7"""', '"https://example.com/x"'))
    with pytest.raises(ConfigError, match=r"^alert_rules\.toml:2: not TOML"):
        read("[[rule]]\nname = ")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ('kind = "change_percent"', "'percent' is missing"),
        ('kind = "change_percent"\npercent = 5\ncomparison = "<"', "percent must be between -100 and 0 with '<'"),
        ('kind = "change_percent"\npercent = -5\ncomparison = ">"', "percent must be above 0 with '>'"),
        ('kind = "threshold"', "'value' is missing"),
        ('kind = "threshold"\nvalue = 3\nfactor = 2', "unknown key 'factor'"),
        ('kind = "no_data"\nwindow = 0', "window must be a whole number from 1 to 720"),
        ('kind = "feed_down"\nvalue = 3', "unknown key 'value'"),
        ('comparison = "<"', "factor must be a number between 0 and 1 with '<'"),
        ('comparison = "=>"', "comparison '=>' is none of >, >=, <, <="),
        ("for = -1", "for must be a whole number from 0 to 360"),
        ("cooldown = 9999", "cooldown must be a whole number from 0 to 1440"),
        ('recipients = ["ann"]', "recipients must be a list of mail addresses"),
        ('recipients = ["ann@example.com\\r\\nBcc: x@y.z"]', "recipients must be a list of mail addresses"),
        ('channels = ["ops"]', "channels 'ops' is none of"),
    ],
)
def test_each_kind_has_keys_of_its_own(keys, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        read(f'[[rule]]\nname = "a"\nmetric = "price"\n{keys}')


def test_channels_are_notifiers_by_their_dotted_path():
    text = """
        [channel.ops]
        notifier = "airflow.providers.slack.notifications.slack_webhook.SlackWebhookNotifier"
        slack_webhook_conn_id = "slack"
        [[rule]]
        name = "a"
        metric = "price"
        channels = ["ops"]
        recipients = ["ann@example.com"]
    """
    (rule,) = read(text)
    assert (rule.channels, rule.recipients) == (("ops",), ("ann@example.com",))
    channel = load_channels(text, "alert_rules.toml")["ops"]
    assert channel.arguments == {"slack_webhook_conn_id": "slack"}
    with pytest.raises(ConfigError, match=r"alert_rules\.toml:3: channel 'ops': notifier must be the dotted path"):
        load_channels(
            text.replace("airflow.providers.slack.notifications.slack_webhook.Slack", "Slack "), "alert_rules.toml"
        )
