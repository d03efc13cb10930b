"""The site inside Airflow's UI, and links from a task to the page it wrote.

Every Airflow process imports this file: nothing heavy on top, and no store is opened here.
The site is mounted under /site of the API server when it lies in a folder; when it lies in a bucket, the entry
in the side bar leads to TRACKER_PUBLIC_URL. What is mounted needs no login, like the public site it is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

MOUNT = "/site"

PAGES = {
    ("track_prices", "fetch"): "status.html",
    ("track_prices", "analyze"): "alerts.html",
    ("track_prices", "publish"): "index.html",
    ("deliver_alerts", "pending"): "alerts.html",
    ("deliver_alerts", "alert"): "alerts.html",
}


def local_folder(url: str) -> str | None:
    """Give the folder of a path or a file:// URL; None for a bucket."""
    parts = urlsplit(url) if "://" in url else None
    if parts is None:
        return url
    return unquote(parts.path) if parts.scheme == "file" else None


FOLDER = local_folder(os.environ.get("TRACKER_SITE_URL") or "data/site")
HOME = MOUNT if FOLDER else os.environ.get("TRACKER_PUBLIC_URL", "").rstrip("/")


WAITING = b"""<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="color-scheme" content="light dark"><title>tracker</title>
<body style="font: 1rem system-ui; margin: 3rem"><p>The first page is being made: a minute at most.</p></body></html>"""


class Site:
    """An ASGI application that serves a folder. Starlette is imported at the first request: in the API server only."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.files: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_fresh(message: Any) -> None:
            if message["type"] == "http.response.start":  # pages change every minute: ask each time, 304 if not
                message["headers"] += [(b"cache-control", b"no-cache"), (b"x-content-type-options", b"nosniff")]
            await send(message)

        if self.files is None and not os.path.exists(self.folder):  # noqa: PTH110, ASYNC240 - one stat, and light
            html = [(b"content-type", b"text/html; charset=utf-8"), (b"retry-after", b"5")]
            await send_fresh({"type": "http.response.start", "status": 503, "headers": html})
            await send_fresh({"type": "http.response.body", "body": WAITING})
            return
        if self.files is None:
            from starlette.staticfiles import StaticFiles

            self.files = StaticFiles(directory=self.folder, html=True)
        await self.files(scope, receive, send_fresh)


class WithSlash:
    """Lead /site to /site/, which Airflow's catch-all page would swallow."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != scope.get("root_path", "") + MOUNT:
            return await self.app(scope, receive, send)
        location = scope["path"].encode() + b"/"
        await send({"type": "http.response.start", "status": 308, "headers": [(b"location", location)]})
        return await send({"type": "http.response.body"})


class PageLink(BaseOperatorLink):
    """From a task to the page that shows what it did."""

    name = "Page"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        page = PAGES.get((ti_key.dag_id, ti_key.task_id))
        return f"{HOME}/{page}" if HOME and page else ""


def view(destination: str, page: str = "") -> dict[str, Any]:
    """Show a page of the site as a page of the UI: framed when it is ours, as a link when it lies elsewhere."""
    one = {"name": "Tracker", "href": f"{HOME}/{page}", "destination": destination, "nav_top_level": True}
    if FOLDER:
        one |= {"url_route": "tracker"}
    return one


class TrackerPlugin(AirflowPlugin):
    name = "tracker"
    fastapi_apps: ClassVar[list[Any]] = (
        [{"app": Site(FOLDER), "url_prefix": MOUNT, "name": "tracker site"}] if FOLDER else []
    )
    fastapi_root_middlewares: ClassVar[list[Any]] = (
        [{"middleware": WithSlash, "name": "/site to /site/"}] if FOLDER else []
    )
    external_views: ClassVar[list[Any]] = [view("nav")] if HOME else []
    global_operator_extra_links: ClassVar[list[Any]] = [PageLink()] if HOME else []
