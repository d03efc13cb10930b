"""Whole runs of the DAGs with the real product underneath: simulated exchange, real files, a real mail server."""

import json
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import exchange as simulated
from tests.support import smtp
from tests.support.airflow import read_dags, run
from tests.support.exchange import Exchange
from tracker.frames import samples_table
from tracker.model import DAY, MINUTE, Market, Metric, Origin, Sample, Series, whole_minute
from tracker.store import ParquetStore

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.filterwarnings("default")]

BITCOIN = Market.parse("coinbase:BTC-USD")


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    return read_dags()


@pytest.fixture
def market() -> Iterator[Exchange]:
    with simulated.running() as one:
        yield one


@pytest.fixture
def mails() -> Iterator[smtp.Server]:
    with smtp.running(smtp.Server()) as one:
        yield one


@pytest.fixture
def folder(
    tmp_path: Path,
    market: Exchange,
    mails: smtp.Server,
    dags: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Set everything up as `tracker up --demo` does, with the exchange's clock."""
    watched = tmp_path / "metrics.json"
    watched.write_text(json.dumps({"markets": {"coinbase": ["BTC-USD", "ETH-USD"]}, "metrics": ["price"]}))
    plain = {"disable_ssl": True, "disable_tls": True}
    settings = market.environment | {
        "TRACKER_STORE_URL": str(tmp_path / "store"),
        "TRACKER_SITE_URL": str(tmp_path / "site"),
        "TRACKER_METRICS": str(watched),
        "TRACKER_MAIL_TO": "you@example.com",
        "TRACKER_AIRFLOW_URL": "http://airflow.example",
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(
            {"conn_type": "smtp", "host": "127.0.0.1", "port": mails.port, "extra": plain}
        ),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.modules["tracker_wiring"], "now", market.clock)
    return tmp_path


def calm_hour(store: ParquetStore, until: datetime, value: float) -> None:
    for n in range(40, 0, -1):
        at = until - n * MINUTE
        series = Series(BITCOIN, Metric.PRICE)
        store.write_minute(at, "coinbase", samples_table([Sample(series, at, value, at, Origin.POLL)]))


def ranking(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "site" / "api" / "v1" / "ranking.json").read_text()))


def test_a_price_that_jumps_is_ranked_published_and_mailed_once(
    folder: Path, market: Exchange, mails: smtp.Server, dags: dict[str, Any]
) -> None:
    minute = whole_minute(market.now)
    calm_hour(ParquetStore(str(folder / "store")), minute, 1.0)
    assert run(dags["track_prices"], minute)[0] == "success"
    [bitcoin] = [one for one in ranking(folder)["series"] if one["market"] == str(BITCOIN)]
    assert bitcoin["mean_1h"] == 1.0
    assert bitcoin["state"] == "firing"
    assert "http://airflow.example/dags/track_prices/runs/" in (folder / "site" / "index.html").read_text()

    assert run(dags["deliver_alerts"], None) == ("success", {"pending": "success", "alert[0]": "success"})
    assert run(dags["track_prices"], minute)[0] == "success"  # cleared by a person, or run twice
    assert run(dags["deliver_alerts"], None)[0] == "success"
    [mail] = mails.taken
    assert mail["To"] == "you@example.com"
    assert "BTC/USD" in mail["Subject"]


def test_a_mail_server_that_is_down_reddens_the_delivery_and_the_next_run_delivers(
    folder: Path, market: Exchange, mails: smtp.Server, dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    minute = whole_minute(market.now)
    calm_hour(ParquetStore(str(folder / "store")), minute, 1.0)
    mails.greeting = "busy"
    alert = dags["deliver_alerts"].get_task("alert")
    monkeypatch.setitem(alert.partial_kwargs, "retry_delay", timedelta(0))
    assert run(dags["track_prices"], minute)[0] == "success"
    assert run(dags["deliver_alerts"], None) == ("failed", {"pending": "success", "alert[0]": "failed"})
    mails.greeting = None
    assert run(dags["deliver_alerts"], None)[0] == "success"
    assert len(mails.taken) == 1


def test_a_run_that_waited_in_the_queue_writes_no_wrong_minute(
    folder: Path, market: Exchange, mails: smtp.Server, dags: dict[str, Any]
) -> None:
    minute = whole_minute(market.now)
    market.now += timedelta(minutes=32)
    state, tasks = run(dags["track_prices"], minute)
    assert (state, tasks["fetch"]) == ("success", "skipped")
    samples = ParquetStore(str(folder / "store")).read(minute - DAY, market.now)
    assert samples.num_rows == 0


def test_an_exchange_that_is_down_shows_on_the_status_page_and_in_red(
    folder: Path, market: Exchange, mails: smtp.Server, dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(dags["track_prices"].get_task("fetch")), "retry_delay", timedelta(0))
    market.misbehave("502")
    state, tasks = run(dags["track_prices"], whole_minute(market.now))
    assert (state, tasks["fetch"], tasks["analyze"]) == ("failed", "failed", "success")
    assert "502" in (folder / "site" / "status.html").read_text()


def test_history_fills_what_was_missed_and_doing_it_twice_changes_nothing(
    folder: Path, market: Exchange, mails: smtp.Server, dags: dict[str, Any]
) -> None:
    asked = {"start": (market.now - timedelta(hours=3)).isoformat(), "end": market.now.isoformat()}
    assert run(dags["load_history"], market.now, run_conf=asked)[0] == "success"
    files = {one: one.read_bytes() for one in (folder / "store").rglob("*.parquet")}
    assert files
    assert run(dags["load_history"], market.now + MINUTE, run_conf=asked)[0] == "success"
    assert {one: one.read_bytes() for one in (folder / "store").rglob("*.parquet")} == files
    assert mails.taken == []
