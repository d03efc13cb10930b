"""Read a TOML file of tables and remember where each key stands, so that an error can point at its line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tracker.errors import ConfigError

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\"'-]+)\s*\]")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*(?:\.[^=]*)?=")
_TRIPLE = re.compile(r'"""|\'\'\'')


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a file: its values, what it is called in messages, and the line of each key."""

    file: str
    title: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    def error(self, what: str, key: str = "") -> ConfigError:
        """Make the error that says `what` is wrong, at the line of `key` or of the table."""
        line = self.lines.get(key) or self.lines.get("")
        return ConfigError(f"{self.file}{f':{line}' if line else ''}: {self.title}: {what}")

    def only(self, known: Iterable[str]) -> None:
        """Raise at the first key that is not known."""
        names = sorted(known)
        for key in self.values:
            if key not in names:
                raise self.error(f"unknown key {key!r}{near(key, names)}; known: {', '.join(names)}", key)

    def choice(self, key: str, value: object, known: Sequence[str]) -> str:
        """Give the value if it is one of the known words, else raise."""
        if value not in known:
            raise self.error(f"{key} {value!r} is none of {', '.join(known)}{near(value, known)}", key)
        return str(value)


class Document:
    """A TOML file. Decimals stay as they are written. Raises ConfigError naming the line."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        try:
            self._raw: dict[str, Any] = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            place = re.search(r"at line (\d+)", str(error))
            line = int(place[1]) if place else len(text.splitlines())  # "at end of document"
            raise ConfigError(f"{file}:{line}: not TOML: {error}") from error
        self._lines = _lines(text)

    def only(self, known: Sequence[str], hint: str) -> None:
        """Raise at the first name on top that is not known."""
        if unknown := sorted(self._raw.keys() - set(known)):
            line = next((at for (name, _), keys in self._lines.items() for key, at in keys.items()
                         if unknown[0] in (name, key)), None)  # fmt: skip
            where = f"{self.file}:{line}" if line else self.file
            raise ConfigError(f"{where}: unknown key {unknown[0]!r}{near(unknown[0], known)}; {hint}")

    def list_of(self, name: str) -> list[Table]:
        """Give the `[[name]]` tables, in the order of the file."""
        found = self._raw.get(name, [])
        if not isinstance(found, list):
            raise ConfigError(f"{self.file}: write [[{name}]] tables")
        return [self._table(f"{name} {number}", table, (name, number)) for number, table in enumerate(found, 1)]

    def named(self, name: str) -> dict[str, Table]:
        """Give the `[name.x]` tables by x."""
        found = self._raw.get(name, {})
        if not isinstance(found, dict):
            raise ConfigError(f"{self.file}: write [{name}.NAME] tables")
        return {key: self._table(f"{name} {key!r}", table, (f"{name}.{key}", 1)) for key, table in found.items()}

    def _table(self, title: str, values: object, place: tuple[str, int]) -> Table:
        lines = self._lines.get(place, {})
        if not isinstance(values, dict):
            raise Table(self.file, title, {}, lines).error(f"write a table [[{place[0]}]]")
        if isinstance(values.get("name"), str):
            title = f"{title} ({values['name']!r})"
        return Table(self.file, title, values, lines)


def near(word: object, known: Sequence[str]) -> str:
    """Give the end of a message about an unknown word: which known one was meant, if any is like it."""
    matches = difflib.get_close_matches(str(word), known, n=2)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def _lines(text: str) -> dict[tuple[str, int], dict[str, int]]:
    """Find the line of each key, by table and its number among those of its name; the table's own line under ''."""
    found: dict[tuple[str, int], dict[str, int]] = {}
    place, counts, quoted = ("", 1), dict[str, int](), False
    for number, line in enumerate(text.splitlines(), 1):
        inside = quoted
        quoted ^= len(_TRIPLE.findall(line)) % 2 == 1
        if inside:
            continue
        if header := _HEADER.match(line):
            name = header[2].replace('"', "").replace("'", "")
            counts[name] = counts.get(name, 0) + 1
            place = (name, counts[name])
            found.setdefault(place, {})[""] = number
        elif key := _KEY.match(line):
            found.setdefault(place, {}).setdefault(key[1], number)
    return found
