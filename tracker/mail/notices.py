"""A mail that tells the operator something about tracker itself, or what a callback of another DAG has to say."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from tracker.mail.composing import domain_of
from tracker.site.wording import visible


def notice(recipient: str, sender: str, subject: str, text: str, *, at: datetime, html: str = "") -> EmailMessage:
    """Write the mail; the same recipient, subject and text give the same Message-ID."""
    digest = hashlib.sha256(f"{recipient}\n{subject}\n{text}".encode()).hexdigest()
    message = EmailMessage(policy=SMTP)
    message["Subject"] = visible(subject)
    message["From"] = sender
    message["To"] = recipient
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{digest}@{domain_of(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(text, cte="quoted-printable")
    if html:
        message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message
