"""Check that everything outside is as the settings say, and say how to mend what is not."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tracker.bootstrap import build
from tracker.errors import ConfigError, TrackerError
from tracker.model import whole_minute
from tracker.objects import Objects
from tracker.pipeline import Pipeline
from tracker.settings import ROOT, Settings, mail_server


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `good` is None for a note. `mend` says what to do about it."""

    good: bool | None
    what: str
    mend: str = ""


def examine(environment: Mapping[str, str], clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Look at settings, exchanges, store, site, mail server and Airflow, and give each finding as it comes."""
    try:
        settings = Settings.from_environment(environment)
        pipeline = build(environment, clock)
    except ConfigError as error:
        yield Finding(False, f"settings: {error}", "nothing else can be checked before this; see docs/configuration.md")
        return
    yield Finding(True, f"settings: {len(pipeline.rules)} alert rules, {', '.join(pipeline.sources)} watched")
    for exchange in pipeline.sources:
        yield from _exchange(pipeline, exchange)
    yield from _objects("store", settings.store_url, "TRACKER_STORE_URL")
    yield from _objects("site", settings.site_url, "TRACKER_SITE_URL")
    yield from _mail(environment, settings)
    yield from _airflow(environment)


def _exchange(pipeline: Pipeline, exchange: str) -> Iterator[Finding]:
    """Ask for the listings and one poll: both go through the checks of name, price and clock that a minute makes."""
    source = pipeline.sources[exchange]
    try:
        markets, problems = pipeline.watchlist.choose(exchange, source.listings())
        poll = source.latest(markets, whole_minute(pipeline.clock()))
    except TrackerError as error:
        url = f"TRACKER_{exchange.partition(':')[0].upper()}_URL"
        why = str(error).removeprefix(f"{exchange}, ").removeprefix(f"{exchange}: ")
        yield Finding(False, f"{exchange}: {why}", f"is the network up, and is {url} right?")
        return
    got = {sample.series.market for sample in poll.samples}
    yield Finding(bool(got), f"{exchange}: {len(got)} of {len(markets)} watched markets have a price now")
    for problem in (*problems, *poll.problems):
        name = "the metrics file (TRACKER_METRICS)" if problem in problems else ""
        yield Finding(
            False if name else None, f"{problem.where}: {problem.what}", f"mend its name in {name}" if name else ""
        )


def _objects(what: str, url: str, variable: str) -> Iterator[Finding]:
    """Write, read back and delete a probe object, and see that conditional writes are refused when they should be."""
    objects = Objects(url)
    token = os.urandom(8).hex()
    probe = f"doctor/probe-{token}"  # of its own: another doctor may be at work
    try:
        objects.put(probe, token.encode())
        read_back = objects.get(probe) == token.encode()
        objects.delete([probe])
        objects.prove()
    except TrackerError as error:
        yield Finding(False, f"{what}: {error}", f"check {variable}, its permissions and, for S3, the AWS_* variables")
        return
    yield Finding(
        read_back, f"{what} {url}: {'can be written and read' if read_back else 'does not give back what was written'}"
    )


def _mail(environment: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    server = mail_server(environment)
    if not settings.mail_to:
        yield Finding(None, "mail: nobody gets alerts", "set TRACKER_MAIL_TO to one or more addresses")
    if server is None:
        mend = "set AIRFLOW_CONN_SMTP_DEFAULT, or make the connection smtp_default in Airflow's UI (not seen from here)"
        yield Finding(None, "mail: no mail server in the environment", mend)
        return
    from tracker.mail.smtp import SmtpNotifier

    where = f"mail server {server.host}:{server.port}"
    try:
        SmtpNotifier(server).check()
    except TrackerError as error:
        yield Finding(False, str(error), "check host, port, login and the TLS switches of AIRFLOW_CONN_SMTP_DEFAULT")
    else:
        yield Finding(True, f"{where}: answers{' and takes the login' if server.user else ''}")


def _airflow(environment: Mapping[str, str]) -> Iterator[Finding]:
    try:
        version = importlib.metadata.version("apache-airflow-core")
    except importlib.metadata.PackageNotFoundError:
        yield Finding(
            False, "Airflow: not installed here", "run `make install`, or use the image; `tracker tick` works without"
        )
        return
    right = tuple(int(part) for part in version.split(".")[:2]) == (3, 3)
    yield Finding(right, f"Airflow {version}", "" if right else "3.3 is what this was built for: `make install`")
    folder = Path(environment.get("AIRFLOW__CORE__DAGS_FOLDER", ROOT / "dags"))
    found = (folder / "track_prices.py").is_file()
    yield Finding(found, f"DAGs in {folder}", "" if found else "AIRFLOW__CORE__DAGS_FOLDER must name the folder dags/")
    if home := environment.get("TRACKER_HOME", "data"):
        database = Path(home) / "airflow" / "airflow.db"
        made = database.is_file() or "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in environment
        yield Finding(
            True if made else None,
            f"Airflow's database: {'there' if made else 'not made yet'}",
            "" if made else "`tracker up` makes it",
        )
