"""What a mail says: compose() writes the mail of a batch, the same bytes for the same batch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from tracker.alerts.values import AlertRule, Batch, Event, MassRise, Transition, by_urgency
from tracker.mail.sparkline import Sparkline, sparkline
from tracker.model import DAY
from tracker.site import formats, wording

MOST_ROWS = 25
"""More alerts than this are counted, not listed."""

MOST_OF_A_MASS = 3
"""Of a mass rise so many alerts are listed."""

_TEMPLATES = Path(__file__).resolve().parents[2] / "resources" / "mail"
_BAR = 30  # characters of the longer bar of the text part
_NOTES = {Event.EXPIRED: "No usable sample for an hour, so nobody knows whether it ended."}
_WORDS = {Event.FIRING: "Fired", Event.RESOLVED: "Resolved", Event.EXPIRED: "Lost sight of"}


@dataclass(frozen=True, slots=True)
class Row:
    """One alert as the mail tells it: every text is ready to be read, no number is left to choose."""

    event: str  # firing, resolved or expired
    word: str
    name: str  # ENG/BTC price
    exchange: str
    headline: str
    note: str | None
    chart: Sparkline | None
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
    warnings: tuple[str, ...]
    rows: tuple[Row, ...]
    more: int  # alerts that are not listed
    more_link: str | None
    run_url: str | None
    rules: tuple[str, ...]
    silence: tuple[str, ...]  # the lines of silences.toml that would stop the mails about the first row
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
    return f"<{batch.digest}@{domain_of(sender)}>"


def domain_of(sender: str) -> str:
    """Give the domain of an address, as the right side of a Message-ID."""
    return re.sub(r"[^A-Za-z0-9.-]", "", parseaddr(sender)[1].rpartition("@")[2]) or "localhost"


def _digest(batch: Batch, public_url: str | None, rules: Mapping[str, AlertRule]) -> Digest:
    transitions = by_urgency(batch.transitions)
    listed = _listed(transitions, batch.mass)
    first = transitions[0]
    at = formats.moment(batch.minute)
    return Digest(
        subject=_subject(batch),
        title=_title(transitions),
        lead=f"{'Found' if len(transitions) > 1 else _WORDS[first.event]} at {at}.",
        warnings=tuple(map(_warning, batch.mass)),
        rows=tuple(_row(one, batch, public_url, rules.get(one.rule)) for one in listed),
        more=len(transitions) - len(listed),
        more_link=f"{public_url}/alerts.html" if public_url else None,
        run_url=batch.run_url,
        rules=tuple(sorted({one.rule for one in transitions})),
        silence=_silence(first),
        preview=f"{wording.headline(first)}; {_WORDS[first.event].lower()} at {at}",
    )


def _listed(transitions: Sequence[Transition], mass: Sequence[MassRise]) -> list[Transition]:
    """Choose what is listed: of a mass rise a few, of all together at most MOST_ROWS."""
    left = {(one.rule, one.exchange): MOST_OF_A_MASS for one in mass}
    found = []
    for one in transitions:
        key = one.rule, one.series.market.exchange
        if one.event is Event.FIRING and key in left:
            left[key] -= 1
            if left[key] < 0:
                continue
        found.append(one)
    return found[:MOST_ROWS]


def _warning(one: MassRise) -> str:
    exchange = wording.clean(one.exchange)
    return (
        f"Check the source first: {one.count:,} of {one.of:,} series of {exchange} did this in one minute "
        f"({one.rule}). Units or scale may have changed there."
    )


def _subject(batch: Batch) -> str:
    """Say the news without a date, which would split the thread."""
    transitions = by_urgency(batch.transitions)
    first, firing = transitions[0], [one for one in transitions if one.event is Event.FIRING]
    if len(transitions) == 1:
        return f"[tracker] {wording.name(first.series)} {wording.news(first)}"
    if not firing:
        return f"[tracker] {len(transitions):,} alerts ended, first {wording.name(first.series)}"
    ended = len(transitions) - len(firing)
    counts = f"{formats.plural(len(firing), 'alert')}" + (f" and {ended:,} ended" if ended else "")
    what = wording.news(first) if first.kind.silence else wording.extent(first)
    return f"[tracker] {counts}, first {wording.name(first.series)} {what}"


def _title(transitions: list[Transition]) -> str:
    if len(transitions) == 1:
        return wording.headline(transitions[0])
    counts = [(_WORDS[event].lower(), sum(one.event is event for one in transitions)) for event in Event]
    told = [(word, n) for word, n in counts if n]
    if len(told) == 1:
        return f"{formats.plural(len(transitions), 'alert')} {told[0][0]}"
    return formats.plural(len(transitions), "alert") + ": " + ", ".join(f"{n:,} {word}" for word, n in told)


def _row(one: Transition, batch: Batch, public_url: str | None, rule: AlertRule | None) -> Row:
    facts = [*wording.facts(one)]
    if one.event is not Event.FIRING:
        spent = f"{formats.duration(one.minute - one.fired)}, {formats.plural(one.rises, 'rise')}"
        facts = [
            ("Fired", formats.moment(one.fired)),
            (_WORDS[one.event], f"{formats.moment(one.minute)} (open for {spent})"),
            ("Peak", wording.peak(one)),
            *facts[:-1],
        ]
    elif one.reopened:
        facts.append(("First fired", formats.moment(one.fired)))
    chart = batch.charts.get(one.id)
    return Row(
        event=one.event.value,
        word=_WORDS[one.event],
        name=wording.name(one.series),
        exchange=wording.clean(one.series.market.exchange),
        headline=wording.headline(one),
        note=_NOTES.get(one.event),
        chart=sparkline(chart, wording.number) if chart else None,
        facts=tuple((label, text.replace(formats.NO_BREAK, " ")) for label, text in facts),
        bars=_bars(one),
        rule=f"{one.rule} ({rule.severity.value})" if rule else one.rule,
        runbook=rule.runbook if rule else None,
        link=f"{public_url}/{wording.page(one.series.market)}" if public_url else None,
    )


def _silence(one: Transition) -> tuple[str, ...]:
    """Give the table of silences.toml that would stop the mails about this series and rule for a day."""
    market = wording.clean(str(one.series.market)).replace("\\", "").replace('"', "")
    until = f"{one.minute + DAY:%Y-%m-%dT%H:%M:%SZ}"
    return ("[[silence]]", f'markets = ["{market}"]', f'rule = "{one.rule}"', f"until = {until}", 'reason = "…"')


def _bars(one: Transition) -> tuple[tuple[str, str, int], ...]:
    """Draw latest, limit and base to one scale."""
    parts = wording.bars(one)
    longest = max((length for *_, length in parts), default=0.0)
    return tuple((label, text, round(100 * length / longest)) for label, text, length in parts if longest)


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
