"""Settings are read once, and a wrong one names itself."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from tracker.errors import ConfigError
from tracker.settings import ROOT, Settings, mail_server


def test_without_any_setting_the_defaults_of_the_contract_hold():
    settings = Settings.from_environment({})
    assert (settings.store_url, settings.site_url) == ("data/store", "data/site")
    assert settings.metrics == ROOT / "resources" / "metrics_rank.json"
    assert settings.mail_to == ()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TRACKER_STORE_ULR", "x", "did you mean TRACKER_STORE_URL"),
        ("TRACKER_WHATEVER", "x", "unknown setting TRACKER_WHATEVER"),
        ("TRACKER_STORE_URL", "gs://bucket", "must be a path, file://… or s3://"),
        ("TRACKER_STORE_URL", "s3://", "names no bucket"),
        ("TRACKER_METRICS", "no/such/file.json", "there is no file no/such/file.json"),
        ("TRACKER_COINBASE_URL", "api.exchange.coinbase.com", "must be a URL"),
        ("TRACKER_STORE_URL", "s3://[", "no bucket has such a name"),
        ("TRACKER_SITE_URL", "S3://bucket", "must be a path, file://… or s3://"),
        ("TRACKER_SITE_URL", "~nobody-of-this-name/x", "somebody who is not known here"),
        ("TRACKER_RULES", "x" * 300, "File name too long"),
        ("TRACKER_KRAKEN_URL", "http://[", "must be a URL"),
        ("TRACKER_KRAKEN_URL", "http://host:none", "must be a URL"),
        ("TRACKER_KRAKEN_URL", "http://a..b", "must be a URL"),
        ("TRACKER_KRAKEN_URL", "http://*.example.com", "must be a URL"),
        ("TRACKER_KRAKEN_URL", "http://host:99999", "must be a URL"),
        ("TRACKER_KEEP_INPUTS", "1", "from 2"),
        ("TRACKER_KEEP_HOURS", "9" * 30, "to 36500"),
        ("TRACKER_KEEP_REPORTS", "soon", "or `forever`"),
        ("TRACKER_MAIL_TO", "a@example.com, nobody", "'nobody' is not a mail address"),
        ("TRACKER_MAIL_TO", "a@example.com\nBcc: b@example.com", "is not a mail address"),
    ],
)
def test_a_wrong_setting_names_itself_and_says_what_is_right(name, value, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        Settings.from_environment({name: value})
    assert name in str(caught.value)


def test_keys_in_the_url_of_a_bucket_are_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="keys into AWS_") as caught:
        Settings.from_environment({"TRACKER_STORE_URL": "s3://AKIA:s3cret@bucket/x"})
    assert "s3cret" not in str(caught.value)


def test_an_empty_setting_counts_as_not_set():
    assert Settings.from_environment({"TRACKER_STORE_URL": " "}).store_url == "data/store"


def test_every_command_keeps_to_the_home_of_tracker_up():
    settings = Settings.from_environment({"TRACKER_HOME": "data-real", "TRACKER_SITE_URL": "s3://site"})
    assert (settings.store_url, settings.site_url) == ("data-real/store", "s3://site")


def test_several_recipients_are_parted_by_commas():
    assert Settings.from_environment({"TRACKER_MAIL_TO": "a@example.com, b@example.org,"}).mail_to == (
        "a@example.com",
        "b@example.org",
    )


@pytest.mark.parametrize(
    ("text", "port", "ssl", "starttls"),
    [
        ('{"conn_type": "smtp", "host": "mail.example.com"}', 465, True, False),
        ('{"host": "mail.example.com", "extra": {"disable_ssl": true}}', 587, False, True),
        (
            '{"host": "mail.example.com", "extra": "{\\"disable_ssl\\": true, \\"disable_tls\\": true}"}',
            25,
            False,
            False,
        ),
        ('{"host": "mail.example.com", "port": 2525, "extra": {"disable_ssl": "true"}}', 2525, False, True),
        ("smtp://me:s%40cret@mail.example.com:1025?disable_ssl=true&disable_tls=true", 1025, False, False),
    ],
)
def test_the_mail_server_is_read_as_airflow_reads_its_connection(text, port, ssl, starttls):
    server = mail_server({"AIRFLOW_CONN_SMTP_DEFAULT": text})
    assert server is not None
    assert (server.host, server.port, server.ssl, server.starttls) == ("mail.example.com", port, ssl, starttls)


def test_a_password_is_unquoted_and_never_shown():
    server = mail_server({"AIRFLOW_CONN_SMTP_DEFAULT": "smtp://me:s%40cret@mail.example.com:25"})
    assert server is not None
    assert server.password == "s@cret"
    assert "s@cret" not in repr(server)


@pytest.mark.parametrize(
    "text", ["{not json s3cret", '{"login": "me", "password": "s3cret"}', '{"host":"h","port":"s3cretport"}']
)
def test_a_broken_connection_is_an_error_without_its_secrets(text):
    with pytest.raises(ConfigError) as caught:
        mail_server({"AIRFLOW_CONN_SMTP_DEFAULT": text})
    assert "s3cret" not in str(caught.value).replace("s3cretport", "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"host": "h", "port": 99999}', "the port"),
        ('{"host": "h", "port": [25]}', "the port"),
        ('{"host": "h", "extra": {"timeout": -1}}', "the timeout"),
        ('{"host": "h", "extra": {"timeout": "nan"}}', "the timeout"),
        ('{"host": "h", "extra": [1]}', "the extra"),
        ("[]", "names no host"),
    ],
)
def test_a_connection_that_cannot_be_says_which_part_of_it_is_wrong(text, says):
    with pytest.raises(ConfigError, match=says):
        mail_server({"AIRFLOW_CONN_SMTP_DEFAULT": text})


def test_every_setting_is_in_the_docs():
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert [one.name for one in fields(Settings) if f"`TRACKER_{one.name.upper()}`" not in page] == []
