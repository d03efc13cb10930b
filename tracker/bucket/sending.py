"""Replacing pages by what a claim allows: on the condition that each still is the version the manifest told of."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from tracker.bucket import manifest as manifests
from tracker.errors import Conflict
from tracker.objects import Headers, Objects, Requests

MANIFEST = "manifest.json"

LIVE = "max-age=20, stale-while-revalidate=20, stale-if-error=86400"
DOWNLOAD = "no-cache"
LASTING = "max-age=31536000, immutable"

_TRIES = 20
_SQUEEZE = 6  # of gzip: 9 saves 1 % for a fifth more time

_TYPES = {
    ".html": ("text/html; charset=utf-8", LIVE),
    ".json": ("application/json", LIVE),
    ".xml": ("application/atom+xml; charset=utf-8", LIVE),
    ".csv": ("text/csv; charset=utf-8", DOWNLOAD),
    ".parquet": ("application/vnd.apache.parquet", DOWNLOAD),
    ".svg": ("image/svg+xml", LIVE),
    ".ico": ("image/x-icon", DOWNLOAD),
    ".png": ("image/png", DOWNLOAD),
    ".txt": ("text/plain; charset=utf-8", DOWNLOAD),
    ".css": ("text/css; charset=utf-8", DOWNLOAD),
    ".js": ("text/javascript; charset=utf-8", DOWNLOAD),
}


@dataclass(slots=True)
class Sent:
    """What became of pages: the SHA-256 of each, and of those that went up the bytes and the new version.

    `overtaken`: another publisher is out, or on its way, with a later minute; what was not sent yet stayed.
    """

    hashes: dict[str, str] = field(default_factory=dict)
    versions: dict[str, tuple[int, str]] = field(default_factory=dict)
    overtaken: bool = False

    def add(self, other: Sent) -> None:
        """Add what became of other pages."""
        self.hashes |= other.hashes
        self.versions |= other.versions
        self.overtaken |= other.overtaken


class _OvertakenError(Exception):
    """Another publisher is out, or on its way, with a later minute."""


@dataclass(slots=True)
class Sender:
    """Sends pages of a minute under the claim `token`; `known` has the SHA-256 and version of what is out already.

    A pickled one opens the bucket anew.
    """

    objects: Objects
    minute: datetime
    token: str
    known: Mapping[str, tuple[str, str]]
    overtaken: bool = False

    def send(self, pages: Mapping[str, bytes]) -> Sent:
        """Replace what differs from what is out. Raises StoreUnavailable, Conflict."""
        hashes = {path: hashlib.sha256(data).hexdigest() for path, data in pages.items()}
        changed = [path for path, digest in hashes.items() if self.known.get(path, ("",))[0] != digest]
        sent = Sent(hashes)
        threads = min(self.objects.at_once, len(changed))

        def send(paths: Iterable[str]) -> None:
            for path in paths:
                data = squeezed(self.objects, path, pages[path])
                known = hashes[path] if data is pages[path] else None
                sent.versions[path] = len(data), self._replace(path, data, known)

        try:
            if threads == 1:
                send(changed)
            else:
                with ThreadPoolExecutor(max(1, threads)) as pool:
                    list(pool.map(send, (changed[one::threads] for one in range(threads))))
        except _OvertakenError:
            sent.overtaken = self.overtaken = True
        return sent

    def look_ahead(self) -> bool:
        """Say whether another publisher is out, or on its way, with a later minute."""
        self.overtaken |= manifests.read(self.objects.get(MANIFEST)).overtakes(self.minute, self.token)
        return self.overtaken

    def _replace(self, path: str, data: bytes, sha256: str | None) -> str:
        """Put one object in the place of the version that is known to be no newer; give its own."""
        expected, headers = self.known.get(path, ("", None))[1], headers_of(self.objects, path)
        for _ in range(_TRIES):
            version = self.objects.swap(path, data, expected, headers, sha256)
            if version is not None:
                return version
            expected = self.objects.version(path)  # first this, then the look: what comes later changes the version
            if self.look_ahead():
                raise _OvertakenError
        raise Conflict(f"{path}: others replaced it {_TRIES} times while we tried; try again")


@dataclass(frozen=True, slots=True)
class MakeAndSend:
    """Makes the pages of a part and sends them, in whatever process; tells which, and what it asked of the bucket."""

    make: Callable[[Any], Mapping[str, bytes]]
    sender: Sender

    def __call__(self, part: Any) -> tuple[int, Requests, Sent]:
        if self.sender.overtaken:
            return os.getpid(), Requests(), Sent(overtaken=True)
        before = self.sender.objects.asked
        sent = self.sender.send(self.make(part))
        return os.getpid(), self.sender.objects.asked - before, sent


def headers_of(objects: Objects, path: str, cache_control: str | None = None) -> Headers:
    """Give what a server says with an object: pages live for seconds, downloads are asked for anew."""
    content_type, usual = _TYPES.get(PurePosixPath(path).suffix, ("application/octet-stream", DOWNLOAD))
    return Headers(content_type, cache_control or usual, "gzip" if is_squeezed(objects, path) else None)


def squeezed(objects: Objects, path: str, data: bytes) -> bytes:
    """Give the bytes as they are stored: buckets serve what was stored, so pages are compressed there."""
    return gzip.compress(data, _SQUEEZE, mtime=0) if is_squeezed(objects, path) else data


def is_squeezed(objects: Objects, path: str) -> bool:
    """Say whether an object is stored compressed."""
    return objects.keeps_headers and path.endswith(".html")
