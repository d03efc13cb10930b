"""The commands that the docs tell people to type."""

from __future__ import annotations

import re
from pathlib import Path

from tracker.settings import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def shell(page: Path) -> str:
    """Give all shell blocks of a page, in their order."""
    return "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))


def documented(page: str, start: str) -> str:
    """Give the one line of a page's shell blocks that starts so; AssertionError when it does not say it."""
    [line] = [line for line in shell(ROOT / page).splitlines() if line.startswith(start)]
    return line.partition(" #")[0].strip()
