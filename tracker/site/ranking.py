"""The rankings: 100 rows a page, one ranking per metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracker.alerts import State
from tracker.model import Market, Metric, Series, iso
from tracker.site import wording
from tracker.site.charts import sparkline
from tracker.site.content import Content, Summary
from tracker.site.formats import (
    ABSENT,
    Number,
    clock,
    count,
    deviation,
    exact_ratio,
    percent,
    price,
    ratio,
    share,
    time_tag,
    volume,
)
from tracker.site.pages import Card, Link, Proof, RankingPage, Row
from tracker.site.samples import DAY_MINUTES, HOUR_MINUTES, Samples

ROWS = 100
"""Rows of one page: what fits into the first round trip of a connection (14,000 bytes, compressed)."""

HINTS = 30
"""The filter suggests at most so many quotes."""

STATE_ORDER = (State.FIRING, State.RESOLVING, State.PENDING, State.NO_DATA, State.WARMING, State.OK)

NAMES = {Metric.PRICE: "index", Metric.VOLUME_24H: "volume"}


def page_name(metric: Metric, number: int) -> str:
    """Name page `number` (from 1) of a ranking.

    >>> page_name(Metric.PRICE, 1), page_name(Metric.VOLUME_24H, 2)
    ('index.html', 'volume-2.html')
    """
    return f"{NAMES[metric]}.html" if number == 1 else f"{NAMES[metric]}-{number}.html"


def ranking_pages(content: Content, metric: Metric, objects: tuple[str, ...]) -> Iterator[RankingPage]:
    """Give the pages of one ranking; without a series there is one page, which says so."""
    rows = content.rows[metric]
    numbers = range(1, max(1, -(-len(rows) // ROWS)) + 1)
    pages = tuple(Link(str(number), page_name(metric, number)) for number in numbers)
    cards = tuple(_cards(content, metric))
    markets = [content.markets[row["market"]] for row in rows]
    hints = (*sorted({f"{one.exchange}:" for one in markets}), *sorted({f"-{one.quote}" for one in markets})[:HINTS])
    proof = Proof(
        objects=objects,
        used=sum(row["n_24h"] for row in rows),
        missing=sum(DAY_MINUTES - row["n_24h"] for row in rows),
        sql=(("The ranking", _SQL.format(metric=metric.value, at=iso(content.minute))),),
    )
    downloads = (Link("CSV", "data/ranking.csv"), Link("JSON", "api/v1/ranking.json"))
    for number in numbers:
        path = page_name(metric, number)
        few = rows[(number - 1) * ROWS : number * ROWS]
        title = f"{metric.label.capitalize()} ranking" + (f", page {number}" if number > 1 else "")
        about = (
            f"{count(len(rows))} markets ranked by the 24 h standard deviation of their {metric.label}, every minute."
        )
        yield RankingPage(
            frame=content.frame(path, title, about, proof=proof, downloads=downloads),
            metric=metric,
            rows=tuple(_row(content, row, metric) for row in few),
            first=(number - 1) * ROWS + 1,
            total=len(rows),
            number=number,
            pages=pages,
            cards=cards,
            hints=hints,
        )


_SQL = """\
SELECT market, arg_max(value, minute) AS latest, stddev_pop(value) AS stdev_24h,
  avg(value) FILTER (minute >= TIMESTAMPTZ '{at}' - INTERVAL 1 HOUR AND minute < TIMESTAMPTZ '{at}') AS mean_1h,
  rank() OVER (ORDER BY stdev_24h DESC) AS rank
