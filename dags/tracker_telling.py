"""How mails leave through Airflow's notifiers, and how the operator hears of runs that fail or are late."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DeadlineAlert, DeadlineReference, SyncCallback, get_current_context

from tracker_notifier import TrackerNotifier

if TYPE_CHECKING:
    from email.message import EmailMessage

    from tracker.alerts import Channel
    from tracker.settings import MailServer

HOURLY = 3600
LATE = timedelta(minutes=2)

TELL_OPERATOR = TrackerNotifier(every=HOURLY)
"""A callback for DAGs: one mail per DAG and hour. It wakes a person; alerts do not depend on it."""

LATE_MINUTE = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
    interval=LATE,
    callback=SyncCallback(
        TrackerNotifier,
        kwargs={
            "subject": "[tracker] a minute is late",
            "text": "The minute {{ dag_run.logical_date }} was not published two minutes after it began.",
            "every": HOURLY,
        },
    ),
    name="late",
)


class Mail:
    """Hands a composed mail to the TrackerNotifier: the Notifier of the pipeline inside Airflow."""

    def __init__(self, _server: MailServer) -> None:
        pass  # the notifier reads the connection itself

    def send(self, message: EmailMessage) -> None:
        TrackerNotifier(message=message)(dict(get_current_context()))


class Messenger:
    """Hands what a mail would say to another notifier: a channel of alert_rules.toml."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, message: EmailMessage) -> None:
        """Raise ConfigError for a channel that cannot be made, MailUnavailable for one that does not take it."""
        from airflow.sdk._shared.module_loading import import_string

        from tracker.errors import ConfigError, MailUnavailable

        name = self._channel.name
        try:
            notifier: Any = import_string(self._channel.notifier)(**self._channel.arguments)
        except Exception as error:  # what a notifier makes of its arguments is its own
            raise ConfigError(f"the channel {name!r} of alert_rules.toml cannot be made: {error}") from error
        try:
            notifier({**get_current_context(), **said(message)})
        except Exception as error:
            what = f"the channel {name!r} did not take {message['Subject']!r} ({type(error).__name__}: {error})"
            raise MailUnavailable(f"{what}; it waits and is tried again") from error


def said(message: EmailMessage) -> dict[str, str]:
    """Give what a mail says under the names that the templates of a channel know."""
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    return {
        "alert_subject": str(message["Subject"]),
        "alert_text": plain.get_content() if plain else "",
        "alert_html": html.get_content() if html else "",
        "alert_id": str(message["Message-ID"]),
    }
