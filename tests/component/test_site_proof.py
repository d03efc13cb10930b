"""Every number a page shows comes out of the SQL on that page: plain DuckDB on the store, and the same digits."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support import scrape, site
from tests.support.fakes import FakeNotifier, FakeSource
from tests.support.site import NOW, RULES
from tracker.bucket import SiteBucket
from tracker.model import HOUR, About, Market, Metric
from tracker.outbox import ObjectOutbox
from tracker.pipeline import Pipeline
from tracker.site import formats
from tracker.watchlist import Watchlist


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Store an eventful day and publish it, as the pipeline does."""
    root = tmp_path_factory.mktemp("proof")
    day = site.eventful_day()
    store, outbox = site.stored(day, str(root / "store")), ObjectOutbox(str(root / "store"))
    outbox.record(day.transitions)
    text = '{"markets": {"coinbase": ["*"]}, "metrics": ["price", "volume_24h"]}'
    Pipeline(
        watchlist=Watchlist.parse(text, "metrics_rank.json", ["coinbase"]),
        rules=RULES,
        sources={"coinbase": FakeSource([], lambda market, minute: None, lambda: NOW)},
        store=store,
        outbox=outbox,
        bucket=SiteBucket(str(root / "site")),
        notifier=FakeNotifier(),
        recipients=(),
        sender="",
        about=About(version="0", store="data/store"),
        clock=lambda: NOW,
        sleep=lambda seconds: None,
    ).publish(NOW)
    return root


@pytest.fixture
def answers(root, monkeypatch):
    """Give a function that runs the SQL of a page in the root of the store and gives the rows of each question."""
    monkeypatch.chdir(root / "store")

    def run(page: str) -> list[list[dict[str, Any]]]:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'America/New_York'")  # the reader's own zone must not matter
            found = []
            for statement in scrape.statements(page):
                result = connection.execute(statement)
                if "CREATE" not in statement:
                    names = [column[0] for column in result.description]
                    found.append([dict(zip(names, row, strict=True)) for row in result.fetchall()])
            return found

    return run


def page_of(root: Path, path: str) -> str:
    return (root / "site" / path).read_text(encoding="utf-8")


def shown(number: object) -> str:
    return " ".join(str(number).split())


def value(metric: Metric, number: float | None, unit: str = "") -> str:
    return shown(formats.price(number) if metric is Metric.PRICE else formats.volume(number, unit))


def clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M}"


@pytest.mark.parametrize(("path", "metric"), [("index.html", Metric.PRICE), ("volume.html", Metric.VOLUME_24H)])
def test_every_number_of_a_ranking(root, answers, path, metric):
    page = page_of(root, path)
    [rows] = answers(page)
    [cells_of] = scrape.tables(page).values()
    assert len(rows) == len(cells_of) == 30
    for row, cells in zip(rows, cells_of, strict=True):
        market = Market.parse(row["market"])
        assert cells[1].split()[:2] == [market.pair, market.exchange]
        short = metric is not Metric.PRICE
        expected = [
            formats.count(row["rank"]) if row["rank"] else "–",
            value(metric, row["latest"], market.base),
            shown(formats.percent(row["change_24h"])),
            shown(formats.deviation(row["stdev_24h"], short=short)),
            shown(formats.share(row["cv_24h"])),
            value(metric, row["mean_1h"]),
            shown(formats.ratio(row["ratio_1h"])),
            shown(formats.share(row["range_24h"])),
            formats.count(row["n_24h"]),
        ]
        assert [shown(cells[n]) for n in (0, 2, 3, 4, 5, 6, 7, 9, 11)] == expected, market
        assert cells[12].split()[0] == clock(row["latest_minute"])


