"""The plugin: the site under /site, links to its pages, and nothing heavy in processes that serve nothing."""

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx
import pytest

from tests.support import site as days
from tests.support.airflow import PLUGINS, airflows_own_warnings
from tracker.sources import SOURCES
from tracker.store import layout

pytestmark = [pytest.mark.xdist_group("airflow"), pytest.mark.filterwarnings("default")]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "m").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>ranking</h1>")
    (folder / "404.html").write_text("<h1>no such page</h1>")
    (folder / "m" / "coinbase-btc-usd.html").write_text("<h1>BTC</h1>")
    (tmp_path / "secrets.json").write_text("hidden")
    return folder


def plugin(monkeypatch: pytest.MonkeyPatch, site_url: str, public_url: str = "") -> ModuleType:
    monkeypatch.setenv("TRACKER_SITE_URL", site_url)
    monkeypatch.setenv("TRACKER_PUBLIC_URL", public_url)
    spec = importlib.util.spec_from_file_location("plugin_under_test", PLUGINS / "tracker_plugin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with airflows_own_warnings():
        spec.loader.exec_module(module)
    return module


def get(module: ModuleType, path: str, **headers: str) -> httpx.Response:
    """Ask as Airflow's API server mounts it."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    [mounted] = [one for one in module.TrackerPlugin.fastapi_apps if one["url_prefix"] == "/site"]
    [middleware] = module.TrackerPlugin.fastapi_root_middlewares
    swallow = Route("/{rest:path}", lambda _: PlainTextResponse("Airflow's own page"))
    app = Starlette(routes=[Mount(mounted["url_prefix"], mounted["app"]), swallow])
    app.add_middleware(middleware["middleware"])

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://airflow") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


def test_the_folder_shows_its_index(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    answer = get(plugin(monkeypatch, str(site)), "/site/")
    assert (answer.status_code, answer.text) == (200, "<h1>ranking</h1>")
    assert answer.headers["content-type"].startswith("text/html")


def test_without_its_slash_it_leads_to_the_folder(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    module = plugin(monkeypatch, str(site))
    answer = get(module, "/site")
    assert (answer.status_code, answer.headers["location"]) == (308, "/site/")
    assert get(module, "/sitemap").text == "Airflow's own page"


def test_a_page_is_asked_for_each_time_and_sent_only_when_it_changed(
    monkeypatch: pytest.MonkeyPatch, site: Path
) -> None:
    module = plugin(monkeypatch, site.as_uri())
    first = get(module, "/site/m/coinbase-btc-usd.html")
    assert first.headers["cache-control"] == "no-cache"
    again = get(module, "/site/m/coinbase-btc-usd.html", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")


@pytest.mark.parametrize("later", ["<h1>ranking of the next minute</h1>", "<h1>", None])
def test_a_page_that_is_replaced_while_it_is_asked_for_is_sent_whole(
    monkeypatch: pytest.MonkeyPatch, site: Path, later: str | None
) -> None:
    from starlette.staticfiles import StaticFiles

    look_up = StaticFiles.lookup_path

    def then_replaced(self: StaticFiles, path: str) -> tuple[str, os.stat_result | None]:
        found = look_up(self, path)
        if path == "index.html":
            (site / "index.html").unlink() if later is None else (site / "index.html").write_text(later)
        return found

    monkeypatch.setattr(StaticFiles, "lookup_path", then_replaced)
    answer = get(plugin(monkeypatch, str(site)), "/site/index.html")
    if later is None:
        assert answer.status_code == 404
    else:
        assert (answer.status_code, answer.text) == (200, later)
        assert int(answer.headers["content-length"]) == len(later)


def test_a_missing_page_is_our_404(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    answer = get(plugin(monkeypatch, str(site)), "/site/m/coinbase-nope.html")
    assert (answer.status_code, answer.text) == (404, "<h1>no such page</h1>")


@pytest.mark.parametrize("path", ["/site/../secrets.json", "/site/%2e%2e/secrets.json", "/site/..%2fsecrets.json"])
def test_nothing_outside_the_folder_is_served(monkeypatch: pytest.MonkeyPatch, site: Path, path: str) -> None:
    assert "hidden" not in get(plugin(monkeypatch, str(site)), path).text


def test_before_the_first_page_a_note_asks_for_patience_and_then_there_is_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = plugin(monkeypatch, str(tmp_path / "later"))
    answer = get(module, "/site/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "first page is being made" in answer.text
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "index.html").write_text("here")
    assert get(module, "/site/").text == "here"


def test_a_site_in_a_bucket_is_a_link_and_nothing_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    module = plugin(monkeypatch, "s3://pages/x", "https://prices.example.com/")
    assert [one["url_prefix"] for one in module.TrackerPlugin.fastapi_apps] == ["/store"]
    [view] = module.TrackerPlugin.external_views
    assert view["href"] == "https://prices.example.com/"
    assert "url_route" not in view  # a page that lies elsewhere may refuse to be framed


def test_a_site_nobody_can_reach_has_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    module = plugin(monkeypatch, "s3://pages/x")
    assert module.TrackerPlugin.external_views == []
    assert [link.name for link in module.TrackerPlugin.global_operator_extra_links] == ["Object"]


def test_a_task_links_to_the_page_that_shows_what_it_did(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    module = plugin(monkeypatch, str(site))
    link = module.PageLink()
    assert link.get_link(None, ti_key=SimpleNamespace(dag_id="track_prices", task_id="publish")) == "/site/index.html"
    assert link.get_link(None, ti_key=SimpleNamespace(dag_id="somebody_elses", task_id="publish")) == ""


@pytest.mark.parametrize(
    ("dag_id", "task_id", "link"),
    [
        ("track_prices", "fetch", "/store/minute/date=2026-03-01/hour=12/1205-"),
        ("track_prices", "analyze", "/store/summary/date=2026-03-01/hour=12/1205.parquet"),
        ("seal_hours", "seal", "/store/hour/date=2026-03-01/hour=11/hour.parquet"),
        ("load_history", "load", "/store/candles/date=2026-02-28/"),
        ("somebody_elses", "fetch", ""),
    ],
)
def test_a_task_links_to_the_very_object_it_wrote(
    monkeypatch: pytest.MonkeyPatch, site: Path, dag_id: str, task_id: str, link: str
) -> None:
    module = plugin(monkeypatch, str(site))
    times = datetime(2026, 3, 1, 12, 5, tzinfo=UTC), datetime(2026, 2, 28, tzinfo=UTC)
    monkeypatch.setattr(module, "run_times", lambda _: times)
    assert module.ObjectLink().get_link(None, ti_key=SimpleNamespace(dag_id=dag_id, task_id=task_id)) == link


def test_the_names_of_linked_objects_are_those_of_the_store(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    patterns = plugin(monkeypatch, str(site)).OBJECTS
    at = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    assert layout.minute_path(at, "coinbase").startswith(patterns["track_prices", "fetch"].format(at))
    assert layout.named("summary", at, ".parquet") == patterns["track_prices", "analyze"].format(at)
    assert layout.hour_path(at) == patterns["seal_hours", "seal"].format(None, at)
    day = at.replace(hour=0, minute=0)
    assert layout.candles_path(day, "coinbase").startswith(patterns["load_history", "load"].format(None, None, day))


def stored(module: ModuleType, folder: Path, path: str, *, logged_in: bool = True) -> httpx.Response:
    """Ask for an object, as somebody who is logged in or not."""
    from airflow.api_fastapi.core_api.security import get_user
    from starlette.applications import Starlette
    from starlette.routing import Mount

    with airflows_own_warnings():
        app = module.store_app(str(folder))
        if logged_in:
            app.dependency_overrides[get_user] = lambda: "somebody"

        async def ask() -> httpx.Response:
            outer = Starlette(routes=[Mount("/store", app)])
            async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url="http://airflow") as client:
                return await client.get(path)

        return asyncio.run(ask())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for path in ("minute/date=2026-03-01/hour=12/1205-coinbase.parquet", "alerts/outbox/mail.json"):
        (tmp_path / "store" / path).parent.mkdir(parents=True)
        (tmp_path / "store" / path).write_bytes(b"PAR1")
    return tmp_path / "store"


def test_objects_are_read_and_listed_by_who_is_logged_in(
    monkeypatch: pytest.MonkeyPatch, site: Path, store: Path
) -> None:
    module = plugin(monkeypatch, str(site))
    listed = stored(module, store, "/store/minute/date=2026-03-01/hour=12/1205-")
    assert listed.json() == ["/store/minute/date=2026-03-01/hour=12/1205-coinbase.parquet"]
    assert stored(module, store, listed.json()[0]).content == b"PAR1"
    assert stored(module, store, "/store/minute/date=2026-03-01/hour=12/nothing.parquet").status_code == 404


def test_nobody_else_reads_them_and_nobody_reads_mails_here(
    monkeypatch: pytest.MonkeyPatch, site: Path, store: Path
) -> None:
    module = plugin(monkeypatch, str(site))
    path = "/store/minute/date=2026-03-01/hour=12/1205-coinbase.parquet"
    assert stored(module, store, path, logged_in=False).status_code == 401
    for hidden in ("/store/alerts/outbox/mail.json", "/store/alerts/", "/store/minute/../alerts/outbox/mail.json"):
        assert stored(module, store, hidden).status_code in {404, 502}, hidden


def test_every_process_may_import_the_plugin_for_next_to_nothing() -> None:
    code = f"""
import sys; import airflow.plugins_manager, airflow.sdk
before = set(sys.modules); sys.path.insert(0, {str(PLUGINS)!r})
import tracker_plugin, airflow_local_settings
print(sorted(set(sys.modules) - before - {{"tracker_plugin", "airflow_local_settings"}}))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    new = done.stdout.strip().splitlines()[-1]
    assert not any(heavy in new for heavy in ("starlette", "pyarrow", "duckdb", "obstore", "pandas"))


def test_the_scheduler_imports_what_tasks_need_before_it_forks(tmp_path: Path) -> None:
    """And compiles the templates: a task then spends no time on either. Pandas, half a second of it, is not needed."""
    minute = days.NOW
    days.stored(days.quiet_day(2), str(tmp_path / "store"))
    code = f"""
import os, sys; sys.argv = ["airflow", "scheduler"]; sys.path.insert(0, {str(PLUGINS)!r})
import airflow_local_settings
from datetime import datetime
from jinja2.environment import Environment
Environment.compile = None  # nothing is left to compile
ready = set(sys.modules)
from tracker.bootstrap import build
product = build(os.environ, lambda: datetime.fromisoformat({minute.isoformat()!r}))
exchanges = list(product.sources.values())
product.analyze(product.clock())
pages = product.publish(product.clock())["pages"]
print(pages > 10, len(exchanges), sorted(set(sys.modules) - ready - {{"encodings.ascii"}}))
"""
    watched = tmp_path / "watched.json"
    watched.write_text(json.dumps({"markets": {name: ["BTC-USD"] for name in SOURCES}, "metrics": ["price"]}))
    names = {"STORE_URL": tmp_path / "store", "SITE_URL": tmp_path / "site", "METRICS": watched}
    told = {f"TRACKER_{name}": str(path) for name, path in names.items()}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **told}, check=False)
    assert done.stdout.splitlines()[-1:] == ["True 3 []"], done.stderr
