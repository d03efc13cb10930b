"""The benches of the store that need no other engine, in small: they run, and find nothing wrong."""

from __future__ import annotations

import pytest

from bench import accuracy, growth, reading, size


def test_hostile_series_keep_nine_digits_and_their_ranks(capsys: pytest.CaptureFixture[str]) -> None:
    assert accuracy.main([]) == 0
    said = capsys.readouterr().out
    assert "TAKEN" not in said
    assert "WRONG" not in said
    assert said.count("exactly 0") >= 3


def test_a_range_is_read_in_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert reading.main(["--series", "4", "--days", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["1", "5760"]


def test_gorilla_spends_a_bit_on_a_value_that_repeats() -> None:
    import numpy as np

    assert size.gorilla(np.full(100, 0.1)) == 64 + 99
    assert size.ticks(np.array([1.5, 1.6, 1.5])) == 8 + 8 + 8
    assert size.gorilla(np.array([1.0, 1.5])) == 64 + 2 + 5 + 6 + 1


def test_the_plot_holds_every_point() -> None:
    runs = {name: {"work": 0.05, "peak": 90.0} for name in growth.ENGINES}
    drawn = growth.plot([("by series", {name: [(30.0, 50.0), (1000.0, 99.0)] for name in runs})])
    assert drawn.count("<polyline") == len(growth.ENGINES)
    assert "| 30 | 50 | 50 | 50 | 90 |" in growth.table("series", [30], [runs])
