"""The published site: only what changed goes up, the index last, and the manifest remembers what is there.

A claim is written into the manifest before the first page, so whoever publishes after a kill, or beside another
publisher, knows which hashes not to trust and writes those pages again. Every page is replaced only if it is still
the one the manifest told of: so an older minute never lies over a newer one, not even for a moment.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tracker.bucket import manifest as manifests
from tracker.bucket.manifest import CLAIM_LIVES, Manifest
from tracker.bucket.sending import (
    DOWNLOAD,
    LASTING,
    MANIFEST,
    MakeAndSend,
    Sender,
    Sent,
    headers_of,
    is_squeezed,
    squeezed,
)
from tracker.model import HOUR, Usage
from tracker.objects import Change, Objects, Requests
from tracker.ports import Copy, Parts, Standing
from tracker.shares import spread

__all__ = ["CLAIM_LIVES", "MANIFEST", "Published", "SiteBucket"]

INDEX = "index.html"

COPIES = "at"
"""The folder of what is kept as it was."""

DRAFTS_LIVE = HOUR
"""A draft older than this belongs to a publisher that was killed."""

MAKING = 8
"""Parts that are worth another process: starting one takes half a second."""


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

    `before` is what the manifest says then of what it may change, `known` the part of it that can be trusted: SHA-256
    and version; `idle`: nothing at all, the same pages of the same minute are out.
    """

    token: str
    idle: bool
    vanished: tuple[str, ...]
    kept: frozenset[str]
    before: Mapping[str, Mapping[str, Any] | None]
    known: Mapping[str, tuple[str, str]]


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
        return gzip.decompress(data) if data is not None and is_squeezed(self.objects, path) else data

    def publish(
        self,
        pages: Mapping[str, bytes],
        minute: datetime,
        keep: Collection[str] = (),
        copy: Copy | None = None,
        parts: Parts | None = None,
    ) -> Published:
        """Upload the changed pages, index pages last, then delete what is no page any more and not to `keep`.

        `parts` are made and uploaded before all others; `pages` are then read meanwhile, and may be made only then. A
        minute older than the published one, or than one on its way, changes nothing. When it fails half-way the site
        stays readable: its index is the old one, and the next publish mends what is behind it. Raises StoreUnavailable
        then. `copy` is written once and neither changed nor deleted by a later publish.
        """
        if MANIFEST in pages:
            raise ValueError(f"{MANIFEST} is the bucket's own; no page may have that name")
        coming = frozenset(parts.paths) | pages.keys() if parts else frozenset()
        hashes = {path: hashlib.sha256(pages[path]).hexdigest() for path in pages.keys() - coming}
        claim = self._claim(hashes, coming, minute, frozenset(keep) - hashes.keys() - coming)
        if claim is None:
            return Published(minute, skipped=len(hashes) + len(coming), older=True)
        sender = Sender(self.objects, minute, claim.token, claim.known)
        for path, data in copy.files.items() if copy else ():
            self.objects.create(path, squeezed(self.objects, path, data), headers_of(self.objects, path, LASTING))
        sent = self._make(parts, sender, lambda: dict(pages)) if parts else Sent()
        for some in _in_order(pages):
            if not sent.overtaken and some:
                if INDEX in some and sent.versions:
                    self.objects.settle()
                sent.add(sender.send(some))
        if sent.versions and not sent.overtaken:
            self.objects.settle(INDEX if INDEX in pages else None)
        if claim.vanished and not sent.overtaken and not sender.look_ahead():
            self.objects.delete(claim.vanished)
        older = self._release(minute, claim, sent, copy) or sender.overtaken or sent.overtaken
        return Published(
            minute,
            written=len(sent.versions),
            bytes=sum(size for size, _ in sent.versions.values()),
            skipped=len(hashes.keys() | coming) - len(sent.versions),
            deleted=0 if older else len(claim.vanished),
            older=older,
        )

    def _make(self, parts: Parts, sender: Sender, first: Callable[[], object]) -> Sent:
        """Make and send pages by as many processes as there are cores, if there are enough of them."""
        shared = min(os.cpu_count() or 1, 1 + len(parts.parts) // MAKING) if self.objects.is_shared else 1
        sent = Sent()
        for process, asked, some in spread(MakeAndSend(parts.make, sender), parts.parts, shared, first):
            sent.add(some)
            if process != os.getpid():
                self.objects.add(asked)
        return sent

    def sweep(self, now: datetime) -> int:
        """Remove drafts that killed publishers left an hour ago or earlier, and copies kept long enough."""
        gone = self.objects.sweep((now - DRAFTS_LIVE).timestamp())
        if self.keep_copies is not None:
            old = [hour for hour in self.copies() if hour < now - self.keep_copies]
            paths = [one.path for hour in old for one in self.objects.list(f"{COPIES}/{manifests.name_of(hour)}")]
            self.objects.delete(paths)
            gone += len(paths)
        return gone

    def _claim(
        self, hashes: Mapping[str, str], coming: frozenset[str], minute: datetime, keep: frozenset[str]
    ) -> _Claim | None:
        """Say in the manifest what will be touched, before touching it; None when a later minute is ahead.

        What is `coming` is not known yet, so all of it is claimed.
        """
        made: _Claim | None = None
        token = uuid.uuid4().hex

        def change(old: bytes | None) -> bytes | None:
            nonlocal made
            made, manifest = None, manifests.read(old)
            if manifest.overtakes(minute):
                return None
            known = {
                path: (one["sha256"], one["version"])
                for path, one in manifest.known.items()
                if path in hashes or path in coming
            }
            changed = [path for path, digest in hashes.items() if known.get(path, ("",))[0] != digest]
            touched = sorted({*changed, *coming})
            vanished = tuple(sorted((manifest.objects.keys() | manifest.dirty) - hashes.keys() - coming - keep))
            idle = not touched and not vanished and manifest.minute == minute
            made = _Claim(
                token,
                idle,
                vanished,
                kept=keep & manifest.objects.keys(),
                before={path: manifest.objects.get(path) for path in touched},
                known=known,
            )
            if idle:
                return None
            return manifests.written(manifests.with_claim(manifest, token, minute, [*touched, *vanished]))

        self._update(change)
        return made

    def _release(self, minute: datetime, claim: _Claim, sent: Sent, copy: Copy | None) -> bool:
        """Record what is there now, less what other claims may still overwrite; say whether a later minute is out."""
        superseded = False

        def change(old: bytes | None) -> bytes | None:
            nonlocal superseded
            manifest = manifests.read(old)
            claims = {one: other for one, other in manifest.claims.items() if one != claim.token}
            manifest = replace(manifest, claims=claims)
            superseded = manifest.overtakes(minute)
            if superseded:  # of what we touched the newer one may not know: the next publish sends it again
                touched = dict.fromkeys((*sent.versions, *claim.vanished), manifests.unknown(claim.token))
                manifest = replace(manifest, objects={**manifest.objects, **touched})
            else:
                manifest = replace(manifest, minute=minute, objects=_there(manifest, minute, claim, sent))
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


def _there(manifest: Manifest, minute: datetime, claim: _Claim, sent: Sent) -> dict[str, Mapping[str, Any]]:
    """Give the objects after a publish: those sent, those unchanged, those kept; unknown where others are at work."""
    there: dict[str, Mapping[str, Any]] = {}
    unknown = manifests.unknown(claim.token)
    for path, digest in sent.hashes.items():
        now = manifest.objects.get(path)
        if path in sent.versions and now == claim.before[path]:
            there[path] = manifests.entry(digest, *sent.versions[path], minute)
        elif path not in sent.versions and now is not None and now["sha256"] == digest:
            there[path] = now
        else:  # another publisher has written it meanwhile
            there[path] = unknown
    there |= {path: one for path, one in manifest.objects.items() if path in claim.kept}
    return there | dict.fromkeys(there.keys() & manifest.dirty, unknown)


def _in_order(pages: Mapping[str, bytes]) -> Iterator[Mapping[str, bytes]]:
    """Part the pages: entrances, which must not speak of pages that are not there yet, come later, the index last."""
    entrances = {path for path in pages if "/" not in path and path.endswith(".html")}
    for some in (pages.keys() - entrances, entrances - {INDEX}, entrances & {INDEX}):
        yield {path: pages[path] for path in sorted(some)}
