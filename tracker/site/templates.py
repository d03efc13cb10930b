"""The templates of site_templates/, read once."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tracker.site import assets, formats, wording
from tracker.site.ranking import STATE_ORDER


def html(template: str, page: Any, styles: tuple[str, ...], scripts: tuple[str, ...]) -> bytes:
    """Write a page with the named style sheets and scripts in it."""
    text = (
        environment()
        .get_template(f"{template}.html")
        .render(
            page=page,
            frame=page.frame,
            home=f"{page.frame.about.public_url}/" if page.frame.about.public_url else page.frame.root,
            style=assets.style(*styles),
            script=assets.script(*scripts),
        )
    )
    return text.encode()


def prepare() -> None:
    """Compile every template, for the processes forked from this one: a fifth of a second that each would spend."""
    for name in environment().list_templates(extensions=["html"]):
        environment().get_template(name)


@cache
def environment() -> Environment:
    """Give the templates of site_templates/ with the filters they use."""
    environment = Environment(
        loader=FileSystemLoader(assets.TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals |= {"logo": assets.logo(), "favicon": assets.favicon_uri()}
    environment.filters |= {
        "epoch": lambda at: int(at.timestamp()),
        "time": formats.time_tag,
        "clock": formats.clock,
        "count": formats.count,
        "duration": formats.duration,
        "size": formats.size,
        "words": wording.state,
        "about": wording.about,
        "page": wording.page,
        "order": STATE_ORDER.index,
    }
    return environment
