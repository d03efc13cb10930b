"""Faults on demand: read from a spec, the same for the same seed."""

from __future__ import annotations

import pytest

from tracker.errors import ConfigError
from tracker.sim.faults import ANSWERS, MARKETS, Fault, Faults


def test_a_spec_is_a_list_of_kinds_with_a_rate_and_settings() -> None:
    found = Faults.parse("429:0.1;retry=30, html ,outage;after=10;for=5;path=/products,null;market=BTC-USD", seed=1)
    assert found.faults == (
        Fault("429", 0.1, retry=30.0),
        Fault("html"),
        Fault("outage", after=10.0, lasting=5.0, path="/products"),
        Fault("null", market="BTC-USD"),
    )


@pytest.mark.parametrize("spec", [None, ""])
def test_no_spec_is_no_fault(spec: str | None) -> None:
    assert Faults.parse(spec, seed=1).of_answer("/products", 1, 0.0) is None


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("flood", "there is no fault 'flood'"),
        ("html:2e7", "not a number"),
        ("html:-1", "not a number"),
        ("html:often", "not a number"),
        ("html:nan", "not a number"),
        ("html;when=5", "when=5"),
        ("html;after", "after"),
        ("html,,429", "there is no fault ''"),
        ("help", "429:0.1,html:0.05"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")):
        Faults.parse(spec, seed=1)


def test_help_names_every_kind() -> None:
    with pytest.raises(ConfigError) as caught:
        Faults.parse("help", seed=1)
    assert all(kind in str(caught.value) for kind in [*ANSWERS, *MARKETS])


def test_a_rate_hits_so_many_answers_and_the_same_ones_again() -> None:
    def hits(seed: int) -> list[int]:
        faults = Faults.parse("html:0.2", seed)
        return [number for number in range(1000) if faults.of_answer("/products", number, 0.0)]

    assert 150 < len(hits(1)) < 250
    assert hits(1) == hits(1)
    assert hits(1) != hits(2)


def test_a_rate_hits_so_many_markets_and_the_same_ones_again() -> None:
    faults = Faults.parse("zero:0.3", seed=1)
    pairs = [f"C{number}-USD" for number in range(500)]
    hit = [pair for pair in pairs if faults.of_market(pair, "/products/stats", 0.0)]
    assert 110 < len(hit) < 190
    assert hit == [pair for pair in pairs if faults.of_market(pair, "/products/stats", 99.0)]


def test_a_script_says_when() -> None:
    faults = Faults.parse("503;after=10;for=5,vanish;after=2;market=BTC-USD", seed=1)
    assert [minute for minute in range(30) if faults.of_answer("/x", 1, minute)] == [10, 11, 12, 13, 14]
    assert not faults.of_market("BTC-USD", "/x", 1.9)
    assert faults.of_market("BTC-USD", "/x", 2.0)
    assert not faults.of_market("ETH-USD", "/x", 2.0)


def test_the_first_fault_that_hits_counts() -> None:
    fault = Faults.parse("html;path=/candles,429", seed=1).of_answer("/products/stats", 1, 0.0)
    assert fault == Fault("429")
