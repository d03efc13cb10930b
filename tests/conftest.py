"""Fixtures that more than one folder of tests asks for."""

from hypothesis import settings

pytest_plugins = ("tests.support.store", "tests.support.exchange", "tests.support.browser")

settings.register_profile("tracker", deadline=None)  # a slow machine is not a broken law
settings.load_profile("tracker")
