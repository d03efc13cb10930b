"""The main job on recorded data: an exchange that replays it, the product beside it, pandas as the judge."""

from __future__ import annotations

import json
import os
import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from tests.support import oracle
from tests.support.exchange import NOW, Exchange, running
from tracker.bootstrap import build
from tracker.model import DAY, MINUTE, whole_minute

pytestmark = pytest.mark.real_data
MINUTES = 5
SLICES = {
    "crash": "binance_40mkts_72h_20210517_20210520_crash.parquet",
    "outage": "binance_40mkts_72h_20210423_20210426_real_outage.parquet",
}


def slice_of(name: str) -> Path:
    return Path(os.environ["TRACKER_REAL_DATA"]) / name


def product(exchange: Exchange, folder: Path):
    watched = {"markets": {"coinbase": ["*"]}, "metrics": ["price", "volume_24h"]}
    (folder / "watched.json").write_text(json.dumps(watched))
    places = {name: str(folder / name.rpartition("_")[0].lower()) for name in ("STORE_URL", "SITE_URL")}
    settings = {f"TRACKER_{name}": value for name, value in places.items()}
    return build({**exchange.environment, **settings, "TRACKER_METRICS": str(folder / "watched.json")}, exchange.clock)


def recorded(exchange: Exchange, path: Path):
    frame = oracle.recorded(path, requests.get(f"{exchange.url}/sim", timeout=5).json()["shift_seconds"])
    frame["market"] = "coinbase:" + frame["market"].str.partition(":")[2].str.replace("/", "-")
    return frame


@pytest.mark.parametrize("name", SLICES)
def test_every_published_number_is_what_pandas_computes_from_the_recording(name, tmp_path):
    path = slice_of(SLICES[name])
    # the outage ends 27 h before the end of its slice: keep 23 h for the future, so that the day before holds it
    ahead = timedelta(hours=1 if name == "crash" else 23)
    with running(replay=path, ahead=ahead) as exchange:
        pipeline, frame = product(exchange, tmp_path), recorded(exchange, path)
        pipeline.load(whole_minute(NOW) - DAY, whole_minute(NOW))
        for n in range(1, MINUTES + 1):
            minute = whole_minute(NOW) + n * MINUTE
            exchange.now = minute + timedelta(seconds=3)
            pipeline.fetch(minute)
            pipeline.analyze(minute)
            pipeline.publish(minute)
            ranking = json.loads((tmp_path / "site/api/v1/ranking.json").read_text())
            for metric in ("price", "volume_24h"):
                ours = {one["market"]: one for one in ranking["series"] if one["metric"] == metric}
                off, where = oracle.largest_difference(ours, oracle.statistics(frame, minute, metric))
                assert off < 1e-9, (minute, metric, where)
                assert len(ours) == 40


def test_the_pages_show_what_the_files_say(tmp_path):
    path = slice_of(SLICES["crash"])
    with running(replay=path, ahead=timedelta(hours=1)) as exchange:
        pipeline, minute = product(exchange, tmp_path), whole_minute(NOW)
        pipeline.load(minute - DAY, minute)
        pipeline.fetch(minute)
        pipeline.analyze(minute)
        pipeline.publish(minute)
    ranking = json.loads((tmp_path / "site/api/v1/ranking.json").read_text())
    page = (tmp_path / "site/index.html").read_text()
    ranked = sorted((one for one in ranking["series"] if one["metric"] == "price"), key=lambda one: one["rank"])
    shown = re.findall(r'href="m/([a-z0-9-]+)\.html"', page[page.index("<tbody") :])
    assert list(dict.fromkeys(shown)) == [one["market"].replace(":", "-").lower() for one in ranked]


def test_the_outage_is_told_as_one_asked_about_once_and_counted_in_no_statistic(tmp_path):
    path = slice_of(SLICES["outage"])
    with running(replay=path, ahead=timedelta(hours=23)) as exchange:
        pipeline, frame, end = product(exchange, tmp_path), recorded(exchange, path), whole_minute(NOW)
        assert pipeline.repair(end)["rows"] > 0
        exchange.simulation.forget()
        # the hour that is going on, and the one before until its late candles are there, are open; the outage is not
        again = pipeline.repair(end)["loads"]
        for minute in (end, end + MINUTE):
            exchange.now = minute + timedelta(seconds=3)
            pipeline.fetch(minute)
            pipeline.analyze(minute)
            pipeline.publish(minute)
    minute = end + MINUTE
    status = json.loads((tmp_path / "site/api/v1/status.json").read_text())
    [told] = status["coverage"]["exchanges"]
    [outage] = [one for one in told["outages"] if one["minutes"] > 10]
    since, until = (datetime.fromisoformat(outage[name]) for name in ("since", "until"))
    heard = sorted({at.to_pydatetime() for at in frame["minute"] if minute - DAY < at <= minute})
    lengths = {(b - a) // MINUTE - 1: (a, b - MINUTE) for a, b in pairwise(heard)}
    assert lengths[max(lengths)] == (since, until)
    assert outage["minutes"] in {283, 284}
    assert all(until <= datetime.fromisoformat(one["start"]) for one in again)
    assert f"{outage['minutes']} minutes: an outage" in (tmp_path / "site/status.html").read_text()
    ranking = json.loads((tmp_path / "site/api/v1/ranking.json").read_text())
    counts = {one["market"]: one["n_24h"] for one in ranking["series"] if one["metric"] == "price"}
    assert max(counts.values()) <= 1440 - outage["minutes"]
    sampled = {
        one["market"]: one["minutes"].get("polled", 0) + one["minutes"].get("repaired", 0) for one in told["markets"]
    }
    assert sampled == counts


def test_no_alert_arises_from_the_outage(tmp_path):
    path = slice_of(SLICES["outage"])
    with running(replay=path, ahead=timedelta(hours=23)) as exchange:
        pipeline, end = product(exchange, tmp_path), whole_minute(NOW)
        pipeline.load(end - DAY, end)
        prices = [one for one in pipeline.replay(end - DAY, end) if one["metric"] == "price"]
    assert prices == []
