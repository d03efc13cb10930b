"""The files for programs say what the pages show."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq

from tests.support.site import NOW
from tracker.model import iso
from tracker.stats import summarise

ATOM = "{http://www.w3.org/2005/Atom}"


def test_ranking_json_is_exactly_the_contract(files, eventful):
    said = json.loads(files["api/v1/ranking.json"])
    assert list(said) == ["minute", "series"]
    assert said["minute"] == "2026-11-23T22:10:00Z"
    assert {tuple(row) for row in said["series"]} == {
        ("market", "metric", "latest", "latest_minute", "change_24h", "mean_1h", "ratio_1h", "stdev_24h", "cv_24h",
         "rank", "n_1h", "n_24h", "min_24h", "max_24h", "state")
    }  # fmt: skip
    by_series = {(row["market"], row["metric"]): row for row in said["series"]}
    for row in summarise(eventful.window, NOW).to_pylist():
        published = by_series[row["market"], row["metric"]]
        for name in ("latest", "change_24h", "mean_1h", "ratio_1h", "stdev_24h", "cv_24h", "rank", "n_1h", "n_24h"):
            assert published[name] == row[name]
        assert published["latest_minute"] == iso(row["latest_minute"])
    assert by_series["coinbase:ADA-USD", "price"]["state"] == "no_data"
    assert by_series["coinbase:ADA-USD", "price"]["ratio_1h"] is None
    assert by_series["coinbase:PEPE-USD", "price"]["state"] == "firing"
    assert by_series["coinbase:BTC-USD", "price"]["state"] == "ok"


def test_series_json_csv_and_parquet_hold_the_same_samples(files, eventful):
    said = json.loads(files["api/v1/series/coinbase-sol-usd.json"])
    assert list(said) == ["market", "minute", "metrics"]
    assert list(said["metrics"]) == ["price", "volume_24h"]
    stored = pq.read_table(io.BytesIO(files["data/coinbase-sol-usd-24h.parquet"])).to_pylist()
    of_parquet = [[int(row["minute"].timestamp()), row["value"]] for row in stored if row["metric"] == "price"]
    assert said["metrics"]["price"] == of_parquet
    assert len(of_parquet) == 1440 - 284
    rows = list(csv.DictReader(io.StringIO(files["data/coinbase-sol-usd-24h.csv"].decode())))
    assert list(rows[0]) == ["minute", "price", "volume_24h"]
    assert len(rows) == 1440
    assert [float(row["price"]) for row in rows if row["price"]] == [value for _, value in of_parquet]
    assert rows[-1]["minute"] == "2026-11-23T22:10:00Z"
    assert rows[500]["price"] == ""


def test_ranking_csv_is_the_json_row_by_row(files):
    rows = list(csv.DictReader(io.StringIO(files["data/ranking.csv"].decode())))
    series = json.loads(files["api/v1/ranking.json"])["series"]
    assert len(rows) == len(series)
    for row, published in zip(rows, series, strict=True):
        for name, value in published.items():
            assert row[name] == ("" if value is None else str(value))


def test_alerts_json_tells_what_is_open_and_what_ended(files):
    said = json.loads(files["api/v1/alerts.json"])
    [opened], [ended] = said["open"], said["ended"]
    assert (opened["market"], opened["state"], opened["ended"]) == ("coinbase:PEPE-USD", "firing", None)
    assert (ended["market"], ended["why_ended"], ended["rises"]) == ("coinbase:DOGE-USD", "resolved", 1)
    assert ended["peak_ratio"] > 4


def test_status_json_is_what_an_outside_watcher_needs(files):
    said = json.loads(files["api/v1/status.json"])
    assert said["minute"] == "2026-11-23T22:10:00Z"
    assert said["outbox"] == {"depth": 1, "oldest_unsent": "2026-11-23T22:06:00Z", "failed": 0, "mail_configured": True}
    assert said["feeds"][1]["error"] == "kraken, 22:10: HTTP 503; waits a minute"
    assert said["states"]["firing"] == 1


def test_the_feed_is_atom_with_ids_that_do_not_depend_on_when_it_is_made(eventful, files):
    feed = ET.fromstring(files["feed.xml"])
    entries = feed.findall(f"{ATOM}entry")
    ids = [entry.findtext(f"{ATOM}id") for entry in entries]
    assert len(entries) == 3
    assert len(set(ids)) == 3
    assert all(one.startswith("tag:tracker.example.org,2026:") for one in ids)
    assert feed.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated")
    assert entries[0].findtext(f"{ATOM}title") == "PEPE/USD price is 3.60× its 1 h mean (coinbase)"
    later = replace(eventful, minute=NOW + timedelta(minutes=1))
    assert later.render()["feed.xml"] == files["feed.xml"]
