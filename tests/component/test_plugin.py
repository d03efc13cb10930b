"""The plugin: the site under /site, links to its pages, and nothing heavy in processes that serve nothing."""

import asyncio
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx
import pytest

from tests.support.airflow import PLUGINS, airflows_own_warnings

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

    [mounted] = module.TrackerPlugin.fastapi_apps
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
    assert module.TrackerPlugin.fastapi_apps == []
    [view] = module.TrackerPlugin.external_views
    assert view["href"] == "https://prices.example.com/"
    assert "url_route" not in view  # a page that lies elsewhere may refuse to be framed


def test_a_site_nobody_can_reach_has_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    module = plugin(monkeypatch, "s3://pages/x")
    assert module.TrackerPlugin.external_views == module.TrackerPlugin.global_operator_extra_links == []


def test_a_task_links_to_the_page_that_shows_what_it_did(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    module = plugin(monkeypatch, str(site))
    link = module.PageLink()
    assert link.get_link(None, ti_key=SimpleNamespace(dag_id="track_prices", task_id="publish")) == "/site/index.html"
    assert link.get_link(None, ti_key=SimpleNamespace(dag_id="somebody_elses", task_id="publish")) == ""


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


def test_the_scheduler_imports_what_tasks_need_before_it_forks() -> None:
    code = f"""
import sys; sys.argv = ["airflow", "scheduler"]; sys.path.insert(0, {str(PLUGINS)!r})
import airflow_local_settings
print(all(name in sys.modules for name in airflow_local_settings.HEAVY), "pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["True", "False"]
