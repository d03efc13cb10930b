"""The mail of an alert: compose() decides what it says, SmtpNotifier hands it over."""

from tracker.mail.composing import MOST_ROWS, compose, domain_of, message_id
from tracker.mail.notices import notice
from tracker.mail.smtp import SmtpNotifier

__all__ = ["MOST_ROWS", "SmtpNotifier", "compose", "domain_of", "message_id", "notice"]
