"""The one place that picks classes: settings in, a Pipeline out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from tracker import __version__
from tracker.alerts import AlertRule, Channel, load_channels, load_rules, load_silences
from tracker.bucket import SiteBucket
from tracker.errors import ConfigError
from tracker.mail.smtp import SmtpNotifier
from tracker.model import About, Retention
from tracker.objects import Objects
from tracker.outbox import ObjectOutbox
from tracker.outbox.notices import Notices
from tracker.ping import Ping
from tracker.pipeline import Pipeline
from tracker.ports import Notifier
from tracker.settings import ROOT, MailServer, Settings, mail_server
from tracker.sources import SOURCES, Sources
from tracker.store import ParquetStore
from tracker.watchlist import Watchlist


def build(
    environment: Mapping[str, str],
    clock: Callable[[], datetime],
    *,
    server: MailServer | None = None,
    mail: Callable[[MailServer], Notifier] = SmtpNotifier,
    messenger: Callable[[Channel], Notifier] | None = None,
) -> Pipeline:
    """Read the settings and put the product together; disk, network and mail server are not asked yet.

    `clock` gives the present in UTC. `server` is the mail server if the caller knows one (Airflow does), else the
    environment's. `mail` and `messenger` make the ways to people: by mail, and by the channels of the alert rules.
    Raises ConfigError naming the setting or the file that is wrong.
    """
    settings = Settings.from_environment(environment)
    watchlist = Watchlist.parse(text_of(settings.metrics), settings.metrics.name, list(SOURCES))
    server = server or mail_server(environment)
    rules = rules_in(settings.rules)
    channels = load_channels(text_of(settings.rules), settings.rules.name)
    return Pipeline(
        watchlist=watchlist,
        rules=rules,
        sources=Sources(watchlist.markets, settings, clock),
        store=ParquetStore(settings.store_url),
        outbox=ObjectOutbox(settings.store_url),
        bucket=SiteBucket(settings.site_url, settings.keep_copies),
        notifier=mail(server) if server else None,
        recipients=settings.mail_to,
        sender=server.sender if server else "",
        about=About(
            version=__version__,
            public_url=settings.public_url,
            airflow_url=settings.airflow_url,
            commit=commit(ROOT),
            mail_to_count=len(settings.mail_to),
            store=settings.store_url,
        ),
        retention=Retention(settings.keep_inputs, settings.keep_hours, settings.keep_summaries, settings.keep_reports),
        market_pages=settings.market_pages,
        clock=clock,
        sleep=time.sleep,
        silences=load_silences(text_of(settings.silences), settings.silences.name, [rule.name for rule in rules]),
        channels={name: messenger(one) for name, one in channels.items()} if messenger else {},
        ping=Ping(settings.ping_url) if settings.ping_url else None,
    )


def notices(environment: Mapping[str, str]) -> Notices:
    """Give the notices to the operator, without the rest of the product."""
    settings = Settings.from_environment(environment)
    return Notices(Objects(settings.store_url), settings.operator or settings.mail_to)


def rules_in(path: Path) -> tuple[AlertRule, ...]:
    """Read a file of alert rules; ConfigError naming what is wrong in it."""
    return load_rules(text_of(path), path.name)


def commit(folder: Path) -> str | None:
    """Give the commit that is checked out in a folder, short; None where there is no git checkout."""
    git = folder / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="ascii").strip()
        at = (
            (git / head.removeprefix("ref: ")).read_text(encoding="ascii").strip() if head.startswith("ref: ") else head
        )
    except (OSError, UnicodeDecodeError):
        return None
    return at[:10]


def text_of(path: Path) -> str:
    """Read one of the user's files; ConfigError naming it when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
