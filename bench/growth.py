"""How the statistics' time and memory grow with series and with hours, as a table and as a plot.

`python -m bench.growth [--svg docs/growth.svg]`: medians of three fresh processes each, work without imports.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.window import Runs, compare, made

ENGINES = ("ours", "DuckDB", "floor, 1 thread")
COLOURS = {"ours": "#0b6e4f", "DuckDB": "#b35900", "floor, 1 thread": "#777777"}
SERIES = (30, 100, 300, 1000, 3000, 10_000)
HOURS = (3, 6, 12, 24)
RUNS = 3

TICKS = (3, 10, 30, 100, 300, 1000, 3000, 10_000)
WIDTH, HEIGHT = 300, 240
"""Of the grid of a panel."""

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


def plot(panels: Sequence[tuple[str, str, dict[str, Line]]]) -> str:
    """Draw panels (title, what x counts, lines) side by side: milliseconds, both axes logarithmic."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 365" font-family="sans-serif" font-size="12">',
        "<title>Time of the statistics by number of series and of hours</title>",
        '<rect width="800" height="365" fill="#fff"/>',
    ]
    for number, one in enumerate(panels):
        parts += [f'<g transform="translate({55 + number * 390} 40)">', *panel(*one), "</g>"]
    for number, (name, colour) in enumerate(COLOURS.items()):
        parts.append(f'<g transform="translate({55 + number * 150} 348)" stroke="{colour}" fill="{colour}">')
        parts.append(f'<path d="M0 0h24" stroke-width="2"/>{dot(12, 0)}')
        parts.append(f'<text x="30" y="4" stroke="none" fill="#222">{name}</text></g>')
    return "\n".join([*parts, "</svg>\n"])


def panel(title: str, counted: str, lines: dict[str, Line]) -> Iterator[str]:
    """Draw one panel, its origin at the upper left corner of the grid."""
    xs = sorted({x for line in lines.values() for x, _ in line})
    ys = [y for line in lines.values() for _, y in line]
    low, high = (
        math.log(tick) for tick in (max(t for t in TICKS if t <= min(ys)), min(t for t in TICKS if t >= max(ys)))
    )

    def place(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / xs[0]) / math.log(xs[-1] / xs[0])
        return round(WIDTH * across, 1), round(HEIGHT * (high - math.log(y)) / (high - low), 1)

    yield f'<text y="-18" font-weight="bold">{title}</text>'
    for tick in (one for one in TICKS if low <= math.log(one) <= high):
        _, y = place(xs[0], tick)
        yield f'<path d="M0 {y}h{WIDTH}" stroke="#ddd"/>'
        yield f'<text x="-8" y="{y + 4}" text-anchor="end">{tick:,}</text>'
    for x in xs:
        yield f'<text x="{place(x, ys[0])[0]}" y="{HEIGHT + 18}" text-anchor="middle">{x:,.0f}</text>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT + 38}" text-anchor="middle" fill="#555">{counted}</text>'
    for name, line in lines.items():
        points = [place(*one) for one in line]
        path = " ".join(f"{x},{y}" for x, y in points)
        yield f'<g stroke="{COLOURS[name]}" fill="{COLOURS[name]}">'
        yield f'<polyline points="{path}" fill="none" stroke-width="2"/>'
        yield from (dot(*one) for one in points)
        yield "</g>"


def dot(x: float, y: float) -> str:
    return f'<circle cx="{x}" cy="{y}" r="2.5"/>'


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
        for name, counted, sizes, found in (
            ("Statistics of 24 h, ms", "series", SERIES, by_series),
            ("Statistics of 1,000 series, ms", "hours", HOURS, by_hours),
        ):
            lines = {
                one: [(float(size), runs[one]["work"] * 1e3) for size, runs in zip(sizes, found, strict=True)]
                for one in ENGINES
            }
            panels.append((name, counted, lines))
        options.svg.write_text(plot(panels), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
