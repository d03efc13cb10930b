"""render(): the whole site of one minute as bytes. Pure but for the templates, which are read once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tracker.alerts import AlertRule, Evaluation, Transition
from tracker.model import About, Evidence, Market, Metric
from tracker.site import assets, downloads
from tracker.site.alerts import alerts_page
from tracker.site.content import Content
from tracker.site.feed import feed
from tracker.site.history import FOLDER, NO_HISTORY, History, folder_of
from tracker.site.markets import market_parts
from tracker.site.methodology import methodology_page
from tracker.site.pages import RankingPage, Status
from tracker.site.ranking import kept_pages, page_name, page_numbers, ranking_pages
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
    """Give every file of the site as of `minute`, by its path: `CommonFiles`, `kept_files` and those of `market_parts`.

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
    return {path: data for files in (*made, kept_files(content), CommonFiles(content)) for path, data in files.items()}


class CommonFiles(Mapping[str, bytes]):
    """The files that are not of single markets, index.html last: known by their paths, made when one is asked for."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._made: dict[str, bytes] | None = None
        self._paths = dict.fromkeys(_common_paths(content))

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __contains__(self, path: object) -> bool:
        return path in self._paths

    def __getitem__(self, path: str) -> bytes:
        if self._made is None:
            self._made = _common_files(self._content)
        return self._made[path]


_PAGES: dict[str, Callable[[Content], Any]] = {
    "alerts.html": alerts_page,
    "status.html": status_page,
    "methodology.html": methodology_page,
    "markets.html": directory_page,
    "404.html": lost_page,
}
_FILES: dict[str, Callable[[Content], bytes]] = {
    "api/v1/alerts.json": downloads.alerts,
    "api/v1/status.json": downloads.status,
    "feed.xml": feed,
    "heartbeat.json": downloads.heartbeat,
    "favicon.svg": lambda _content: assets.favicon(),
}
_PLAIN = (("style", "cards", "status"), ("page",))


def _common_paths(content: Content) -> Iterator[str]:
    yield from downloads.RANKING_FILES
    yield from _FILES
    if content.about.public_url:  # a picture is named by its whole address
        yield "card.png"
    if content.history.copy:
        yield f"{FOLDER}/index.html"
    yield from _PAGES
    for metric in reversed(Metric):
        yield from (page_name(metric, number) for number in reversed(page_numbers(content, metric)))


def _common_files(content: Content) -> dict[str, bytes]:
    files = downloads.ranking(content) | {path: made(content) for path, made in _FILES.items()}
    if content.about.public_url:
        files["card.png"] = assets.card()
    if content.history.copy:
        files[f"{FOLDER}/index.html"] = html("history", history_page(content), *_PLAIN)
    files |= {path: html(path.removesuffix(".html"), page(content), *_PLAIN) for path, page in _PAGES.items()}
    return files | {one.frame.path: _ranking(one) for metric in Metric for one in ranking_pages(content, metric)}


def kept_files(content: Content) -> dict[str, bytes]:
    """Give the copy of the hour, if one is to be kept: both rankings, and all rows as CSV."""
    if not content.history.copy:
        return {}
    files = {one.frame.path: _ranking(one) for one in kept_pages(content)}
    return files | {f"{folder_of(content.minute)}ranking.csv": downloads.ranking(content)["data/ranking.csv"]}


def _ranking(page: RankingPage) -> bytes:
    return html("ranking", page, ("style", "cards", "ranking"), ("page", "ranking"))
