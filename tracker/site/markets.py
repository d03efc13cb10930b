"""The pages and files of single markets, all at once or in parts that other processes can make."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracker.model import Market, Metric
from tracker.site import formats
from tracker.site.content import Content
from tracker.site.market import Place, market_pages
from tracker.site.pages import Link
from tracker.site.samples import by_series
from tracker.site.series_files import series_files, series_paths
from tracker.site.templates import html

if TYPE_CHECKING:
    import pyarrow as pa

PART = 50
"""Markets of a part."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some markets by their places in the ranking, and the samples of them: what is pickled for another process."""

    places: tuple[int, ...]
    window: pa.Table

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the samples as an Arrow stream: those of others, which a slice still holds, stay behind."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.window.schema) as stream:
            stream.write_table(self.window)
        return _part, (self.places, sink.getvalue().to_pybytes())


def _part(places: tuple[int, ...], window: bytes) -> Part:
    import pyarrow as pa

    return Part(places, pa.ipc.open_stream(window).read_all())


@dataclass(frozen=True, slots=True)
class Making:
    """Makes the pages and files of a part; `content` is without samples, `ranked` are all markets by rank."""

    content: Content
    ranked: tuple[Market, ...]

    def __call__(self, part: Part) -> dict[str, bytes]:
        content = replace(self.content, window=part.window, samples=by_series(part.window, self.content.minute))
        return market_files(content, self.ranked, part.places)


@dataclass(frozen=True, slots=True)
class MarketParts:
    """The pages and files of markets, yet to be made: `make` gives those of one of the `parts`, by their `paths`."""

    paths: frozenset[str]
    parts: tuple[Part, ...]
    make: Making


def market_parts(content: Content, due: Collection[Market] | None = None) -> MarketParts:
    """Give the markets of `due` (None: all) in parts; the bytes do not depend on who makes them."""
    ranked = tuple(by_rank(content))
    chosen = [(one, place) for place, one in enumerate(ranked) if due is None or one in due]
    chosen.sort(key=lambda it: str(it[0]))  # as the window is
    parts = []
    for first in range(0, len(chosen), PART):
        some = chosen[first : first + PART]
        parts.append(Part(tuple(place for _, place in some), _rows(content, [market for market, _ in some])))
    paths = frozenset(path for one, _ in chosen for path in _paths(content, one))
    return MarketParts(paths, tuple(parts), Making(replace(content, window=_no_rows(content), samples={}), ranked))


def _rows(content: Content, some: Iterable[Market]) -> pa.Table:
    """Give the samples of some markets; neighbours in the window stay one piece."""
    import pyarrow as pa

    spans: list[tuple[int, int]] = []
    for market in some:
        for metric in Metric:
            one = content.samples.get((str(market), metric.value))
            if one is None:
                continue
            start = spans.pop()[0] if spans and spans[-1][1] == one.start else one.start
            spans.append((start, one.stop))
    return pa.concat_tables([content.window.slice(start, stop - start) for start, stop in spans] or [_no_rows(content)])


def _no_rows(content: Content) -> pa.Table:
    """Give an empty window; a slice would hold, and pickle, all rows, and `Schema.empty_table` imports pandas."""
    import pyarrow as pa

    return pa.Table.from_batches([], content.window.schema)


def market_files(content: Content, ranked: Sequence[Market], places: Iterable[int]) -> dict[str, bytes]:
    """Give the page and the files of the markets at some places of the ranking, by their paths."""
    some = [(ranked[place], place) for place in places]
    files = series_files(content, [one for one, _ in some if _has_samples(content, one)])
    at = [
        Place(
            one,
            f"{formats.count(place + 1)} of {formats.count(len(ranked))}",
            _link(ranked[place - 1]) if place else None,
            _link(ranked[place + 1]) if place + 1 < len(ranked) else None,
            files=tuple((path, _sha256(files[path])) for path in series_paths(one)[2:] if path in files),
        )
        for one, place in some
    ]
    pages = market_pages(content, at)
    return files | {page.frame.path: html("market", page, ("style", "market"), ("page", "market")) for page in pages}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _link(market: Market) -> Link:
    return Link(market.pair, f"{market.slug}.html")


def market_paths(market: Market) -> tuple[str, ...]:
    """Give the paths of a market's own page and files."""
    return (f"m/{market.slug}.html", *series_paths(market))


def _paths(content: Content, market: Market) -> tuple[str, ...]:
    return market_paths(market) if _has_samples(content, market) else market_paths(market)[:1]


def _has_samples(content: Content, market: Market) -> bool:
    return any((str(market), metric.value) in content.samples for metric in Metric)


def by_rank(content: Content) -> list[Market]:
    """Order the markets as the ranking by price does, then those that only have a volume."""
    return list(dict.fromkeys(content.markets[row["market"]] for metric in Metric for row in content.rows[metric]))
