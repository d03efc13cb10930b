"""silences.toml: what is silent, until when, and what a wrong file says."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.support.transitions import fired, resolved, series
from tests.support.windows import T0
from tracker.alerts import Silence, load_silences, muted
from tracker.bootstrap import build
from tracker.errors import ConfigError
from tracker.model import MINUTE, Metric
from tracker.settings import ROOT

RULES = ["price-3x", "volume-3x"]
SILENCE = Silence(T0 + 10 * MINUTE, "expected", markets=("coinbase:*-USD",))


def audible(transitions, silences, **more):
    return [one for one in muted(transitions, silences, **more) if one.muted is None]


def read(text):
    return load_silences(text, "silences.toml", RULES)


def test_the_file_as_delivered_silences_nothing():
    assert read((ROOT / "resources" / "silences.toml").read_text()) == ()


def test_the_example_of_the_file_is_right():
    text = (ROOT / "resources" / "silences.toml").read_text()
    example = "\n".join(line.removeprefix("# ") for line in text.splitlines()[2:])
    (silence,) = read(example)
    assert silence.until == datetime(2026, 11, 30, 18, tzinfo=UTC)
    assert (silence.rule, silence.metric, silence.author) == ("volume-3x", Metric.VOLUME_24H, "ann")


@pytest.mark.parametrize(
    ("silence", "silent"),
    [
        (SILENCE, True),
        (replace(SILENCE, until=T0), False),
        (replace(SILENCE, markets=("kraken:*", "*-USD")), True),
        (replace(SILENCE, markets=("kraken:*",)), False),
        (replace(SILENCE, metric=Metric.PRICE), True),
        (replace(SILENCE, metric=Metric.VOLUME_24H), False),
        (replace(SILENCE, rule="price-3x"), True),
        (replace(SILENCE, rule="volume-3x"), False),
    ],
)
def test_a_silence_covers_what_it_names(silence, silent):
    assert audible([fired()], [silence]) == ([] if silent else [fired()])


def test_an_alert_is_silent_from_its_firing_to_its_end():
    long_after = resolved(minute=T0 + 60 * MINUTE)
    assert audible([fired(), long_after], [SILENCE]) == []
    later = fired(series("ETH"), T0 + 10 * MINUTE)
    assert audible([later], [SILENCE]) == [later]
    assert audible([fired()], []) == [fired()]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[silence]", "not TOML"),
        ("[[silences]]", "unknown key 'silences'; did you mean silence?"),
        ("silence = 3", "write [[silence]] tables"),
        ('[[silence]]\nreason = "x"', "silence 1: 'until' is missing"),
        ("[[silence]]\nuntil = 2026-11-30T18:00:00Z", "silence 1: 'reason' is missing"),
        ('[[silence]]\nuntil = 2026-11-30T18:00:00\nreason = "x"', "until must be a time with a zone"),
        ('[[silence]]\nuntil = "never"\nreason = "x"', "until must be a time with a zone"),
        ('[[silence]]\nuntil = 2026-11-30T18:00:00Z\nreason = " "', "reason must be text"),
        ('[[silence]]\nuntil = 2026-11-30T18:00:00Z\nreason = "x"\nrule = "price"', "did you mean price-3x?"),
        ('[[silence]]\nuntil = 2026-11-30T18:00:00Z\nreason = "x"\nmetric = "prices"', "did you mean price?"),
        ('[[silence]]\nuntil = 2026-11-30T18:00:00Z\nreason = "x"\nmarkets = "*"', "markets must be a list"),
        ('[[silence]]\nuntil = 2026-11-30T18:00:00Z\nreason = "x"\nmarket = ["*"]', "did you mean markets"),
    ],
)
def test_a_wrong_file_names_the_silence_and_the_key(text, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        read(text)
    assert str(caught.value).startswith("silences.toml")


def test_silences_are_read_at_the_start_from_the_file_that_is_set(tmp_path):
    path = tmp_path / "quiet.toml"
    path.write_text('[[silence]]\nuntil = 2026-11-30T18:00:00Z\nreason = "known"\n')
    settings = {"TRACKER_SILENCES": str(path), "TRACKER_STORE_URL": str(tmp_path), "TRACKER_SITE_URL": str(tmp_path)}
    (silence,) = build(settings, lambda: T0).silences
    assert silence.reason == "known"
    path.write_text("[[silence]]\n")
    with pytest.raises(ConfigError, match=r"quiet\.toml:1: silence 1: 'until' is missing"):
        build(settings, lambda: T0)
