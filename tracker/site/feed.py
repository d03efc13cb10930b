"""The alerts as an Atom feed (RFC 4287): an entry per change, with an id that never changes (RFC 4151)."""

from __future__ import annotations

from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

from tracker.alerts import Event, Transition
from tracker.model import DAY, iso
from tracker.site import wording
from tracker.site.content import Content
from tracker.site.formats import NO_BREAK, moment

FEWEST, MOST = 100, 3000
"""The feed holds the changes of the last 24 h, and of days with few or very many the newest of so many."""

_ATOM = "http://www.w3.org/2005/Atom"
_BEGINNING = "2026-01-01T00:00:00Z"


def feed(content: Content) -> bytes:
    """Give feed.xml. Its bytes change only when an alert does."""
    ET.register_namespace("", _ATOM)
    public = content.about.public_url
    root = ET.Element(f"{{{_ATOM}}}feed")
    lately = sum(one.minute > content.minute - DAY for one in content.transitions)
    newest = content.transitions[::-1][: min(max(lately, FEWEST), MOST)]
    _add(root, "id", f"{_tag(public)}alerts")
    _add(root, "title", "tracker: alerts")
    _add(root, "updated", iso(newest[0].minute) if newest else _BEGINNING)
    _add(_add(root, "author"), "name", "tracker")
    if public:
        _add(root, "link", rel="self", href=f"{public}/feed.xml")
    _add(root, "link", rel="alternate", type="text/html", href=f"{public}/alerts.html" if public else "alerts.html")
    for one in newest:
        _entry(root, one, public)
    ET.indent(root)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _tag(public: str | None) -> str:
    return f"tag:{(urlsplit(public).hostname if public else None) or 'localhost'},2026:"


def _entry(root: ET.Element, one: Transition, public: str | None) -> None:
    market = one.series.market
    entry = _add(root, "entry")
    _add(entry, "id", _tag(public) + quote(one.id, safe="/:"))
    _add(entry, "title", f"{_clean(wording.headline(one))} ({_clean(market.exchange)})".replace(NO_BREAK, " "))
    _add(entry, "updated", iso(one.minute))
    page = wording.page(market)
    _add(entry, "link", rel="alternate", type="text/html", href=f"{public}/{page}" if public else page)
    numbers = "; ".join(f"{label.lower()} {text}" for label, text in wording.facts(one)).replace(NO_BREAK, " ")
    said = f"{numbers}; at {moment(one.minute)}."
    if one.event is not Event.FIRING:
        said += f" Open since {moment(one.fired)}, {one.rises} rise{'s' if one.rises != 1 else ''}."
    if one.would_have_fired or one.muted:
        said += f" Not mailed: {_clean(one.muted or 'replayed')}."
    _add(entry, "content", f"Rule {_clean(one.rule)}: {said}", type="text")


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    child.text = text
    return child


def _clean(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return "".join(one for one in text if one >= " ")
