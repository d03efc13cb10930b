"""Fixtures that more than one folder of tests asks for."""

pytest_plugins = ("tests.support.store", "tests.support.exchange")
