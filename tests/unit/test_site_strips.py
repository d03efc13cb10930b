"""What the status page says of the last 24 h of an exchange, in sentences."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tracker.coverage import CELLS, FATES, ExchangeCoverage, Fate, MarketCoverage
from tracker.model import HOUR, Market
from tracker.site.strips import day_coverage

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def said(reach, **minutes: int) -> str:
    counts = [minutes.get(fate.value, 0) for fate in FATES]
    counts[0] = 1440 - sum(counts)
    market = MarketCoverage(Market("kraken", "BTC", "USD"), tuple(counts), bytes(CELLS))
    day = day_coverage([ExchangeCoverage("kraken", (market,), (), reach)], NOON, ())
    assert day
    return " ".join(day.sentences)


LOST = "kraken gives 1-minute candles of the last 12 hours only: 700 minutes of its markets before"
NO_VOLUME = "Repaired minutes of kraken have a price and no 24 h volume"


@pytest.mark.parametrize(
    ("reach", "minutes", "words"),
    [
        (12 * HOUR, {}, ()),
        (12 * HOUR, {Fate.NOT_AVAILABLE.value: 700}, (LOST,)),
        (12 * HOUR, {Fate.REPAIRED.value: 3}, (NO_VOLUME,)),
        (12 * HOUR, {Fate.REPAIRED.value: 3, Fate.NOT_AVAILABLE.value: 700}, (LOST, NO_VOLUME)),
        (48 * HOUR, {Fate.REPAIRED.value: 3}, ()),
        (None, {Fate.REPAIRED.value: 3}, ()),
    ],
)
def test_what_candles_do_not_reach_is_said_with_its_reason(reach, minutes, words):
    text = said(reach, **minutes)
    assert [one for one in (LOST, NO_VOLUME) if one in text] == list(words)
    assert bool(text) == bool(words)
