"""The page of alerts: what is open, what happened and why, what is silent, and how mails fare."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tracker.alerts import Delivery, Event, Silence, State, Transition
from tracker.model import DAY
from tracker.site import wording
from tracker.site.content import Content
from tracker.site.formats import count, plural
from tracker.site.pages import Alert, Card, Frame, Link, Proof
from tracker.site.proof import alerts_sql
from tracker.site.ranking import STATE_ORDER

ALERTS_SHOWN = 30 * DAY
"""Alerts of so long before the minute are on the site."""

SHOWN_ENDED = 200
SHOWN_RECENT = 100


@dataclass(frozen=True, slots=True)
class Happening:
    """One change of an alert: what happened, the numbers that decided it, and why nobody was told, if nobody was."""

    minute: datetime
    name: str
    exchange: str
    href: str
    event: str
    what: str
    why: str
    untold: str | None


@dataclass(frozen=True, slots=True)
class AlertsPage:
    """What is open, what happened and ended, what is silent, how mails fare, and how many series are in which state."""

    frame: Frame
    open: tuple[Alert, ...]
    recent: tuple[Happening, ...]
    more: int  # changes of the last 24 h that are not listed
    ended: tuple[Alert, ...]
    cards: tuple[Card, ...]
    rules: tuple[tuple[str, str], ...]  # name, and when it fires
    silences: tuple[Silence, ...]
    mails: tuple[Delivery, ...]
    mail_configured: bool


def alerts_page(content: Content) -> AlertsPage:
    """Give what is open, what happened and ended, what is silent, how mails fare, and how many are in which state."""
    states = [content.state(series) for series in content.by_series]
    opened = tuple(one for one in content.alerts if one.open)
    description = f"{plural(len(opened), 'alert')} open." if opened else "No alert is open."
    lately = [one for one in content.transitions if one.minute > content.minute - DAY]
    return AlertsPage(
        frame=content.frame(
            "alerts.html",
            "Alerts",
            description,
            proof=Proof(sql=alerts_sql(content.minute, ALERTS_SHOWN), objects=content.objects()),
            downloads=(Link("JSON", "api/v1/alerts.json"),),
        ),
        open=opened,
        recent=tuple(map(_happening, lately[: -SHOWN_RECENT - 1 : -1])),
        more=max(0, len(lately) - SHOWN_RECENT),
        ended=tuple(one for one in content.alerts if not one.open)[:SHOWN_ENDED],
        cards=tuple(_card(state, states.count(state)) for state in STATE_ORDER),
        rules=tuple((rule.name, wording.condition(rule)) for rule in content.rules),
        silences=tuple(sorted(content.status.silences, key=lambda one: one.until, reverse=True)),
        mails=content.status.mails,
        mail_configured=content.status.mail_configured,
    )


def _card(state: State, series: int) -> Card:
    return Card(wording.state(state), count(series), "series", tone="hot" if series and state is State.FIRING else "")


def _happening(one: Transition) -> Happening:
    return Happening(
        minute=one.minute,
        name=wording.name(one.series),
        exchange=one.series.market.exchange,
        href=wording.page(one.series.market),
        event=one.event.value,
        what=wording.news(one) if one.event is Event.FIRING else f"after {wording.lasted(one)}",
        why="; ".join(f"{label.lower()} {text}" for label, text in wording.facts(one)),
        untold="replayed" if one.would_have_fired else one.muted,
    )
