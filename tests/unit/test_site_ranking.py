"""The rankings: their pages, their order, the hours that are kept."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest

from tests.support import scrape, site
from tests.support.site import NOW
from tracker.model import DAY, HOUR, Market, Metric
from tracker.site import History
from tracker.site.charts import sparkline
from tracker.stats import summarise


def test_a_ranking_longer_than_a_page_goes_on_with_one_place_for_each_series():
    values = {(market, Metric.PRICE): [float(n + 1), float(2 * n + 2)] for n, market in enumerate(site.markets(205))}
    files = site.day(values).render()
    rows = [
        re.findall(r'<th scope="row"><a href="(m/[^"]+)"', files[f"index{n}.html"].decode()) for n in ("", "-2", "-3")
    ]
    assert [len(one) for one in rows] == [100, 100, 5]
    assert len({one for some in rows for one in some}) == 205
    assert "rows 201 to 205 of 205" in scrape.text_of(files["index-3.html"].decode())
    assert 'href="index-2.html" aria-current="page"' in files["index-2.html"].decode()
    assert "markets.html" in files


def test_a_single_sample_is_unranked_and_shown():
    market = Market("coinbase", "BTC", "USD")
    files = site.day({(market, Metric.PRICE): [65012.4]}).render()
    page = files["index.html"].decode()
    assert "65,012.40" in page
    assert "<td>–" in page
    assert "no sample of the last" not in page
    assert "65,012.40" in files[f"m/{market.slug}.html"].decode()


def test_a_volume_that_starts_from_zero_reads_from_zero_and_infinity_never_reaches_json():
    market = Market("coinbase", "NEW", "USD")
    files = site.day({(market, Metric.VOLUME_24H): [0.0] * 100 + [5.0]}).render()
    assert "from 0" in files["volume.html"].decode()
    said = json.loads(files["api/v1/alerts.json"], parse_constant=pytest.fail)
    assert said["open"][0]["peak_ratio"] is None
    assert "from 0" in scrape.text_of(files["alerts.html"].decode())
    ET.fromstring(files["feed.xml"])


def test_ranks_that_moved_within_the_hour_say_how_far(eventful):
    before = summarise(eventful.window, NOW)
    ranks = before.column("rank").to_pylist()
    other = pa.array([*ranks[1:2], *ranks[0:1], *ranks[2:]], pa.int32())
    moved = before.set_column(before.schema.get_field_index("rank"), before.schema.field("rank"), other)
    page = eventful.render(hour_ago=moved)["index.html"].decode()
    assert "<td>1<small> ▲1</small>" in page
    assert "<td>2<small> ▼1</small>" in page


def test_the_hour_is_kept_as_it_was_with_links_to_then_and_now(eventful):
    noon = NOW.replace(minute=0)
    history = History((noon - HOUR, noon - DAY), copy=True, every=(noon - 30 * HOUR, noon - DAY, noon - HOUR))
    files = eventful.render(history=history)
    kept = {path for path in files if path.startswith("at/2026-11-23T22/")}
    assert kept == {f"at/2026-11-23T22/{name}" for name in ("index.html", "volume.html", "ranking.csv")}
    page = files["at/2026-11-23T22/index.html"].decode()
    assert "The ranking as it was at 2026-11-23 22:10 UTC" in scrape.text_of(page)
    assert "kept as it was" in scrape.text_of(page)
    assert "stale" not in scrape.text_of(page)
    assert "data-period" not in page
    assert {"../../index.html", "../../at/2026-11-23T21/index.html", "../../at/index.html#2026-11-23"} <= set(
        scrape.Links(page).links
    )
    assert "../../m/coinbase-btc-usd.html" in scrape.Links(page).links
    assert files["at/2026-11-23T22/ranking.csv"] == files["data/ranking.csv"]
    then = scrape.Links(files["volume.html"].decode()).links
    assert {"at/2026-11-23T21/volume.html", "at/2026-11-22T22/volume.html", "at/index.html"} <= set(then)
    hours = scrape.text_of(files["at/index.html"].decode())
    assert "4 of them" in hours
    assert hours.index("2026-11-23 21:00 22:00") < hours.index("2026-11-22 16:00 22:00")


def test_without_a_kept_hour_no_page_links_to_one(files):
    assert not [path for path in files if path.startswith("at/")]
    assert "As it was" not in scrape.text_of(files["index.html"].decode())


def test_a_sparkline_of_a_constant_lies_in_the_middle():
    from tracker.site.samples import Samples

    assert "M0 4" in sparkline(Samples(np.arange(1, 1441), np.ones(1440)), 120)
