"""The last 24 h of each market as a strip of cells, and what happened in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from markupsafe import Markup

from tracker.coverage import CELLS, FATES, ExchangeCoverage, Fate, MarketCoverage, Outage, run_lengths
from tracker.model import DAY, HOUR
from tracker.site.formats import clock, count, plural, time_tag
from tracker.site.pages import DayCoverage, FateKey, Strip

FEW = 100
"""Up to so many markets all have their strip; of more, those with something to tell."""

SHOWN_STRIPS = 250
SHOWN_OUTAGES = 20

WIDTH, HEIGHT = 2 * CELLS, 20

_HEIGHTS = {
    Fate.POLLED: 10,
    Fate.REPAIRED: 13,
    Fate.NO_TRADE: 17,
    Fate.MISSING: 19,
    Fate.NOT_AVAILABLE: 10,
    Fate.OUTAGE: 10,
}
"""Where the line of a fate runs. status.css gives it its width and dashes: what colour says, its form says too."""

_KEYS = {
    Fate.POLLED: ("polled", "a sample from a poll of the live ticker"),
    Fate.REPAIRED: ("repaired", "not polled; the sample is the close of the candle"),
    Fate.NO_TRADE: ("no trade", "the candles were asked for and have none, while other markets have samples"),
    Fate.MISSING: ("missing", "no sample, and its candles were not asked for: a repair or a backfill does"),
    Fate.NOT_AVAILABLE: ("not available", "no sample, and older than the exchange's candles reach"),
    Fate.OUTAGE: ("outage", "no market of the exchange has a sample, and none has a candle"),
}


def day_coverage(coverage: Sequence[ExchangeCoverage], minute: datetime, pages: Collection[str]) -> DayCoverage | None:
    """Give what became of each minute of (minute - 24h, minute]; None if no market is watched.

    `pages` are the markets that have a page to link to. Strips begin with the least complete day.
    """
    every = [market for one in coverage for market in one.markets]
    if not every:
        return None
    told = [one for one in every if len(every) <= FEW or not one.whole]
    told.sort(key=lambda one: (_sampled(one), one.market))
    shown = told[:SHOWN_STRIPS]
    return DayCoverage(
        legend=tuple(FateKey(*_KEYS[fate], _svg([(fate, 0, 8)], 16, _KEYS[fate][0])) for fate in FATES),
        totals=tuple(
            (one.exchange, len(one.markets), tuple(one.count(fate) for fate in FATES))
            for one in coverage
            if one.markets
        ),
        sentences=tuple(sentence for one in coverage if one.markets for sentence in _sentences(one, minute)),
        strips=tuple(
            Strip(
                one.market,
                f"m/{one.market.slug}.html" if str(one.market) in pages else None,
                _svg(run_lengths(one.cells), WIDTH, in_words(one)),
                one.counts,
            )
            for one in shown
        ),
        whole=sum(one.whole for one in every) - sum(one.whole for one in shown),
        more=len(told) - len(shown),
    )


def in_words(one: MarketCoverage) -> str:
    """Say a market's day in a sentence.

    >>> from tracker.model import Market
    >>> in_words(MarketCoverage(Market("coinbase", "BTC", "USD"), (1156, 1, 0, 0, 0, 283), bytes(96)))
    'coinbase:BTC-USD, minutes of the last 24 h: 1,156 polled, 1 repaired, 283 outage.'
    """
    parts = [f"{count(n)} {_KEYS[fate][0]}" for fate, n in zip(FATES, one.counts, strict=True) if n]
    return f"{one.market}, minutes of the last 24 h: {', '.join(parts)}."


def _sampled(one: MarketCoverage) -> int:
    return one.count(Fate.POLLED) + one.count(Fate.REPAIRED)


def _sentences(one: ExchangeCoverage, minute: datetime) -> Iterator[Markup]:
    """Tell the outages of an exchange, oldest first, and what its candles no longer reach."""
    for outage in one.outages[:SHOWN_OUTAGES]:
        yield _outage(one, outage)
    if len(one.outages) > SHOWN_OUTAGES:
        yield Markup("{}: {} more in status.json.").format(
            one.exchange, plural(len(one.outages) - SHOWN_OUTAGES, "outage")
        )
    lost = one.count(Fate.NOT_AVAILABLE)
    if lost and one.reach:
        yield Markup(
            "{} gives 1-minute candles of the last {} hours only: {} of its markets before {} cannot be had any more."
        ).format(
            one.exchange,
            one.reach // HOUR,
            plural(lost, "minute"),
            time_tag(minute - one.reach, clock(minute - one.reach)),
        )
    if one.reach and one.reach <= DAY and one.count(Fate.REPAIRED):
        yield Markup("Repaired minutes of {} have a price and no 24 h volume: its candles give no 24 hours.").format(
            one.exchange
        )


def _outage(one: ExchangeCoverage, outage: Outage) -> Markup:
    since, until = (time_tag(at, clock(at)) for at in (outage.since, outage.until))
    return Markup(
        '{} gave nothing from {}{} to {} <span class="zone">UTC</span>, {}: an outage, candles of {} have none either.'
    ).format(
        one.exchange,
        "before " if outage.open_start else "",
        since,
        until,
        plural(outage.minutes, "minute"),
        "its one market" if len(one.markets) == 1 else f"its {count(len(one.markets))} markets",
    )


def _svg(runs: Sequence[tuple[Fate, int, int]], width: int, title: str) -> Markup:
    """Draw runs of cells, a path for each fate."""
    paths: dict[Fate, str] = {}
    for fate, first, length in runs:
        paths[fate] = f"{paths.get(fate, '')}M{2 * first} {_HEIGHTS[fate]}h{2 * length}"
    drawn = Markup("").join(
        Markup('<path class="f{}" d="{}"/>').format(FATES.index(fate), path) for fate, path in paths.items()
    )
    size = Markup('width="{0}" height="{1}" viewBox="0 0 {0} {1}" preserveAspectRatio="none"').format(width, HEIGHT)
    return Markup('<svg class="cells" role="img" {}><title>{}</title>{}</svg>').format(size, title, drawn)