def test_every_number_of_every_market_page(root, answers):
    pages = sorted((root / "site/m").glob("*.html"))
    assert len(pages) == 30
    for path in pages:
        page = path.read_text(encoding="utf-8")
        numbers, hours = answers(page)
        name = re.search(r"market = '([^']*)'", scrape.statements(page)[0])[1]
        market = Market.parse(name)
        for row, facts in zip(numbers, scrape.facts(page), strict=True):
            metric = Metric(row["metric"])
            unit = "" if metric is Metric.PRICE else market.base
            silent = row["latest_minute"] != NOW
            assert facts["headline"] == value(metric, row["latest"], unit), name
            assert facts["change"] == shown(formats.percent(row["change_24h"]))
            assert facts["1 h mean"] == value(metric, row["mean_1h"], unit)
            assert facts["1 h mean note"] == f"{row['n_1h']} of 60 samples"
            assert facts["last ÷ 1 h mean"] == ("–" if silent else shown(formats.ratio(row["ratio_1h"])))
            deviation = formats.deviation(row["stdev_24h"], unit, short=metric is not Metric.PRICE)
            assert facts["σ 24 h"] == shown(deviation)
            assert facts["σ 24 h note"] == f"{formats.count(row['n_24h'])} of 1,440 samples"
            assert facts["σ ÷ mean"] == shown(formats.share(row["cv_24h"]))
            assert facts["24 h low"] == value(metric, row["min_24h"], unit)
            assert facts["24 h high"] == value(metric, row["max_24h"], unit)
        table_rows = scrape.tables(page)["The samples after ea"]
        for row in hours:
            begins = row["begins"].astimezone(UTC)
            cells = table_rows[(NOW.replace(minute=0) - begins) // HOUR]
            assert cells[0] == f"{begins:%H:%M}"
            if row["metric"] == "price":
                three = (shown(formats.price_in_full(row[one])) for one in ("low", "high", "last"))
                assert cells[1:4] == list(three), (name, begins)
            else:
                assert cells[4] == value(Metric.VOLUME_24H, row["last"])
            assert str(row["n"]) in re.findall(r"\d+", cells[-1])


def test_every_number_of_the_alerts(root, answers):
    page = page_of(root, "alerts.html")
    [rows] = answers(page)
    of = scrape.tables(page)
    shown_ = [*of["Open alerts, newest "], *of["Alerts that ended, n"]]
    assert len(rows) == len(shown_) == 2
    for row in rows:
        pair = Market.parse(row["market"]).pair
        [cells] = [one for one in shown_ if one[0].startswith(pair)]
        assert cells[3] == formats.moment(row["began"].astimezone(UTC))
        assert cells[4] == (formats.moment(row["ended"].astimezone(UTC)) if row["ended"] else "open")
        assert cells[6].startswith(formats.ratio(row["peak_ratio"]))
        assert cells[7] == str(row["rises"])
        assert cells[8] == row["rule"]


def test_every_number_of_the_coverage_and_of_the_directory(root, answers):
    page = page_of(root, "status.html")
    [[row]] = answers(page)
    [cells] = scrape.tables(page)["Samples stored of th"]
    assert cells[:3] == [row["exchange"], str(row["series"]), formats.count(row["samples"])]
    assert cells[5] == formats.moment(row["newest"].astimezone(UTC))
    page = page_of(root, "markets.html")
    [rows] = answers(page)
    listed = re.findall(r"<li><a[^>]*>([^<]*)</a></li>", page)
    assert sorted(listed) == sorted(Market.parse(row["market"]).pair for row in rows)


def test_every_page_names_its_minute_its_code_and_objects_that_are_there(root):
    pages = [path for path in (root / "site").rglob("*.html") if path.name != "404.html"]  # it has no number
    assert len(pages) >= 39
    for path in pages:
        proof = re.search(r'<details class="proof">.*?</details>', path.read_text(encoding="utf-8"), re.DOTALL)[0]
        assert "2026-11-23 22:10 UTC" in proof
        assert "tracker 0" in proof
        named = re.findall(r"<dt><code>(.*?)</code></dt><dd>sha256 <code>(.*?)</code>", proof)
        assert named or path.name == "methodology.html" or path.parent.name == "at", path
        for one, digest in named:
            place = root / ("site" if one.startswith("data/") else "store") / one
            assert hashlib.sha256(place.read_bytes()).hexdigest() == digest
