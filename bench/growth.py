"""How the statistics' time and memory grow with series and with hours, as a table and as a plot.

`python -m bench.growth [--svg docs/growth.svg]`: medians of three fresh processes each, work without imports.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.window import Runs, compare, made

ENGINES = ("ours", "DuckDB", "floor, 1 thread")
COLOURS = {"ours": "#0b6e4f", "DuckDB": "#b35900", "floor, 1 thread": "#888888"}
SERIES = (30, 100, 300, 1000, 3000, 10_000)
HOURS = (3, 6, 12, 24)
RUNS = 3

Line = list[tuple[float, float]]


def along(sizes: Sequence[tuple[int, int]]) -> list[Runs]:
    """Measure stores of (series, hours)."""
    found = []
    for series, hours in sizes:
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            made(folder, series, hours)
            found.append(compare(folder, ENGINES, RUNS))
    return found


def table(what: str, sizes: Sequence[int], found: Sequence[Runs]) -> str:
    """Give a Markdown table."""
    head = "".join(f" {name}, ms |" for name in ENGINES) + " ours, peak MB |"
    lines = [f"| {what} |{head}", "|---|" + "---|" * (len(ENGINES) + 1)]
    for size, runs in zip(sizes, found, strict=True):
        cells = "".join(f" {runs[name]['work'] * 1e3:.0f} |" for name in ENGINES)
        lines.append(f"| {size:,} |{cells} {runs['ours']['peak']:.0f} |")
    return "\n".join(lines)


def plot(panels: Sequence[tuple[str, dict[str, Line]]]) -> str:
    """Draw panels of lines, both axes logarithmic."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 320" font-family="sans-serif" font-size="12">',
        "<title>Time of the statistics by number of series and of hours</title>",
        '<rect width="760" height="320" fill="#fff"/>',
    ]
    for number, (name, lines) in enumerate(panels):
        left, top, width, height = 50 + number * 375, 30, 285, 235
        xs = [x for line in lines.values() for x, _ in line]
        low_x, high_x = math.log10(min(xs)), math.log10(max(xs))

        def at(x: float, y: float, left: int = left, low: float = low_x, high: float = high_x) -> tuple[float, float]:
            """Place a point; milliseconds from 10 to 1,000."""
            return left + 285 * (math.log10(x) - low) / (high - low), 265 - 235 * (math.log10(y) - 1) / 2

        parts.append(f'<text x="{left}" y="18" font-weight="bold">{name}</text>')
        for y in (10, 30, 100, 300, 1000):
            _, height_of = at(xs[0], y)
            parts.append(f'<path d="M{left} {height_of:.1f}h{width}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 6}" y="{height_of + 4:.1f}" text-anchor="end">{y}</text>')
        for x in sorted(set(xs)):
            place, _ = at(x, 10)
            parts.append(f'<text x="{place:.1f}" y="{top + height + 18}" text-anchor="middle">{x:,.0f}</text>')
        for name_of, line in lines.items():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name_of]}" stroke-width="2"/>')
    for number, (name, colour) in enumerate(COLOURS.items()):
        parts.append(f'<path d="M{50 + number * 150} 304h20" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{76 + number * 150}" y="308">{name}, ms</text>')
    return "\n".join([*parts, "</svg>\n"])


def main(arguments: list[str]) -> int:
    """Print the tables, and draw them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args(arguments)
    by_series = along([(series, 24) for series in SERIES])
    by_hours = along([(1000, hours) for hours in HOURS])
    print(table("series, 24 h", SERIES, by_series))
    print(table("hours, 1,000 series", HOURS, by_hours))
    if options.svg:
        panels = []
        for name, sizes, found in (
            ("24 h, by series", SERIES, by_series),
            ("1,000 series, by hours", HOURS, by_hours),
        ):
            lines = {
                one: [(float(size), runs[one]["work"] * 1e3) for size, runs in zip(sizes, found, strict=True)]
                for one in ENGINES
            }
            panels.append((name, lines))
        options.svg.write_text(plot(panels), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
