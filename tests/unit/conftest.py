"""One made day, rendered once, for all tests of pages."""

from __future__ import annotations

import pytest

from tests.support import site


@pytest.fixture(scope="session")
def eventful():
    return site.eventful_day()


@pytest.fixture(scope="session")
def files(eventful):
    return eventful.render()