FROM read_parquet('data/*-24h.parquet') WHERE metric = '{metric}' GROUP BY market ORDER BY rank, market"""


def value_of(metric: Metric, value: float | None, unit: str) -> Number:
    """Write a value of a metric: a price, or a volume with its unit."""
    return price(value) if metric is Metric.PRICE else volume(value, unit)


def ratio_text(row: Summary, samples: Samples) -> str:
    """Write last ÷ 1 h mean, exactly where cutting a float could show the wrong digit."""
    mean, latest, fraction = row["mean_1h"], row["latest"], row["ratio_1h"]
    if mean == 0 and latest and len(samples) and samples.at[-1] == DAY_MINUTES:
        return "from 0"
    if fraction is None:
        return ABSENT
    thousandths = fraction * 1000
    if abs(thousandths - round(thousandths)) > 1e-6 * max(1.0, thousandths):
        return ratio(fraction)
    return ratio(exact_ratio(latest, samples.between(DAY_MINUTES - HOUR_MINUTES, DAY_MINUTES).tolist()))


def _row(content: Content, row: Summary, metric: Metric) -> Row:
    market = content.markets[row["market"]]
    samples = content.of(row)
    state = content.state(Series(market, metric))
    behind = content.minutes_behind(row)
    low, high, latest = row["min_24h"], row["max_24h"], row["latest"]
    known = None not in (low, high, latest)
    drawn = known and metric is Metric.PRICE  # the wider numbers of volumes leave no bytes for it
    return Row(
        rank=count(row["rank"]) if row["rank"] is not None else ABSENT,
        moved=_moved(row["rank"], content.ranks_before.get((row["market"], row["metric"]))),
        market=market,
        href=f"m/{market.slug}.html",
        latest=value_of(metric, latest, market.base),
        change=percent(row["change_24h"]),
        mean=value_of(metric, row["mean_1h"], "").brief(),
        ratio=ratio_text(row, samples),
        stdev=deviation(row["stdev_24h"], short=metric is not Metric.PRICE).brief(),
        cv=share(row["cv_24h"]),
        n=row["n_24h"],
        span=share((high - low) / low) if known and low else ABSENT,
        place=(round((latest - low) / (high - low) * 20) * 5 if high > low else 50) if drawn else None,
        spark=sparkline(samples),
        sampled=time_tag(row["latest_minute"], clock(row["latest_minute"])),
        behind=behind,
        state=state,
        state_text=wording.state(state),
    )


def _moved(now: int | None, before: int | None) -> str:
    if now is None or before is None or now == before:
        return ""
    return f"▲{before - now}" if now < before else f"▼{now - before}"


def _cards(content: Content, metric: Metric) -> Iterator[Card]:
    rows = content.rows[metric]
    exchanges = sorted({content.markets[row["market"]].exchange for row in rows})
    yield Card("Markets", count(len(rows)), ", ".join(exchanges) or "none yet")
    opened = [one for one in content.alerts if one.open]
    names = ", ".join(dict.fromkeys(one.market.pair for one in opened))
    yield Card("Open alerts", count(len(opened)), names or "none", "alerts.html", "hot" if opened else "")
    for label, wanted in (("Largest rise, 24 h", 1), ("Largest fall, 24 h", -1)):
        best = _best(rows, "change_24h", wanted)
        if best is not None and best["change_24h"] * wanted > 0:
            yield _card(content, label, percent(best["change_24h"]), best)
    moving = _best(rows, "cv_24h", 1)
    if moving is not None:
        yield _card(content, "Largest σ ÷ mean", share(moving["cv_24h"]), moving)
    silent = [row for row in rows if content.state(_series(content, row)) is State.NO_DATA]
    names = ", ".join(content.markets[row["market"]].pair for row in silent[:20])
    yield Card("Without data", count(len(silent)), names or "every series has a fresh sample")


def _best(rows: Sequence[Summary], column: str, sign: int) -> Summary | None:
    known = [row for row in rows if row[column] is not None]
    return max(known, key=lambda row: row[column] * sign, default=None)


def _card(content: Content, label: str, value: str, row: Summary) -> Card:
    market: Market = content.markets[row["market"]]
    return Card(label, value, str(market), f"m/{market.slug}.html")


def _series(content: Content, row: Summary) -> Series:
    return Series(content.markets[row["market"]], Metric(row["metric"]))
