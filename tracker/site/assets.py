"""Styles and scripts as the pages carry them: inlined, without comments and indentation."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup

_SPARE = re.compile(r"('[^'\n]*'|`[^`]*`)|/\*.*?\*/| ?([{}()\[\],;:?=<>&|]+) ?")
"""A string of a script, which stays; a comment, which goes; or punctuation with the blanks around it."""

TEMPLATES = Path(__file__).resolve().parents[2] / "site_templates"


@dataclass(frozen=True, slots=True)
class Script:
    """An inline script, and its hash as a Content-Security-Policy names it."""

    text: Markup
    hash: str


def _read(name: str) -> str:
    return (TEMPLATES / "assets" / name).read_text(encoding="utf-8")


@cache
def style(*names: str) -> Markup:
    """Give style sheets as one line each rule."""
    text = "".join(_read(f"{name}.css") for name in names)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" ?([{};,]) ?", r"\1", text)
    return Markup(re.sub(r": (?![^{}]*\{)", ":", text).replace(";}", "}").strip())  # noqa: S704  our own files


@cache
def script(*names: str) -> Script:
    """Give scripts as one, without comments, indentation, and blanks around punctuation."""
    lines = (line.strip() for name in names for line in _read(f"{name}.js").splitlines())
    text = "\n".join(line for line in lines if line and not line.startswith("//"))
    text = _SPARE.sub(lambda found: found[1] or found[2] or "", text)
    text = f"(()=>{{{text}}})()"
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Script(Markup(text), f"'sha256-{digest}'")  # noqa: S704  our own files


@cache
def logo() -> Markup:
    """Give the logo as inline SVG."""
    return Markup(_read("favicon.svg").strip())  # noqa: S704  our own file


@cache
def favicon() -> bytes:
    """Give the icon as a file."""
    return _read("favicon.svg").encode()


@cache
def card() -> bytes:
    """Give the picture that others show beside a link to the site: 1200 x 630, for they read no SVG."""
    return (TEMPLATES / "assets" / "card.png").read_bytes()


@cache
def favicon_uri() -> Markup:
    """Give the icon for a data: URI, so that no page asks for a second file; like the logo, so that it packs well."""
    return Markup(logo().replace("#", "%23"))  # noqa: S704  our own file
