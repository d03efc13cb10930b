"""How a mail goes: SmtpNotifier hands it over, and says whether a later try may succeed."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import TYPE_CHECKING

from tracker.errors import MailRefused, MailUnavailable

if TYPE_CHECKING:
    from tracker.settings import MailServer


WAITS = "; the mail waits and is tried again"


class SmtpNotifier:
    """Sends over one SMTP server; a connection lives for one mail."""

    def __init__(self, server: MailServer, tls: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._tls = tls

    def send(self, message: EmailMessage) -> None:
        """Hand the message over; when this returns the server has taken it.

        MailRefused only when the server says 5xx to this recipient or this mail. All else is MailUnavailable, a wrong
        password included: once a person has mended the connection, the mails that wait still go.
        """
        server = self._server
        smtp = self._open(WAITS)
        try:
            smtp.send_message(message)
        except smtplib.SMTPSenderRefused as error:
            what = f"{self._where} does not take mail from {server.sender} ({_reply(error)}); mend from_email"
            raise MailUnavailable(what) from error
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise _refused(self._where, code, text) from error
        except smtplib.SMTPResponseException as error:
            raise _refused(self._where, error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailUnavailable(f"{self._where}: {_said(error)}{WAITS}") from error
        finally:
            _leave(smtp)

    def check(self) -> None:
        """Connect, say hello and log in as a mail would, and leave; MailUnavailable says what is wrong."""
        _leave(self._open())

    @property
    def _where(self) -> str:
        return f"mail server {self._server.host}:{self._server.port}"

    def _open(self, then: str = "") -> smtplib.SMTP:
        where = self._where
        try:
            return self._connect()
        except smtplib.SMTPAuthenticationError as error:
            what = f"{where} refused the login (SMTP {error.smtp_code})"
            hint = "mend user and password in the connection smtp_default"
            raise MailUnavailable(f"{what}; {hint}") from None  # the cause may quote what was sent
        except smtplib.SMTPNotSupportedError as error:
            hint = "set disable_tls or remove the login in the connection smtp_default, if that is meant"
            raise MailUnavailable(f"{where}: {error}; {hint}") from error
        except ssl.SSLCertVerificationError as error:
            hint = "mend the host in the connection smtp_default, or name the file of its CA in SSL_CERT_FILE"
            raise MailUnavailable(
                f"{where}: its certificate is not trusted ({error.verify_message}); {hint}"
            ) from error
        except ssl.SSLError as error:
            hint = "where TLS begins with STARTTLS (mostly port 587) set disable_ssl in the connection smtp_default"
            hint += ", and disable_tls too where there is none"
            raise MailUnavailable(f"{where}: no TLS ({error.reason or error}); {hint}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailUnavailable(f"{where}: {_said(error)}{then}") from error

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        tls = self._tls or ssl.create_default_context() if server.ssl or server.starttls else None
        if server.ssl:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout, context=tls)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
        try:
            if server.starttls and not server.ssl:
                smtp.starttls(context=tls)
            if server.user:
                smtp.login(server.user, server.password or "")
        except BaseException:
            smtp.close()
            raise
        return smtp


def _leave(smtp: smtplib.SMTP) -> None:
    """Say goodbye; the mail is taken or not by now, whatever the server answers."""
    try:
        smtp.quit()
    except (smtplib.SMTPException, OSError):
        smtp.close()


def _refused(where: str, code: int, text: bytes | str) -> MailRefused | MailUnavailable:
    said = f"{where} said {code} {_line(text)}"
    if 500 <= code <= 599:
        return MailRefused(f"{said}; this mail is not tried again")
    return MailUnavailable(f"{said}{WAITS}")


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply(error)
    return _line(str(error)) or type(error).__name__


def _reply(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_line(error.smtp_error)}"


def _line(text: bytes | str) -> str:
    """Bring what a server said onto one short line."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join("".join(one if one.isprintable() else " " for one in words).split())[:200]
