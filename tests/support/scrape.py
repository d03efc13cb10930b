"""Read pages of the site as a stranger's script would: tables, facts, and the SQL they give."""

from __future__ import annotations

import gzip
import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser

Table = list[list[str]]


def statements(page: str) -> list[str]:
    """Give the SQL of a page's proof, in its order."""
    [proof] = re.findall(r'<details class="proof">.*?</details>', page, re.DOTALL)
    return [html.unescape(one) for one in re.findall(r"<pre><code>(.*?)</code></pre>", proof, re.DOTALL)]


def tables(page: str) -> dict[str, Table]:
    """Give the body rows of each table by the first words of its caption; cells as a reader sees them."""
    reader = _Tables()
    reader.feed(page)
    return {" ".join(caption.split())[:20]: [[*map(words, row)] for row in rows] for caption, rows in reader.found}


def facts(page: str) -> list[dict[str, str]]:
    """Give the facts of each metric of a market page, by name, the headline among them."""
    found = []
    for section in re.findall(r"<section.*?</section>", page, re.DOTALL):
        pairs = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)(?:<small>(.*?)</small>)?</dd></div>", section, re.DOTALL)
        [headline] = re.findall(r"<b>(.*?)</b>", section, re.DOTALL)
        [change] = re.findall(r">([^<]*) in 24 h<", section)
        said = {words(name): words(value) for name, value, _ in pairs}
        notes = {f"{words(name)} note": words(note) for name, _, note in pairs if note}
        found.append({"headline": words(headline), "change": words(change), **said, **notes})
    return found


def words(text: str) -> str:
    """Give the text of a piece of HTML, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split())


def pages(files: Mapping[str, bytes]) -> dict[str, str]:
    """Give the pages among the files of a site, as text."""
    return {path: data.decode() for path, data in files.items() if path.endswith(".html")}


def zipped(data: bytes) -> int:
    """Give the bytes of a file as a reader downloads it."""
    return len(gzip.compress(data, 9))


def text_of(page: str) -> str:
    """Give the words of a page as they are read, without pictures."""
    body = re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


class Links(HTMLParser):
    """Collects what a browser would fetch and where links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        elif tag == "link" and given["rel"] not in {"canonical", "alternate"}:
            self.fetched.append(given["href"])
        elif tag in {"script", "img", "iframe", "video", "object"} and "src" in given:
            self.fetched.append(given["src"])


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Table]] = []
        self._place = ""
        self._muted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.found.append(("", []))
        elif tag in {"caption", "thead", "tbody"}:
            self._place = tag
        elif tag == "tr" and self._place == "tbody":
            self.found[-1][1].append([])
        elif tag in {"td", "th"} and self._place == "tbody":
            self.found[-1][1][-1].append("")
        elif tag in {"svg", "small"}:
            self._muted += tag == "svg"
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"caption", "table"}:
            self._place = ""
        self._muted -= tag == "svg"

    def handle_data(self, data: str) -> None:
        if self._muted or not self.found:
            return
        caption, rows = self.found[-1]
        if self._place == "caption":
            self.found[-1] = (caption + data, rows)
        elif self._place == "tbody" and rows and rows[-1]:
            rows[-1][-1] += data
