"""The pages of single markets: both metrics, their charts, tables and facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from markupsafe import Markup

from tracker.model import DAY, MINUTE, Market, Metric, Series
from tracker.site.charts import Band, chart
from tracker.site.content import Content, Summary, state_words
from tracker.site.formats import (
    NOTHING,
    TIMES,
    Number,
    clock,
    count,
    decimal,
    deviation,
    percent,
    price_in_full,
    share,
    volume_in_brief,
)
from tracker.site.pages import Chart, Fact, Link, MarketPage, Proof, SeriesView
from tracker.site.proof import market_sql
from tracker.site.ranking import ratio_text, value_of
from tracker.site.samples import DAY_MINUTES, HOUR_MINUTES, Samples, hours

SHOWN_ALERTS = 10

HOVER_BYTES = {Metric.PRICE: 1500, Metric.VOLUME_24H: 700}
"""What the samples of a chart may take in the page, compressed: it keeps its budget of 14,000 bytes with 10 alerts."""


def market_pages(content: Content, places: Sequence[Place]) -> list[MarketPage]:
    """Give the pages of some markets; a metric without samples is left out.

    All charts come first, then all tables: a processor that keeps to one thing is faster (series_files.py).
    """
    every = [[Series(place.market, metric) for metric in Metric] for place in places]
    known = [[one for one in some if one in content.by_series] for some in every]
    charts = [[_chart(content, one) for one in some] for some in known]
    tables = [Markup("\n".join(_hours(content, some))) for some in known]  # noqa: S704  made of numbers only
    return [_page(content, *of_one) for of_one in zip(places, known, charts, tables, strict=True)]


@dataclass(frozen=True, slots=True)
class Place:
    """A market among the others by rank, in words, its neighbours, and its own files with their SHA-256."""

    market: Market
    words: str
    previous: Link | None
    following: Link | None
    files: tuple[tuple[str, str], ...]


def _page(
    content: Content, place: Place, known: Sequence[Series], charts: Sequence[Chart | None], table: Markup
) -> MarketPage:
    market, slug = place.market, place.market.slug
    series = tuple(_view(content, *one) for one in zip(known, charts, strict=True))
    used = sum(content.by_series[one]["n_24h"] for one in known)
    downloads = (
        Link("CSV", f"data/{slug}-24h.csv"),
        Link("Parquet", f"data/{slug}-24h.parquet"),
        Link("JSON", f"api/v1/series/{slug}.json"),
    )
    stored = content.objects({market.exchange})
    proof = Proof(used, DAY_MINUTES * len(known) - used, market_sql(market, content.minute), (*stored, *place.files))
    said = "; ".join(f"{view.metric.label} {view.headline} ({view.change} in 24 h)" for view in series)
    return MarketPage(
        frame=content.frame(
            f"m/{slug}.html",
            f"{market.pair} on {market.exchange}",
            f"{market}: {said}.",
            proof=proof,
            downloads=downloads,
            period=content.about.market_seconds,
        ),
        market=market,
        series=series,
        columns=tuple(name.format(unit=market.base) for one in known for name in _HOUR_COLUMNS[one.metric]),
        hours=table,
        alerts=tuple(content.alerts_of.get(market, ())[:SHOWN_ALERTS]),
        place=place.words,
        previous=place.previous,
        following=place.following,
    )


def _chart(content: Content, series: Series) -> Chart | None:
    metric, rule = series.metric, content.rule(series.metric)
    return chart(
        content.of(content.by_series[series]),
        content.minute,
        f"{series.market.pair} {metric.label}",
        factor=rule.limit if rule else None,
        min_samples=rule.min_samples if rule else HOUR_MINUTES // 2,
        bands=bands(content, series),
        short=metric is not Metric.PRICE,
        hover_bytes=HOVER_BYTES[metric],
    )


def _view(content: Content, series: Series, drawn: Chart | None) -> SeriesView:
    metric, market, row = series.metric, series.market, content.by_series[series]
    samples, rule, state = content.of(row), content.rule(metric), content.state(series)
    is_price = metric is Metric.PRICE
    unit = market.quote if is_price else market.base
    return SeriesView(
        metric=metric,
        unit=unit,
        unit_note=unit if is_price else "",
        limit_name=f"{rule.limit}{TIMES} the 1 h mean" if rule else "",
        headline=value_of(metric, row["latest"], unit),
        change=percent(row["change_24h"]),
        state=state,
        state_text=state_words(state, row, rule, content.minutes_behind(row)),
        facts=tuple(_facts(content, row, metric, unit, samples)),
        chart=drawn,
    )


def bands(content: Content, series: Series) -> tuple[Band, ...]:
    """Give the stretches of the window in which an alert of the series was open."""
    start = content.minute - DAY
    found = []
    for one in content.alerts_of.get(series.market, ()):
        if one.metric != series.metric or one.fired is None:
            continue
        if not one.open and one.ended is None:
            continue
        first, last = (one.fired - start) // MINUTE, ((one.ended or content.minute) - start) // MINUTE
        if last >= 1:
            found.append(Band(max(first, 1), last))
    return tuple(sorted(found, key=lambda band: band.start))


def _facts(content: Content, row: Summary, metric: Metric, unit: str, samples: Samples) -> Iterator[Fact]:
    def value(of: float | None) -> Number:
        return value_of(metric, of, unit)

    behind = content.minutes_behind(row)
    rule = content.rule(metric)
    yield Fact("last ÷ 1 h mean", ratio_text(row, samples), "" if not behind else f"last sample {behind} min behind")
    yield Fact("1 h mean", value(row["mean_1h"]), f"{row['n_1h']} of {HOUR_MINUTES} samples")
    if rule is not None:
        line = float(decimal(row["mean_1h"]) * decimal(float(rule.limit))) if row["mean_1h"] is not None else None
        yield Fact(
            "fires above",
            value(line) if row["n_1h"] >= rule.min_samples else NOTHING,
            f"{rule.limit}{TIMES} the 1 h mean",
        )
    yield Fact(
        "σ 24 h",
        deviation(row["stdev_24h"], "" if metric is Metric.PRICE else unit, short=metric is not Metric.PRICE),
        _samples(row),
    )
    yield Fact("σ ÷ mean", share(row["cv_24h"]))
    of = f"of {count(len(content.rows[metric]))}"
    yield Fact("rank by σ", count(row["rank"]) if row["rank"] is not None else "–", of)
    yield Fact("24 h low", value(row["min_24h"]))
    yield Fact("24 h high", value(row["max_24h"]))


def _samples(row: Summary) -> str:
    return f"{count(row['n_24h'])} of {count(DAY_MINUTES)} samples"


_HOUR_COLUMNS = {
    Metric.PRICE: ("Low", "High", "Last"),
    Metric.VOLUME_24H: ("24 h volume, {unit}",),
}


def _hours(content: Content, known: Sequence[Series]) -> Iterator[str]:
    """Write the hours, newest first: low, high and last of the price, the last volume, the samples."""
    by_metric = [_hourly(one.metric, content.of(content.by_series[one]), hours(content.minute)) for one in known]
    for (head, end), *cells in zip(_hour_ends(content.minute), *by_metric, strict=True):
        samples = ", ".join(dict.fromkeys([str(n) for n, _ in cells]))
        texts = "<td>".join([text for _, texts in cells for text in texts])
        yield f"{head}{texts}<td>{samples}{end}"


@lru_cache(maxsize=1)
def _hour_ends(minute: datetime) -> list[tuple[str, str]]:
    """Write the first cell of each hour, and the minutes of it that are in the window."""
    return [
        (f'<tr><th scope="row">{clock(begins)}<td>', f" of {min(last, DAY_MINUTES + 1) - max(first, 1)}\n")
        for begins, first, last in hours(minute)
    ]


def _hourly(
    metric: Metric, samples: Samples, spans: Sequence[tuple[datetime, int, int]]
) -> Iterator[tuple[int, Sequence[str]]]:
    """Give of each span how many samples are in it, and its cells."""
    nothing = (NOTHING.text,) * len(_HOUR_COLUMNS[metric])
    edges = np.searchsorted(samples.at, [*(first for _, first, _ in reversed(spans)), DAY_MINUTES + 1])
    counts = edges[1:] - edges[:-1]
    starts, lasts = edges[:-1][counts > 0], samples.values[edges[1:][counts > 0] - 1].tolist()
    found: Iterator[Sequence[str]]
    if metric is Metric.PRICE:
        low, high = np.minimum.reduceat(samples.values, starts), np.maximum.reduceat(samples.values, starts)
        found = (tuple(map(price_in_full, them)) for them in zip(low.tolist(), high.tolist(), lasts, strict=True))
    else:
        found = ((volume_in_brief(one),) for one in lasts)
    yield from reversed([(n, next(found) if n else nothing) for n in counts.tolist()])
