"""Hostile names, and nothing at all."""

from __future__ import annotations

import csv
import io
import json
import re
from xml.etree import ElementTree as ET

import duckdb
import numpy as np
import pytest

from tests.support import scrape, site
from tracker.model import About, Market, Metric
from tracker.site import Status

HOSTILE = [
    Market("coinbase", "<script>alert(1)</script>", "USD"),
    Market("coinbase", "../../etc/passwd", "USD"),
    Market("coinbase", '"onload="alert(1)', "USD"),
    Market("coinbase", "Ω₿-測試", "USD"),
    Market("coinbase", "A" * 200, "USD"),
    Market("coinbase", "a,b\n=1+1", "USD"),
    Market("coinbase", "{{ 7*7 }}", "U&D"),
    Market("coinbase", "' OR 1=1 --", "USD"),
]


@pytest.fixture(scope="module")
def hostile_day():
    return site.day({(one, metric): values for one in HOSTILE for metric, values in site.walk(one).items()})


@pytest.fixture(scope="module")
def hostile(hostile_day):
    return hostile_day.render()


def test_hostile_names_stay_text(hostile):
    for path, page in scrape.pages(hostile).items():
        assert "<script>alert" not in page, path
        assert '"onload=' not in page, path
        assert len(re.findall("<script", page)) == 1
    said = scrape.text_of(hostile["index.html"].decode())
    for market in HOSTILE:
        assert " ".join(market.pair.split()) in " ".join(said.split())
    assert "49" not in re.findall(r"\{\{.*?\}\}", said)[0]


def test_hostile_names_stay_inside_the_site_and_its_files(hostile, tmp_path):
    for path in hostile:
        assert re.fullmatch(r"[a-z0-9._/-]+", path), path
        assert ".." not in path
        assert len(path) < 140
    site.write(hostile, tmp_path)
    names = {row["market"] for row in csv.DictReader(io.StringIO(hostile["data/ranking.csv"].decode()))}
    assert names == {str(market) for market in HOSTILE}
    assert {row["market"] for row in json.loads(hostile["api/v1/ranking.json"])["series"]} == names


def test_hostile_names_do_not_break_the_feed_or_inject_sql(hostile_day, hostile, tmp_path, monkeypatch):
    ET.fromstring(hostile["feed.xml"])
    site.stored(hostile_day, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for market in HOSTILE:
        with duckdb.connect() as connection:
            for statement in scrape.statements(hostile[f"m/{market.slug}.html"].decode()):
                rows = connection.execute(statement).fetchall()
        assert len(rows) == 2 * 25


def test_nothing_stored_yet_is_a_site_that_says_so():
    empty = site.day({(Market("coinbase", "BTC", "USD"), Metric.PRICE): [np.nan]})
    files = empty.render(status=Status(), about=About(version="0.1.0"))
    assert "There is no sample of the last 24 hours yet" in scrape.text_of(files["index.html"].decode())
    assert "No series has a sample in the last 24 hours" in scrape.text_of(files["status.html"].decode())
    assert json.loads(files["api/v1/ranking.json"])["series"] == []
    assert not [path for path in files if path.startswith("m/")]
