"""Send the mails that wait in the outbox."""

from __future__ import annotations

from tracker.alerts import CHANNEL
from tracker.errors import ConfigError, MailRefused
from tracker.pipeline.analyze import Analyze
from tracker.pipeline.parts import LIVE_WITHIN, Report
from tracker.ports import Notifier


class Deliver(Analyze):
    __slots__ = ()

    def pending(self) -> list[str]:
        """Give the ids of the mails that wait: one per recipient and minute.

        What was recorded live in the last LIVE_WITHIN is queued once more first (queueing twice is queueing once):
        an analyze killed between recording and queueing loses no mail.
        """
        now = self.clock()
        recorded = self.outbox.transitions(now - LIVE_WITHIN, now)
        self.tell([one for one in recorded if not one.would_have_fired], None)
        return [waiting.id for waiting in self.outbox.pending(now)]

    def deliver(self, batch_id: str) -> Report:
        """Send one digest and mark it as sent; sent already, or being sent by another, it is left alone.

        Raises MailUnavailable when a later try may succeed. A mail refused for good is marked as failed.
        """
        if not self.outbox.claim(batch_id, self.clock()):
            return {"batch": batch_id, "sent": 0}
        try:
            return self._send(batch_id)
        finally:
            self.outbox.release(batch_id)

    def _send(self, batch_id: str) -> Report:
        from tracker.mail.composing import compose  # with Jinja, which no other step but the site's needs

        batch = self.outbox.batch(batch_id)
        if batch is None:
            return {"batch": batch_id, "sent": 0}
        notifier = self._notifier(batch.recipient)
        message = compose(batch, self.about.public_url, self.sender, self.rules)
        try:
            notifier.send(message)
        except MailRefused as error:
            self.outbox.mark_failed(batch, str(error), self.clock())
            raise
        self.outbox.mark_sent(batch, self.clock())
        return {"batch": batch_id, "sent": 1, "subject": str(message["Subject"])}

    def _notifier(self, recipient: str) -> Notifier:
        """Choose the way to a recipient."""
        if recipient.startswith(CHANNEL):
            name = recipient.removeprefix(CHANNEL)
            if name not in self.channels:
                raise ConfigError(
                    f"the channel {name!r} is an Airflow notifier: the DAG deliver_alerts sends it, as long as "
                    f"alert_rules.toml has [channel.{name}]"
                )
            return self.channels[name]
        if self.notifier is None:
            raise ConfigError(
                "no mail server: set AIRFLOW_CONN_SMTP_DEFAULT, or the connection smtp_default in Airflow"
            )
        return self.notifier
