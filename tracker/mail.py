"""The mail of an alert: compose() decides what it says, SmtpNotifier hands it over."""

from __future__ import annotations

import re
import smtplib
import ssl
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from tracker.alerts.values import AlertRule, Batch, Event, Transition
from tracker.errors import MailRefused, MailUnavailable
from tracker.model import Metric
from tracker.site import formats

if TYPE_CHECKING:
    from tracker.settings import MailServer

MOST_ROWS = 25
"""More alerts than this are counted, not listed."""

_TEMPLATES = Path(__file__).resolve().parent.parent / "resources" / "mail"
_LONGEST_NAME = 60
_BAR = 30  # characters of the longer bar of the text part
_NOTES = {Event.EXPIRED: "No usable sample for an hour, so nobody knows whether it ended."}
_WORDS = {Event.FIRING: "Fired", Event.RESOLVED: "Resolved", Event.EXPIRED: "Lost sight of"}


# what it says ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One alert as the mail tells it: every text is ready to be read, no number is left to choose."""

    event: str  # firing, resolved or expired
    word: str
    name: str  # ENG/BTC price
    exchange: str
    headline: str
    note: str | None
    facts: tuple[tuple[str, str], ...]
    bars: tuple[tuple[str, str, int], ...]  # label, value, per cent of the longest
    rule: str
    runbook: str | None
    link: str | None


@dataclass(frozen=True, slots=True)
class Digest:
    """What the templates of resources/mail get."""

    subject: str
    title: str
    lead: str
    minute: str
    rows: tuple[Row, ...]
    more: int  # alerts that are not listed
    more_link: str | None
    run_url: str | None
    rules: tuple[str, ...]
    preview: str  # what a mail client shows beside the subject


def compose(batch: Batch, public_url: str | None, sender: str, rules: Sequence[AlertRule] = ()) -> EmailMessage:
    """Write the mail of a batch: text and HTML, no images, nothing loaded from anywhere.

    The same batch gives the same bytes, and a Message-ID made from its keys, so that a mail sent twice can be told
    as one. The end of an alert answers the mail that announced it. `public_url` is where readers find the site;
    `rules` add severity and runbook of the rules that are still there.
    """
    digest = _digest(batch, public_url, {rule.name: rule for rule in rules})
    message = EmailMessage(policy=SMTP)
    message["Subject"] = f"Re: {_subject(batch.answers)}" if batch.answers else digest.subject
    message["From"] = sender
    message["To"] = batch.recipient
    message["Date"] = format_datetime(batch.minute)
    message["Message-ID"] = message_id(batch, sender)
    if batch.answers:
        message["In-Reply-To"] = message_id(batch.answers, sender)
        message["References"] = message_id(batch.answers, sender)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(_template("alert.txt").render(mail=digest), cte="quoted-printable")
    message.add_alternative(_template("alert.html").render(mail=digest), subtype="html", cte="quoted-printable")
    message.set_boundary(f"=_{batch.digest[:40]}")
    return message


def message_id(batch: Batch, sender: str) -> str:
    """Name the mail of a batch, the same for every attempt to send it."""
    domain = re.sub(r"[^A-Za-z0-9.-]", "", parseaddr(sender)[1].rpartition("@")[2]) or "localhost"
    return f"<{batch.digest}@{domain}>"


def _digest(batch: Batch, public_url: str | None, rules: Mapping[str, AlertRule]) -> Digest:
    transitions = sorted(batch.transitions, key=lambda one: (one.event is not Event.FIRING, -one.ratio, one.series))
    listed = transitions[:MOST_ROWS]
    title = _title(transitions)
    first = transitions[0]
    return Digest(
        subject=_subject(batch),
        title=title,
        lead=f"{'Found' if len(transitions) > 1 else _WORDS[first.event]} at {formats.moment(batch.minute)}.",
        minute=formats.moment(batch.minute),
        rows=tuple(_row(one, public_url, rules.get(one.rule)) for one in listed),
        more=len(transitions) - len(listed),
        more_link=f"{public_url}/alerts.html" if public_url else None,
        run_url=batch.run_url,
        rules=tuple(sorted({one.rule for one in transitions})),
        preview=f"{_headline(first)}; {_WORDS[first.event].lower()} at {formats.moment(batch.minute)}",
    )


def _subject(batch: Batch) -> str:
    """Say the news without a date, which would split the thread."""
    transitions = sorted(batch.transitions, key=lambda one: (one.event is not Event.FIRING, -one.ratio, one.series))
    first, firing = transitions[0], [one for one in transitions if one.event is Event.FIRING]
    if len(transitions) == 1:
        return f"[tracker] {_name(first)} {_news(first)}"
    if not firing:
        return f"[tracker] {len(transitions):,} alerts ended, first {_name(first)}"
    ended = len(transitions) - len(firing)
    counts = f"{formats.plural(len(firing), 'alert')}" + (f" and {ended:,} ended" if ended else "")
    return f"[tracker] {counts}, first {_name(first)} {_short_ratio(first.ratio)}"


