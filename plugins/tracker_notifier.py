"""A notifier that sends a mail over the connection `smtp_default`: text, HTML if there is some, and one Message-ID.

The alerts of tracker leave through it. It also serves as a callback of any DAG or task, and of a DeadlineAlert:

    from tracker_notifier import TrackerNotifier

    @dag(on_failure_callback=TrackerNotifier(to="ops@example.com"))

Every Airflow process imports this file: nothing heavy on top.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import Connection
from airflow.sdk.bases.notifier import BaseNotifier
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import EmailMessage

    from airflow.sdk.definitions.context import Context

    from tracker.outbox.notices import Notices
    from tracker.settings import MailServer
    from tracker.sources.machine import Kept

SUBJECT = "[tracker] {{ dag_id }} failed"
TEXT = "The run {{ run_id }} failed{{ ': ' ~ reason if reason }}."
"""Airflow renders strictly: a name that is not there is an error, not an empty text."""


class TrackerNotifier(BaseNotifier):
    """Send one mail; raise when the mail server does not take it.

    `subject`, `text`, `html` and `to` are templates. `to` is an address or several with commas between; without it the
    operator gets the mail (TRACKER_OPERATOR, else TRACKER_MAIL_TO). The same run, subject and recipient give the same
    Message-ID, so that a callback that runs twice is recognised. With `every` (seconds) at most one mail of this
    subject is sent in each stretch of so long. `message` is a mail that is composed already.
    """

    template_fields: Sequence[str] = ("subject", "text", "html", "to")

    def __init__(
        self,
        *,
        subject: str = SUBJECT,
        text: str = TEXT,
        html: str = "",
        to: str = "",
        every: int = 0,
        message: EmailMessage | None = None,
        **context: Any,
    ) -> None:
        super().__init__(**context)
        self.subject, self.text, self.html, self.to, self.every = subject, text, html, to, every
        self.message = message
        if message is not None:
            self.text = self.subject = ""  # composed already: nothing is rendered

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Render with the names of the run, whichever kind of callback this is: `dag_id`, `run_id`, `reason`."""
        super().render_template_fields({"reason": "", **context, **run_of(context)}, jinja_env)

    def notify(self, context: Context) -> None:
        from tracker.mail.smtp import SmtpNotifier

        server = mail_server()
        if server is None:
            self.log.warning("no connection smtp_default: nobody is told %r", self.subject)
            return
        if self.message is not None:
            SmtpNotifier(server).send(self.message)
            return
        page = run_page(**run_of(context))
        self._tell(server, f"{self.text}\n\n{page}\n" if page else f"{self.text}\n")

    def _tell(self, server: MailServer, text: str) -> None:
        from tracker.bootstrap import notices
        from tracker.mail.notices import notice
        from tracker.mail.smtp import SmtpNotifier

        now = datetime.now(UTC)  # noqa: TID251 - a callback is told no time
        board = notices(os.environ)
        recipients = [one.strip() for one in self.to.split(",") if one.strip()] or board.operator
        if not recipients:
            self.log.warning("nobody is named in TRACKER_OPERATOR or TRACKER_MAIL_TO: nobody is told %r", self.subject)
            return
        if self.every and self._was_told(board, now):
            return
        for recipient in recipients:
            SmtpNotifier(server).send(notice(recipient, server.sender, self.subject, text, html=self.html, at=now))
        if self.every:
            self._note(board, now)

    def _was_told(self, board: Notices, now: datetime) -> bool:
        """Ask the store, or the memory of this machine when the store is what failed."""
        from tracker.errors import TrackerError

        every = timedelta(seconds=self.every)
        try:
            return board.told(self.subject, now, every)
        except TrackerError as error:
            self.log.warning("whether this was told is not known in the store: %s", error)
            return memory_of(self.subject).read(now, every) is not None

    def _note(self, board: Notices, now: datetime) -> None:
        from tracker.errors import TrackerError

        try:
            board.tell(self.subject, now, timedelta(seconds=self.every))
        except TrackerError as error:
            self.log.warning("that this was told is not noted in the store: %s", error)
            memory_of(self.subject).write(now, value=True)


def memory_of(subject: str) -> Kept:
    """Give the place where this machine remembers, until it is started anew, that a subject was told."""
    from tracker.sources.machine import Machine

    return Machine().kept(f"//{hashlib.sha256(subject.encode()).hexdigest()[:16]}", "told")


def mail_server() -> MailServer | None:
    """Read the connection `smtp_default` wherever Airflow keeps it: environment, secrets backend or UI."""
    from tracker.settings import mail_server_of

    try:
        one = Connection.get("smtp_default")
    except AirflowNotFoundException:
        return None
    return mail_server_of(one.host, one.port, one.login, one.password, one.extra_dejson)


def run_of(context: Any) -> dict[str, str]:
    """Give the ids of the DAG and the run of a callback.

    Contexts hold objects, names or, of a deadline, the dict that the API gives of a run.
    """
    run, dag = context.get("dag_run"), context.get("dag")
    get = run.get if isinstance(run, dict) else lambda name: getattr(run, name, None)
    dag_id, run_id = (
        getattr(dag, "dag_id", None) or get("dag_id"),
        context.get("run_id") or get("run_id") or get("dag_run_id"),
    )
    return {"dag_id": dag_id or "?", "run_id": run_id or "?"}


def run_page(dag_id: str, run_id: str) -> str | None:
    """Give the page of a run in Airflow's UI; None when TRACKER_AIRFLOW_URL does not say where that is."""
    root = os.environ.get("TRACKER_AIRFLOW_URL", "").rstrip("/")
    return f"{root}/dags/{dag_id}/runs/{quote(run_id)}" if root else None
