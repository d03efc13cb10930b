"""The published site: only what changed goes up, the index last, and the manifest remembers what is there.

A claim is written into the manifest before the first page, so whoever publishes after a kill, or beside another
publisher, knows which hashes not to trust and writes those pages again. Every page is replaced only if it is still
the one the manifest told of: so an older minute never lies over a newer one, not even for a moment.
"""

from __future__ import annotations

import gzip
import hashlib
import uuid
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from tracker.bucket import manifest as manifests
from tracker.bucket.manifest import CLAIM_LIVES, Manifest
from tracker.errors import Conflict
from tracker.model import HOUR, Usage
from tracker.objects import Change, Headers, Objects, Requests
from tracker.ports import Copy, Standing

__all__ = ["CLAIM_LIVES", "MANIFEST", "Published", "SiteBucket"]

MANIFEST = "manifest.json"
COPIES = "at"
"""The folder of what is kept as it was."""

AT_ONCE = 16
"""Objects sent at the same time."""

DRAFTS_LIVE = HOUR
"""A draft older than this belongs to a publisher that was killed."""

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


@dataclass(frozen=True, slots=True)
class Published:
    """What a publish did. `older`: a later minute is out or on its way; the site stays that minute's."""

    minute: datetime
    written: int = 0
    bytes: int = 0
    skipped: int = 0
    deleted: int = 0
    older: bool = False

    def report(self) -> dict[str, Any]:
        """Give it as JSON-able counts."""
        counts = {"written": self.written, "bytes": self.bytes, "skipped": self.skipped, "deleted": self.deleted}
        return {**counts, "older": self.older}


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one publisher is about to do to the site.

    `before` is what the manifest says then of what it changes, `versions` that part of it which can be trusted;
    `idle`: nothing at all, the same pages of the same minute are out.
    """

    token: str
    idle: bool
    changed: tuple[str, ...]
    vanished: tuple[str, ...]
    kept: frozenset[str]
    before: Mapping[str, Mapping[str, Any] | None]
    versions: Mapping[str, str | None]


class _OvertakenError(Exception):
    """Another publisher is out, or on its way, with a later minute."""


class SiteBucket:
    """The Bucket (its promises: `tracker.ports.Bucket`) under `url`: a folder, `s3://…` or `memory://…`.

    `keep_copies` is how long the rankings of full hours are kept (None: for ever). In S3 pages are stored compressed
    and say so: buckets serve what was stored.
    """

    def __init__(self, url: str, keep_copies: timedelta | None = None) -> None:
        self.objects = Objects(url)
        self.keep_copies = keep_copies
        self._counted = Requests()

    def standing(self) -> Standing:
        """Say what is out."""
        manifest = manifests.read(self.objects.get(MANIFEST))
        return Standing(
            minute=manifest.minute,
            made={path: manifests.made_at(one) for path, one in manifest.known.items()},
            copies=tuple(hour for hour in map(manifests.hour_of, manifest.copies) if hour),
            usage=Usage(*(sum(column) for column in zip(*manifest.usage.values(), strict=True))),
        )

    def copies(self) -> list[datetime]:
        """List the hours whose ranking is kept, oldest first."""
        names = {one.path.split("/")[1] for one in self.objects.list(COPIES)}
        return sorted(hour for hour in map(manifests.hour_of, names) if hour)

    def page(self, path: str) -> bytes | None:
        """Give a published object as it was handed in; None if there is none."""
        data = self.objects.get(path)
        return gzip.decompress(data) if data is not None and self._is_squeezed(path) else data

    def publish(
        self, pages: Mapping[str, bytes], minute: datetime, keep: Collection[str] = (), copy: Copy | None = None
    ) -> Published:
        """Upload the changed pages, index pages last, then delete what is no page any more and not to `keep`.

        A minute older than the published one, or than one on its way, changes nothing. When it fails half-way the
        site stays readable: its index is the old one, and the next publish mends what is behind it. Raises
        StoreUnavailable then. `copy` is written once and neither changed nor deleted by a later publish.
        """
        if MANIFEST in pages:
            raise ValueError(f"{MANIFEST} is the bucket's own; no page may have that name")
        hashes = {path: hashlib.sha256(data).hexdigest() for path, data in pages.items()}
        claim = self._claim(hashes, minute, frozenset(keep) - hashes.keys())
        if claim is None:
            return Published(minute, skipped=len(pages), older=True)
        sent: dict[str, tuple[int, str]] = {}
        try:
            for path, data in copy.files.items() if copy else ():
                self.objects.create(path, self._squeezed(path, data), self._headers(path, LASTING))
            index = [path for path in claim.changed if _is_index(path)]
            self._send([path for path in claim.changed if path not in index], pages, minute, claim, sent)
            self._send([path for path in index if path != "index.html"], pages, minute, claim, sent)
            self._send([path for path in index if path == "index.html"], pages, minute, claim, sent)
            if claim.vanished:
                self._look_ahead(minute, claim)
                self.objects.delete(claim.vanished)
            older = False
        except _OvertakenError:
            older = True
        older |= self._release(hashes, minute, claim, sent, copy)
        size = sum(bytes_ for bytes_, _ in sent.values())
        skipped = len(pages) - len(sent)
        return Published(minute, len(sent), size, skipped, 0 if older else len(claim.vanished), older)

    def sweep(self, now: datetime) -> int:
        """Remove drafts that killed publishers left an hour ago or earlier, and copies kept long enough."""
        gone = self.objects.sweep((now - DRAFTS_LIVE).timestamp())
        if self.keep_copies is not None:
            old = [hour for hour in self.copies() if hour < now - self.keep_copies]
            paths = [one.path for hour in old for one in self.objects.list(f"{COPIES}/{manifests.name_of(hour)}")]
            self.objects.delete(paths)
            gone += len(paths)
        return gone

    def _claim(self, hashes: Mapping[str, str], minute: datetime, keep: frozenset[str]) -> _Claim | None:
        """Say in the manifest what will be touched, before touching it; None when a later minute is ahead."""
        made: _Claim | None = None
        token = uuid.uuid4().hex

        def change(old: bytes | None) -> bytes | None:
            nonlocal made
            made, manifest = None, manifests.read(old)
            if manifest.overtakes(minute):
                return None
            known = manifest.known
            changed = tuple(sorted(path for path, digest in hashes.items() if not _is(known.get(path), digest)))
            vanished = tuple(sorted((manifest.objects.keys() | manifest.dirty) - hashes.keys() - keep))
            before = {path: manifest.objects.get(path) for path in changed}
            versions = {path: known[path]["version"] for path in changed if path in known}
            idle = not changed and not vanished and manifest.minute == minute
            made = _Claim(token, idle, changed, vanished, keep & manifest.objects.keys(), before, versions)
            if idle:
                return None
            return manifests.written(manifests.with_claim(manifest, token, minute, [*changed, *vanished]))

        self._update(change)
        return made

    def _release(
        self,
        hashes: Mapping[str, str],
        minute: datetime,
        claim: _Claim,
        sent: Mapping[str, tuple[int, str]],
        copy: Copy | None,
    ) -> bool:
        """Record what is there now, less what other claims may still overwrite; say whether a later minute is out."""
        superseded = False

        def change(old: bytes | None) -> bytes | None:
            nonlocal superseded
            manifest = manifests.read(old)
            claims = {one: other for one, other in manifest.claims.items() if one != claim.token}
            manifest = replace(manifest, claims=claims)
            superseded = manifest.overtakes(minute)
            if superseded:  # of what we touched the newer one may not know: the next publish sends it again
                touched = dict.fromkeys((*sent, *claim.vanished), manifests.unknown(claim.token))
                manifest = replace(manifest, objects={**manifest.objects, **touched})
            else:
                manifest = replace(manifest, minute=minute, objects=_there(manifest, hashes, minute, claim, sent))
            if copy:
                manifest = manifests.with_copy(manifest, copy.hour)
            # the requests of this very update are one read and one write more
            asked = self.objects.asked - self._counted + Requests(writes=1, bytes=len(old or b""))
            return manifests.written(manifests.with_usage(manifest, minute, asked))

        if claim.idle and not copy:
            return False
        self._update(change)
        self._counted = self.objects.asked
        return superseded

    def _update(self, change: Change) -> None:
        self.objects.update(MANIFEST, change, content_type="application/json", cache_control=DOWNLOAD)

    def _send(
        self,
        paths: Iterable[str],
        pages: Mapping[str, bytes],
        minute: datetime,
        claim: _Claim,
        sent: dict[str, tuple[int, str]],
    ) -> None:
        """Replace objects, and note in `sent` the bytes and the new version of each."""

        def send(path: str) -> None:
            data = self._squeezed(path, pages[path])
            sent[path] = len(data), self._replace(path, data, minute, claim)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(send, paths))

    def _replace(self, path: str, data: bytes, minute: datetime, claim: _Claim) -> str:
        """Put one object in the place of the version that is known to be no newer; give its own."""
        expected, headers = claim.versions.get(path), self._headers(path)
        for _ in range(_TRIES):
            version = self.objects.swap(path, data, expected, headers)
            if version is not None:
                return version
            expected = self.objects.version(path)  # first this, then the look: what comes later changes the version
            self._look_ahead(minute, claim)
        raise Conflict(f"{path}: others replaced it {_TRIES} times while we tried; try again")

    def _look_ahead(self, minute: datetime, claim: _Claim) -> None:
        if manifests.read(self.objects.get(MANIFEST)).overtakes(minute, claim.token):
            raise _OvertakenError

    def _headers(self, path: str, cache_control: str | None = None) -> Headers:
        content_type, usual = _TYPES.get(PurePosixPath(path).suffix, ("application/octet-stream", DOWNLOAD))
        return Headers(content_type, cache_control or usual, "gzip" if self._is_squeezed(path) else None)

    def _squeezed(self, path: str, data: bytes) -> bytes:
        return gzip.compress(data, _SQUEEZE, mtime=0) if self._is_squeezed(path) else data

    def _is_squeezed(self, path: str) -> bool:
        return self.objects.keeps_headers and path.endswith(".html")


def _there(
    manifest: Manifest,
    hashes: Mapping[str, str],
    minute: datetime,
    claim: _Claim,
    sent: Mapping[str, tuple[int, str]],
) -> dict[str, Mapping[str, Any]]:
    """Give the objects after a publish: those sent, those unchanged, those kept; unknown where others are at work."""
    there: dict[str, Mapping[str, Any]] = {}
    unknown = manifests.unknown(claim.token)
    for path, digest in hashes.items():
        now = manifest.objects.get(path)
        if path in sent and now == claim.before[path]:
            there[path] = manifests.entry(digest, *sent[path], minute)
        elif path not in sent and now is not None and _is(now, digest):
            there[path] = now
        else:  # another publisher has written it meanwhile
            there[path] = unknown
    there |= {path: one for path, one in manifest.objects.items() if path in claim.kept}
    return there | dict.fromkeys(there.keys() & manifest.dirty, unknown)


def _is(one: Mapping[str, Any] | None, digest: str) -> bool:
    return one is not None and one["sha256"] == digest


def _is_index(path: str) -> bool:
    """Say whether a page is an entrance, which must not speak of pages that are not there yet."""
    return "/" not in path and path.endswith(".html")
