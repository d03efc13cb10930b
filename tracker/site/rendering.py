"""render(): the whole site of one minute as bytes. Pure but for the templates, which are read once."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracker.alerts import AlertRule, Evaluation, Transition
from tracker.model import Evidence, Market, Metric
from tracker.site import assets, downloads, formats, wording
from tracker.site.content import Content
from tracker.site.feed import feed
from tracker.site.history import NO_HISTORY, History, folder_of
from tracker.site.market import market_page
from tracker.site.methodology import methodology_page
from tracker.site.pages import About, Link, RankingPage, Status
from tracker.site.ranking import STATE_ORDER, kept_pages, ranking_pages
from tracker.site.reports import (
    alerts_page,
    directory_page,
    history_page,
    lost_page,
    status_page,
)
from tracker.site.series_files import series_files, series_paths

if TYPE_CHECKING:
    import pyarrow as pa


def render(
    summary: pa.Table,
    window: pa.Table,
    evaluation: Evaluation,
    minute: datetime,
    *,
    rules: Sequence[AlertRule],
    transitions: Sequence[Transition] = (),
    status: Status,
    about: About,
    hour_ago: pa.Table | None = None,
    due: Collection[Market] | None = None,
    evidence: Sequence[Evidence] = (),
    history: History = NO_HISTORY,
) -> dict[str, bytes]:
    """Give every file of the site as of `minute`, by its path. The same arguments give the same bytes.

    `summary` and `window` have the schemas of tracker/frames.py, the window is (t-24h, t], sorted by market, metric
    and minute. `transitions` are the recorded ones of the last days. `hour_ago` is the summary of the hour before, for
    the change of rank. Of the pages and files of single markets only those of `due` are made (None: all). `evidence`
    are the objects of the minute in the store with their SHA-256. `history` says which hours are kept and whether
    this one is: its files are those in `folder_of(minute)`. The order of the paths is the order to publish in:
    index.html is last.
    """
    content = Content.gather(
        summary,
        window,
        evaluation,
        minute,
        rules=rules,
        transitions=transitions,
        status=status,
        about=about,
        hour_ago=hour_ago,
        evidence=evidence,
        history=history,
    )
    files = downloads.ranking(content)
    if history.copy:
        files |= _kept(content, files["data/ranking.csv"])
    files |= _markets(content, due)
    files["api/v1/alerts.json"] = downloads.alerts(content)
    files["api/v1/status.json"] = downloads.status(content)
    files["feed.xml"] = feed(content)
    files["heartbeat.json"] = downloads.heartbeat(content)
    files["favicon.svg"] = assets.favicon()
    for name, page in (
        ("alerts", alerts_page(content)),
        ("status", status_page(content)),
        ("methodology", methodology_page(content)),
        ("markets", directory_page(content)),
        ("404", lost_page(content)),
    ):
        files[f"{name}.html"] = _html(name, page, ("style", "cards", "status"), ("page",))
    for metric in reversed(Metric):
        for one in reversed(list(ranking_pages(content, metric))):
            files[one.frame.path] = _ranking(one)
    return files


def _ranking(page: RankingPage) -> bytes:
    return _html("ranking", page, ("style", "cards", "ranking"), ("page", "ranking"))


def _kept(content: Content, csv: bytes) -> dict[str, bytes]:
    """Give the copy of an hour, and the page that lists all of them."""
    history = history_page(content)
    files = {one.frame.path: _ranking(one) for one in kept_pages(content)}
    files[f"{folder_of(content.minute)}ranking.csv"] = csv
    return files | {history.frame.path: _html("history", history, ("style", "cards", "status"), ("page",))}


def _markets(content: Content, due: Collection[Market] | None) -> dict[str, bytes]:
    ordered = _by_rank(content)
    links = [None, *(Link(one.pair, f"{one.slug}.html") for one in ordered), None]
    files: dict[str, bytes] = {}
    for index, one in enumerate(ordered):
        if due is not None and one not in due:
            continue
        own = series_files(content, one) if _has_samples(content, one) else {}
        files |= own
        page = market_page(
            content,
            one,
            files=tuple((path, hashlib.sha256(own[path]).hexdigest()) for path in own if path.endswith(".parquet")),
            place=f"{formats.count(index + 1)} of {formats.count(len(ordered))}",
            previous=links[index],
            following=links[index + 2],
        )
        files[page.frame.path] = _html("market", page, ("style", "market"), ("page", "market"))
    return files


def market_paths(market: Market) -> tuple[str, ...]:
    """Give the paths of a market's own page and files."""
    return (f"m/{market.slug}.html", *series_paths(market))


def _has_samples(content: Content, market: Market) -> bool:
    return any((str(market), metric.value) in content.samples for metric in Metric)


def _by_rank(content: Content) -> list[Market]:
    """Order the markets as the ranking by price does, then those that only have a volume."""
    return list(dict.fromkeys(content.markets[row["market"]] for metric in Metric for row in content.rows[metric]))


def _html(template: str, page: Any, styles: tuple[str, ...], scripts: tuple[str, ...]) -> bytes:
    text = (
        environment()
        .get_template(f"{template}.html")
        .render(
            page=page,
            frame=page.frame,
            home=f"{page.frame.about.public_url}/" if page.frame.about.public_url else page.frame.root,
            style=assets.style(*styles),
            script=assets.script(*scripts),
        )
    )
    return text.encode()


@cache
def environment() -> Environment:
    """Give the templates of site_templates/ with the filters they use."""
    environment = Environment(
        loader=FileSystemLoader(assets.TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"logo": assets.logo(), "favicon": assets.favicon_uri()}
    environment.filters |= {
        "epoch": lambda at: int(at.timestamp()),
        "time": formats.time_tag,
        "clock": formats.clock,
        "count": formats.count,
        "duration": formats.duration,
        "size": formats.size,
        "words": wording.state,
        "about": wording.about,
        "page": wording.page,
        "order": STATE_ORDER.index,
    }
    return environment