def _news(one: Transition) -> str:
    if one.event is Event.FIRING:
        return f"{_short_ratio(one.ratio)} its 1 h mean" if isfinite(one.ratio) else "rose from 0"
    spent = formats.duration(one.minute - one.fired).replace(formats.NO_BREAK, " ")
    return f"resolved after {spent}" if one.event is Event.RESOLVED else f"lost sight of after {spent}"


def _title(transitions: list[Transition]) -> str:
    if len(transitions) == 1:
        return _headline(transitions[0])
    counts = [(_WORDS[event].lower(), sum(one.event is event for one in transitions)) for event in Event]
    return formats.plural(len(transitions), "alert") + ": " + ", ".join(f"{n:,} {word}" for word, n in counts if n)


def _headline(one: Transition) -> str:
    verb = "is " if one.event is Event.FIRING and isfinite(one.ratio) else ""
    return f"{_name(one)} {verb}{_news(one)}"


def _row(one: Transition, public_url: str | None, rule: AlertRule | None) -> Row:
    market = one.series.market
    value = _price if one.series.metric is Metric.PRICE else _volume
    facts = [
        ("Latest", value(one, one.latest)),
        ("1 h mean before it", f"{value(one, one.mean_1h)} ({one.n_1h} of 60 minutes)"),
        ("Ratio", formats.ratio(one.ratio) if isfinite(one.ratio) else "from 0"),
        ("Fires above", f"{value(one, one.mean_1h * float(one.factor))} ({one.factor}× the mean)"),
    ]
    if one.event is not Event.FIRING:
        spent = f"{formats.duration(one.minute - one.fired)}, {formats.plural(one.rises, 'rise')}"
        facts = [
            ("Fired", formats.moment(one.fired)),
            (_WORDS[one.event], f"{formats.moment(one.minute)} (open for {spent})"),
            ("Peak ratio", formats.ratio(one.peak_ratio) if isfinite(one.peak_ratio) else "from 0"),
            *facts[:3],
        ]
    return Row(
        event=one.event.value,
        word=_WORDS[one.event],
        name=_name(one),
        exchange=_clean(market.exchange),
        headline=_headline(one),
        note=_NOTES.get(one.event),
        facts=tuple((label, text.replace(formats.NO_BREAK, " ")) for label, text in facts),
        bars=_bars(one),
        rule=f"{one.rule} ({rule.severity.value})" if rule else one.rule,
        runbook=rule.runbook if rule else None,
        link=f"{public_url}/m/{market.slug}.html" if public_url else None,
    )


def _bars(one: Transition) -> tuple[tuple[str, str, int], ...]:
    """Draw latest, limit and mean to one scale; nothing to draw over a mean of 0."""
    if not isfinite(one.ratio) or not one.mean_1h:
        return ()
    limit = float(one.factor)
    longest = max(one.ratio, limit, 1.0)
    parts = (("latest", one.ratio), ("fires above", limit), ("1 h mean", 1.0))
    return tuple((label, _short_ratio(ratio), round(100 * ratio / longest)) for label, ratio in parts)


def _name(one: Transition) -> str:
    return f"{_clean(one.series.market.base)}/{_clean(one.series.market.quote)} {one.series.metric.label}"


def _clean(text: str) -> str:
    """Make a name from outside safe in a header and honest in a line: no control characters, no change of direction."""
    visible = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(one)[0] in "CZ" else one for one in text)
    return visible if len(visible) <= _LONGEST_NAME else f"{visible[: _LONGEST_NAME - 1]}…"


def _price(one: Transition, value: float) -> str:
    return f"{_number(value)} {_clean(one.series.market.quote)}"


def _volume(one: Transition, value: float) -> str:
    return f"{_number(value)} {_clean(one.series.market.base)}"


def _number(value: float) -> str:
    """Write 6 significant digits as pages do, but with every zero: a mail has nothing to hover over."""
    number = formats.price(value)
    return number.text if number.full is None else formats.plain(Decimal(f"{value:.6g}"))


def _short_ratio(ratio: float) -> str:
    """Cut, not rounded, to 2 decimals."""
    return f"{int(Decimal(repr(ratio)) * 100) / Decimal(100):,.2f}×" if isfinite(ratio) else "from 0"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["bar"] = lambda percent: "█" * max(1, round(percent * _BAR / 100))
    return environment


def _template(name: str) -> Template:
    return _environment().get_template(name)


# how it goes -----------------------------------------------------------------------------------


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
        smtp = self._open()
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
            raise MailUnavailable(f"{self._where}: {_said(error)}; the mail waits and is tried again") from error
        finally:
            _leave(smtp)

    def check(self) -> None:
        """Connect, say hello and log in as a mail would, and leave; MailUnavailable says what is wrong."""
        _leave(self._open())

    @property
    def _where(self) -> str:
        return f"mail server {self._server.host}:{self._server.port}"

    def _open(self) -> smtplib.SMTP:
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
        except ssl.SSLError as error:
            hint = "the connection smtp_default says disable_ssl and disable_tls for a server without TLS"
            raise MailUnavailable(f"{where}: no TLS ({error.reason or error}); {hint}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailUnavailable(f"{where}: {_said(error)}; the mail waits and is tried again") from error

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
    return MailUnavailable(f"{said}; the mail waits and is tried again")


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
