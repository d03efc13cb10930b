"""What the docs promise exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.docs import PAGES
from tracker import errors
from tracker.settings import ROOT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path):
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_troubleshooting_explains_every_error_a_person_can_meet():
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    kinds = {one.__name__ for one in vars(errors).values() if isinstance(one, type)}
    assert kinds - {"TrackerError", "RetriableError"} <= set(re.findall(r"`(\w+)`", page))


def test_every_make_target_of_the_pages_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        name for page in PAGES for name in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert named >= {"demo", "test", "up"}
    assert named <= targets


PICTURES = [
    (page, one) for page in PAGES for one in re.findall(r"<picture>.*?</picture>", page.read_text("utf-8"), re.DOTALL)
]


def test_pictures_are_there_light_and_dark_small_and_told_in_words():
    assert PICTURES
    named = set()
    for page, one in PICTURES:
        files = [page.parent / name for name in re.findall(r'(?:src|srcset)="([^"]+)"', one)]
        assert [re.sub("dark|light", "", file.name) for file in files] == [re.sub("dark|light", "", files[0].name)] * 2
        assert all(1_000 < file.stat().st_size < 150_000 for file in files)
        assert len(re.findall(r'alt="[^"]{40,}"', one)) == 1
        named |= {file.resolve() for file in files}
    assert named == set((ROOT / "docs" / "images").resolve().iterdir())
