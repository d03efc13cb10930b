"""The benches of the store that need no other engine, in small: they run, and find nothing wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench import __main__ as benches
from bench import accuracy, growth, reading, size, witness
from tracker.model import MINUTE, iso
from tracker.settings import ROOT


def test_every_bench_is_listed_and_takes_its_arguments() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "bench").glob("*.py")}
    measures_nothing = {"__main__", "engines", "pictures"}  # engines: of bench.window; pictures: of the docs
    runs = {name for name, text in texts.items() if "\ndef main(" in text} - measures_nothing
    assert runs | {"lighthouse"} == {*benches.QUICK, *benches.LONG}
    assert [name for name in runs if not re.search(r"^def main\(\w+: ", texts[name], re.MULTILINE)] == []


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
    drawn = growth.plot([("all", "series", {name: [(30.0, 50.0), (1000.0, 99.0)] for name in runs})])
    assert drawn.count("<polyline") == len(growth.ENGINES)
    assert "| 30 | 50 | 50 | 50 | 90 |" in growth.table("series", [30], [runs])


BEGAN = datetime(2026, 11, 23, 22, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def shown() -> list[dict[str, Any]]:
    """Samples as the exchange gave them: ten minutes of a market, every other one from its candle."""
    saw, rows = witness.Witness(), []
    for n in range(10):
        for metric in ("price", "volume_24h"):
            at = BEGAN + n * MINUTE
            row = {"market": "coinbase:BTC-USD", "metric": metric, "minute": iso(at)}
            row |= {"observed_at": iso(at + timedelta(seconds=4)), "origin": ("poll", "candle")[n % 2]}
            [value] = saw.shown(row)
            rows.append(row | {"value": value})
    return rows


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda rows: rows, []),
        (lambda rows: rows[1:], ["coinbase:BTC-USD price 22:10 is lost"]),
        (lambda rows: [*rows, rows[3]], ["coinbase:BTC-USD volume_24h 22:11 is there 2 times"]),
        (
            lambda rows: [rows[0] | {"value": rows[4]["value"]}, *rows[1:]],
            ["coinbase:BTC-USD price 2026-11-23T22:10:00Z"],
        ),
        (
            lambda rows: [rows[0], rows[1] | {"value": rows[1]["value"] * 1.0001}, *rows[2:]],
            ["coinbase:BTC-USD volume_24h"],
        ),
    ],
)
def test_a_witness_of_the_exchange_sees_what_is_lost_twice_or_wrong(shown, harm, said) -> None:
    found = witness.faults(harm(shown), ["BTC-USD"], ["price", "volume_24h"], (BEGAN, BEGAN + 9 * MINUTE))
    assert len(found) == len(said)
    assert all(one.startswith(start) for one, start in zip(found, said, strict=True))


def test_a_standstill_is_counted_in_minutes_without_a_poll(shown: list[dict[str, Any]]) -> None:
    span = (BEGAN, BEGAN + 9 * MINUTE)
    assert witness.standstill(shown, span) == 1  # every other minute is from its candle
    assert witness.standstill(shown[:6], span) == 7
    assert witness.standstill([], span) == 10
