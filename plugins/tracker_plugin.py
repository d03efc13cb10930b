"""The site inside Airflow's UI, and links from a task to the page and to the object it wrote.

Every Airflow process imports this file: nothing heavy on top, and no store is opened here.
The site is mounted under /site of the API server when it lies in a folder; when it lies in a bucket, the entry
in the side bar leads to TRACKER_PUBLIC_URL. It needs no login, like the public site it is. Stored samples are read
under /store, by people who are logged in.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote, urlsplit

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

HOUR = timedelta(hours=1)
MOUNT = "/site"
STORE = "/store"
SHOWN = ("minute", "candles", "hour", "summary")
"""The folders of the store that people may look into from here; mails and alerts are not among them."""

PAGES = {
    ("track_prices", "fetch"): "status.html",
    ("track_prices", "analyze"): "alerts.html",
    ("track_prices", "publish"): "index.html",
    ("deliver_alerts", "pending"): "alerts.html",
    ("deliver_alerts", "alert"): "alerts.html",
    ("seal_hours", "repair"): "status.html",
    ("seal_hours", "seal"): "status.html",
    ("load_history", "load"): "status.html",
    ("housekeeping", "expire"): "status.html",
    ("replay_rules", "replay"): "alerts.html",
}

OBJECTS = {
    ("track_prices", "fetch"): "minute/date={0:%Y-%m-%d}/hour={0:%H}/{0:%H%M}-",
    ("track_prices", "analyze"): "summary/date={0:%Y-%m-%d}/hour={0:%H}/{0:%H%M}.parquet",
    ("seal_hours", "repair"): "candles/date={0:%Y-%m-%d}/",
    ("seal_hours", "seal"): "hour/date={1:%Y-%m-%d}/hour={1:%H}/hour.parquet",
    ("load_history", "load"): "candles/date={2:%Y-%m-%d}/",
}
"""Where a task's object lies, by {0} its minute, {1} the hour before it, {2} the day its data interval begins with;
what ends in - or / is the beginning of several."""


def local_folder(url: str) -> str | None:
    """Give the folder of a path or a file:// URL; None for a bucket."""
    parts = urlsplit(url) if "://" in url else None
    if parts is None:
        return url
    return unquote(parts.path) if parts.scheme == "file" else None


FOLDER = local_folder(os.environ.get("TRACKER_SITE_URL") or "data/site")
STORE_URL = os.environ.get("TRACKER_STORE_URL") or "data/store"
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
            self.files = whole_files(self.folder)
        await self.files(scope, receive, send_fresh)


def whole_files(folder: str) -> Any:
    """Serve a folder whose files are replaced at any time: each as it was at one moment, its size and its bytes."""
    from starlette.exceptions import HTTPException
    from starlette.responses import FileResponse, Response
    from starlette.staticfiles import StaticFiles

    class WholeFiles(StaticFiles):
        def file_response(self, full_path: Any, _then: Any, scope: Any, status_code: int = 200) -> Response:
            try:
                with open(full_path, "rb") as file:  # noqa: PTH123 - the size of the very file that is read
                    answer = super().file_response(full_path, os.fstat(file.fileno()), scope, status_code)
                    if not isinstance(answer, FileResponse):
                        return answer
                    whole = Response(file.read(), answer.status_code, media_type=answer.media_type)
            except FileNotFoundError:  # of a market that was retired just now
                raise HTTPException(404) from None
            for name in ("etag", "last-modified"):
                whole.headers[name] = answer.headers[name]
            return whole

    return WholeFiles(directory=folder, html=True)


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


class Store:
    """An ASGI application that reads the store for people who are logged in. Made at the first request, as Site is."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.app is None:
            self.app = store_app(self.url)
        await self.app(scope, receive, send)


def store_app(url: str) -> Any:
    """Serve objects by their path, and the list of those whose paths begin with what ends in - or /."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import JSONResponse, Response

    from tracker.errors import TrackerError
    from tracker.objects import Objects

    app, objects = FastAPI(openapi_url=None), Objects(url)

    @app.get("/{path:path}", dependencies=[Depends(get_user)], response_model=None)
    def read(path: str) -> Response:
        folder, _, start = path.rpartition("/")
        if path.partition("/")[0] not in SHOWN:
            raise HTTPException(404, f"only {', '.join(SHOWN)} are shown here")
        try:
            if path.endswith(("-", "/")):
                found = [one.path for one in objects.list(folder) if one.path.rpartition("/")[2].startswith(start)]
                return JSONResponse([f"{STORE}/{one}" for one in found])
            data = objects.get(path)
        except TrackerError as error:
            raise HTTPException(502, str(error)) from error
        if data is None:
            raise HTTPException(404, f"there is no {path}")
        name = f'attachment; filename="{path.replace("/", "_")}"'
        return Response(data, media_type="application/vnd.apache.parquet", headers={"Content-Disposition": name})

    return app


class PageLink(BaseOperatorLink):
    """From a task to the page that shows what it did."""

    name = "Page"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        page = PAGES.get((ti_key.dag_id, ti_key.task_id))
        return f"{HOME}/{page}" if HOME and page else ""


class ObjectLink(BaseOperatorLink):
    """From a task to the very object it wrote."""

    name = "Object"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's signature
        pattern = OBJECTS.get((ti_key.dag_id, ti_key.task_id))
        if pattern is None:
            return ""
        minute, begins = run_times(ti_key)
        return f"{STORE}/" + pattern.format(minute, minute - HOUR, begins)


def run_times(ti_key: TaskInstanceKey) -> tuple[datetime, datetime]:
    """Give the minute a run is about and when its data interval begins; in the API server, where links are made."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        asked = select(DagRun).where(DagRun.dag_id == ti_key.dag_id, DagRun.run_id == ti_key.run_id)
        run = session.scalars(asked).one()
        minute = run.logical_date or run.run_after
        return minute, run.data_interval_start or minute


def view(destination: str, page: str = "") -> dict[str, Any]:
    """Show a page of the site as a page of the UI: framed when it is ours, as a link when it lies elsewhere."""
    one = {"name": "Tracker", "href": f"{HOME}/{page}", "destination": destination, "nav_top_level": True}
    one["icon"] = f"{HOME}/favicon.svg"
    if FOLDER:
        one |= {"url_route": "tracker"}
    return one


class TrackerPlugin(AirflowPlugin):
    name = "tracker"
    fastapi_apps: ClassVar[list[Any]] = [
        {"app": Store(STORE_URL), "url_prefix": STORE, "name": "tracker store"},
        *([{"app": Site(FOLDER), "url_prefix": MOUNT, "name": "tracker site"}] if FOLDER else []),
    ]
    fastapi_root_middlewares: ClassVar[list[Any]] = (
        [{"middleware": WithSlash, "name": "/site to /site/"}] if FOLDER else []
    )
    external_views: ClassVar[list[Any]] = [view("nav")] if HOME else []
    global_operator_extra_links: ClassVar[list[Any]] = [*([PageLink()] if HOME else []), ObjectLink()]
