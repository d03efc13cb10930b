"""The rankings: 100 rows a page, one ranking per metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tracker.alerts import State
from tracker.model import HOUR, Market, Metric, Series, whole_hour
from tracker.site import wording
from tracker.site.charts import SPARK_EVERY, sparkline
from tracker.site.content import Content, Summary
from tracker.site.formats import (
    ABSENT,
    Number,
    clock,
    count,
    deviation,
    exact_ratio,
    moment,
    percent,
    price,
    ratio,
    share,
    time_tag,
    volume,
)
from tracker.site.history import folder_of, then_links
from tracker.site.pages import Card, Frame, Link, Proof, RankingPage, Row
from tracker.site.proof import ranking_sql
from tracker.site.samples import DAY_MINUTES, HOUR_MINUTES, Samples

ROWS = {Metric.PRICE: 100, Metric.VOLUME_24H: 80}
"""Rows of one page: what fits into the first round trip of a connection (14,000 bytes, compressed)."""

QUOTES = 20
"""The filter offers at most so many quotes, those with the most markets; others are found by `-xyz`."""

STATE_ORDER = (State.FIRING, State.RESOLVING, State.PENDING, State.NO_DATA, State.WARMING, State.OK)

NAMES = {Metric.PRICE: "index", Metric.VOLUME_24H: "volume"}


def page_name(metric: Metric, number: int) -> str:
    """Name page `number` (from 1) of a ranking.

    >>> page_name(Metric.PRICE, 1), page_name(Metric.VOLUME_24H, 2)
    ('index.html', 'volume-2.html')
    """
    return f"{NAMES[metric]}.html" if number == 1 else f"{NAMES[metric]}-{number}.html"


def page_numbers(content: Content, metric: Metric) -> range:
    """Give the numbers of the pages of a ranking."""
    return range(1, max(1, -(-len(content.rows[metric]) // ROWS[metric])) + 1)


def ranking_pages(content: Content, metric: Metric) -> Iterator[RankingPage]:
    """Give the pages of one ranking; without a series there is one page, which says so."""
    numbers = page_numbers(content, metric)
    pages = tuple(Link(str(number), page_name(metric, number)) for number in numbers)
    downloads = (Link("CSV", "data/ranking.csv"), Link("JSON", "api/v1/ranking.json"))
    shared, proof = _shared(content, metric), _proof(content, metric)
    for number in numbers:
        path = page_name(metric, number)
        then = then_links(content.history, content.minute, path) if number == 1 else ()
        yield replace(
            shared,
            frame=_frame(content, metric, path, number, downloads, proof=proof),
            rows=_rows(content, metric, number),
            first=(number - 1) * ROWS[metric] + 1,
            number=number,
            pages=pages,
            then=then,
        )


def kept_pages(content: Content) -> Iterator[RankingPage]:
    """Give the first page of each ranking as it is kept: with links to now, and to the hour before."""
    folder = folder_of(content.minute)
    downloads = (Link("all rows as CSV", f"{folder}ranking.csv"),)
    before = whole_hour(content.minute) - HOUR
    for metric in Metric:
        name = page_name(metric, 1)
        earlier = [Link("the hour before", f"{folder_of(before)}{name}")] if before in content.history.lately else []
        every = Link("every hour", f"at/index.html#{content.minute:%Y-%m-%d}")
        yield replace(
            _shared(content, metric),
            frame=_frame(content, metric, f"{folder}{name}", 1, downloads, proof=_proof(content, metric), kept=True),
            rows=_rows(content, metric, 1),
            then=(Link("now", name), *earlier, every),
            kept=True,
        )


def _shared(content: Content, metric: Metric) -> RankingPage:
    """Give what the pages of a ranking have in common."""
    rows = content.rows[metric]
    markets = [content.markets[row["market"]] for row in rows]
    quotes = Counter(one.quote for one in markets)
    return RankingPage(
        frame=content.frame("", "", ""),
        metric=metric,
        rows=(),
        first=1,
        total=len(rows),
        number=1,
        pages=(),
        cards=tuple(_cards(content, metric)),
        exchanges=tuple(sorted(content.exchanges)),
        quotes=tuple(sorted(quote for quote, _ in quotes.most_common(QUOTES))),
        then=(),
    )


def _proof(content: Content, metric: Metric) -> Proof:
    rows = content.rows[metric]
    return Proof(
        used=sum(row["n_24h"] for row in rows),
        missing=sum(DAY_MINUTES - row["n_24h"] for row in rows),
        sql=ranking_sql(metric, content.minute),
        objects=content.objects({""}),
    )


def _frame(
    content: Content,
    metric: Metric,
    path: str,
    number: int,
    downloads: tuple[Link, ...],
    *,
    proof: Proof,
    kept: bool = False,
) -> Frame:
    total = count(len(content.rows[metric]))
    title = f"{metric.label.capitalize()} ranking" + (f", page {number}" if number > 1 else "")
    about = f"{total} markets ranked by the 24 h standard deviation of their {metric.label}, every minute."
    if kept:
        title, about = f"{title} at {moment(content.minute)}", f"As it was: {about}"
    return content.frame(path, title, about, proof=proof, downloads=downloads, kept=kept)


def _rows(content: Content, metric: Metric, number: int) -> tuple[Row, ...]:
    rows = ROWS[metric]
    return tuple(_row(content, row, metric) for row in content.rows[metric][(number - 1) * rows : number * rows])


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
        place=(round((latest - low) / (high - low) * 10) * 10 if high > low else 50) if drawn else None,
        spark=sparkline(samples, SPARK_EVERY[metric]),
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
    for label, wanted, tone in (("Largest rise, 24 h", 1, "up"), ("Largest fall, 24 h", -1, "dn")):
        best = _best(rows, "change_24h", wanted)
        if best is not None and best["change_24h"] * wanted > 0:
            yield _card(content, label, percent(best["change_24h"]), best, tone)
    moving = _best(rows, "cv_24h", 1)
    if moving is not None:
        yield _card(content, "Largest σ ÷ mean", share(moving["cv_24h"]), moving)
    silent = [row for row in rows if content.state(_series(content, row)) is State.NO_DATA]
    names = ", ".join(content.markets[row["market"]].pair for row in silent[:20])
    yield Card("Without data", count(len(silent)), names or "all are fresh")


def _best(rows: Sequence[Summary], column: str, sign: int) -> Summary | None:
    known = [row for row in rows if row[column] is not None]
    return max(known, key=lambda row: row[column] * sign, default=None)


def _card(content: Content, label: str, value: str, row: Summary, tone: str = "") -> Card:
    market: Market = content.markets[row["market"]]
    return Card(label, value, str(market), f"m/{market.slug}.html", tone)


def _series(content: Content, row: Summary) -> Series:
    return Series(content.markets[row["market"]], Metric(row["metric"]))
