"""The pages and files of single markets."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from tracker.model import Market, Metric
from tracker.site import formats
from tracker.site.content import Content
from tracker.site.market import market_page
from tracker.site.pages import Link
from tracker.site.series_files import series_files, series_paths
from tracker.site.templates import html


def market_files(content: Content, due: Collection[Market]) -> dict[str, bytes]:
    """Give the page of each market of `due`, and its files, by their paths."""
    ordered = by_rank(content)
    links = [None, *(Link(one.pair, f"{one.slug}.html") for one in ordered), None]
    files: dict[str, bytes] = {}
    for index, one in enumerate(ordered):
        if one not in due:
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
        files[page.frame.path] = html("market", page, ("style", "market"), ("page", "market"))
    return files


def market_paths(market: Market) -> tuple[str, ...]:
    """Give the paths of a market's own page and files."""
    return (f"m/{market.slug}.html", *series_paths(market))


def _has_samples(content: Content, market: Market) -> bool:
    return any((str(market), metric.value) in content.samples for metric in Metric)


def by_rank(content: Content) -> list[Market]:
    """Order the markets as the ranking by price does, then those that only have a volume."""
    return list(dict.fromkeys(content.markets[row["market"]] for metric in Metric for row in content.rows[metric]))
