"""metrics_rank.json: read strictly, matched kindly."""

from __future__ import annotations

import json
import re

import pytest

from tracker.errors import ConfigError
from tracker.model import Listing, Market, MarketStatus, Metric
from tracker.settings import ROOT
from tracker.watchlist import Watchlist


def listing(pair: str, status: MarketStatus = MarketStatus.TRADABLE) -> Listing:
    base, quote = pair.split("-")
    return Listing(Market("coinbase", base, quote), pair, status)


LISTINGS = [
    listing("BTC-USD"),
    listing("ETH-USD"),
    listing("ETH-EUR"),
    listing("OLD-USD", MarketStatus.DELISTED),
    listing("SLOW-USD", MarketStatus.HALTED),
]


def watch(*patterns: str) -> Watchlist:
    text = json.dumps({"markets": {"coinbase": list(patterns)}, "metrics": ["price"]})
    return Watchlist.parse(text, "metrics_rank.json", ["coinbase"])


def test_a_star_chooses_every_tradable_market_and_no_other():
    markets, problems = watch("*-USD").choose("coinbase", LISTINGS)
    assert [market.pair for market in markets] == ["BTC-USD", "ETH-USD"]
    assert problems == []


def test_a_market_chosen_twice_is_watched_once():
    markets, _ = watch("ETH-*", "*-EUR", "ETH-USD").choose("coinbase", LISTINGS)
    assert [market.pair for market in markets] == ["ETH-EUR", "ETH-USD"]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("BTC-USB", "is not listed by the exchange; did you mean BTC-USD"),
        ("btc-usd", "did you mean BTC-USD"),
        ("OLD-USD", "is delisted on the exchange"),
        ("SLOW-USD", "is halted on the exchange"),
        ("*-GBP", "matches no tradable market"),
        ("QQQQQQ-ZZZZ", "is not listed by the exchange"),
    ],
)
def test_a_name_that_chooses_nothing_is_a_problem_that_does_not_stop_the_others(pattern, says):
    markets, problems = watch(pattern, "ETH-EUR").choose("coinbase", LISTINGS)
    assert [market.pair for market in markets] == ["ETH-EUR"]
    assert [problem.where for problem in problems] == [f"coinbase:{pattern}"]
    assert says in problems[0].what


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "write an object"),
        ('{"market": {}}', "unknown key 'market'; did you mean markets"),
        ('{"metrics": ["price"]}', '"markets" must map'),
        ('{"markets": {"coinbas": ["BTC-USD"]}, "metrics": ["price"]}', "did you mean coinbase"),
        ('{"markets": {"coinbase": []}, "metrics": ["price"]}', "must be a list"),
        ('{"markets": {"coinbase": "BTC-USD"}, "metrics": ["price"]}', "must be a list"),
        ('{"markets": {"coinbase": ["BTCUSD"]}, "metrics": ["price"]}', "'BTCUSD' is not BASE-QUOTE"),
        ('{"markets": {"coinbase": [3]}, "metrics": ["price"]}', "3 is not BASE-QUOTE"),
        ('{"markets": {"coinbase": ["BTC-USD"]}}', '"metrics" must be a list'),
        ('{"markets": {"coinbase": ["BTC-USD"]}, "metrics": ["prices"]}', "did you mean price"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_file_and_the_entry(text, says):
    with pytest.raises(ConfigError, match=re.escape(says)) as caught:
        Watchlist.parse(text, "metrics_rank.json", ["coinbase", "kraken"])
    assert str(caught.value).startswith("metrics_rank.json")


def test_the_file_that_comes_with_the_project_is_right_and_follows_its_schema():
    import jsonschema

    folder = ROOT / "resources"
    text = (folder / "metrics_rank.json").read_text()
    watchlist = Watchlist.parse(text, "metrics_rank.json", ["coinbase", "kraken", "binance"])
    assert watchlist.metrics == (Metric.PRICE, Metric.VOLUME_24H)
    jsonschema.validate(json.loads(text), json.loads((folder / "metrics_rank.schema.json").read_text()))
