"""render(): the whole site of one minute as bytes. Pure but for the templates, which are read once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tracker.alerts import AlertRule, Evaluation, Transition
from tracker.model import About, Evidence, Market, Metric
from tracker.site import assets, downloads
from tracker.site.alerts import alerts_page
from tracker.site.content import Content
from tracker.site.feed import feed
from tracker.site.history import NO_HISTORY, History, folder_of
from tracker.site.markets import market_parts
from tracker.site.methodology import methodology_page
from tracker.site.pages import RankingPage, Status
from tracker.site.ranking import kept_pages, ranking_pages
from tracker.site.reports import (
    directory_page,
    history_page,
    lost_page,
    status_page,
)
from tracker.site.templates import html

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
    """Give every file of the site as of `minute`, by its path: `common_files` and those of `market_parts`.

    The same arguments give the same bytes. `summary` and `window` have the schemas of tracker/frames.py, the window is
    (t-24h, t], sorted by market, metric and minute. `transitions` are the recorded ones of the last days. `hour_ago` is
    the summary of the hour before, for the change of rank. Of the pages and files of single markets only those of `due`
    are made (None: all). `evidence` are the objects of the minute in the store with their SHA-256. `history` says which
    hours are kept and whether this one is: its files are those in `folder_of(minute)`.
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
    markets = market_parts(content, due)
    made = [markets.make(part) for part in markets.parts]
    return {path: data for files in (*made, common_files(content)) for path, data in files.items()}


def common_files(content: Content) -> dict[str, bytes]:
    """Give the files that are not of single markets, index.html last."""
    files = downloads.ranking(content)
    if content.history.copy:
        files |= _kept(content, files["data/ranking.csv"])
    files["api/v1/alerts.json"] = downloads.alerts(content)
    files["api/v1/status.json"] = downloads.status(content)
    files["feed.xml"] = feed(content)
    files["heartbeat.json"] = downloads.heartbeat(content)
    files["favicon.svg"] = assets.favicon()
    if content.about.public_url:  # a picture is named by its whole address
        files["card.png"] = assets.card()
    for name, page in (
        ("alerts", alerts_page(content)),
        ("status", status_page(content)),
        ("methodology", methodology_page(content)),
        ("markets", directory_page(content)),
        ("404", lost_page(content)),
    ):
        files[f"{name}.html"] = html(name, page, ("style", "cards", "status"), ("page",))
    for metric in reversed(Metric):
        for one in reversed(list(ranking_pages(content, metric))):
            files[one.frame.path] = _ranking(one)
    return files


def _ranking(page: RankingPage) -> bytes:
    return html("ranking", page, ("style", "cards", "ranking"), ("page", "ranking"))


def _kept(content: Content, csv: bytes) -> dict[str, bytes]:
    """Give the copy of an hour, and the page that lists all of them."""
    history = history_page(content)
    files = {one.frame.path: _ranking(one) for one in kept_pages(content)}
    files[f"{folder_of(content.minute)}ranking.csv"] = csv
    return files | {history.frame.path: html("history", history, ("style", "cards", "status"), ("page",))}
