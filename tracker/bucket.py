"""The published site: only what changed goes up, the index last, and the manifest remembers what is there.

`manifest.json` holds the minute and the SHA-256 of each object, and, while a publisher is at work, its claim: the
paths it is about to write. A claim is written before the first page, so whoever publishes after a kill, or beside
another publisher, knows which hashes not to trust and writes those pages again.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from tracker.model import HOUR, iso
from tracker.objects import Change, Objects

MANIFEST = "manifest.json"
AT_ONCE = 16
"""Objects sent at the same time."""

CLAIM_LIVES = timedelta(minutes=10)
"""A claim this much older than the minute being published belongs to a publisher that died."""

DRAFTS_LIVE = HOUR
"""A draft older than this belongs to a publisher that was killed."""

_UNKNOWN = {"sha256": None, "bytes": None}

LIVE = "max-age=20, stale-while-revalidate=20, stale-if-error=86400"
DOWNLOAD = "no-cache"

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
    """What a publish did. `older`: a later minute is out, from before or since; the site stays that minute's."""

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
    """What one publisher is about to do to the site as it is."""

    changed: tuple[str, ...]
    vanished: tuple[str, ...]
    kept: frozenset[str]


class SiteBucket:
    """The Bucket (its promises: `tracker.ports.Bucket`) under `url`: a folder, `s3://…` or `memory://…`."""

    def __init__(self, url: str) -> None:
        self.objects = Objects(url)

    def known(self) -> frozenset[str]:
        """Give the paths whose published bytes are known; a page that is not among them must be made anew."""
        manifest = _read(self.objects.get(MANIFEST))
        return frozenset(_known(manifest))

    def publish(self, pages: Mapping[str, bytes], minute: datetime, keep: Collection[str] = ()) -> Published:
        """Upload the changed pages, index pages last, then delete what is no page any more and not to `keep`.

        An older minute than the published one changes nothing. When it fails half-way the site stays readable:
        its index is the old one, and the next publish mends what is behind it. Raises StoreUnavailable then.
        """
        if MANIFEST in pages:
            raise ValueError(f"{MANIFEST} is the bucket's own; no page may have that name")
        hashes = {path: hashlib.sha256(data).hexdigest() for path, data in pages.items()}
        token = uuid.uuid4().hex
        claim = self._claim(hashes, minute, token, frozenset(keep) - hashes.keys())
        if claim is None:
            return Published(minute, skipped=len(pages), older=True)
        index = [path for path in claim.changed if _is_index(path)]
        self._send([path for path in claim.changed if path not in index], pages)
        self._send([path for path in index if path != "index.html"], pages)
        self._send([path for path in index if path == "index.html"], pages)
        self.objects.delete(claim.vanished)
        older = self._release(hashes, minute, token, claim, {path: len(data) for path, data in pages.items()})
        sent = sum(len(pages[path]) for path in claim.changed)
        skipped = len(pages) - len(claim.changed)
        return Published(minute, len(claim.changed), sent, skipped, len(claim.vanished), older)

    def sweep(self, now: datetime) -> int:
        """Remove drafts that killed publishers left an hour ago or earlier; give how many."""
        return self.objects.sweep((now - DRAFTS_LIVE).timestamp())

    def _claim(self, hashes: Mapping[str, str], minute: datetime, token: str, keep: frozenset[str]) -> _Claim | None:
        """Say in the manifest what will be touched, before touching it; None when a later minute is out."""
        made: _Claim | None = None

        def change(old: bytes | None) -> bytes | None:
            nonlocal made
            made, manifest = None, _read(old)
            if _is_later(manifest, minute):
                return None
            dirty = _dirty(manifest)
            known = _known(manifest)
            changed = tuple(sorted(path for path, digest in hashes.items() if known.get(path) != digest))
            vanished = tuple(sorted((manifest["objects"].keys() | dirty) - hashes.keys() - keep))
            made = _Claim(changed, vanished, keep & manifest["objects"].keys())
            if not changed and not vanished and manifest["minute"] == iso(minute):
                return None
            living = {one: claim for one, claim in manifest["claims"].items() if not _is_dead(claim, minute)}
            living[token] = {"minute": iso(minute), "paths": [*changed, *vanished]}
            return _written({**manifest, "claims": living})

        self._update(change)
        return made

    def _release(
        self, hashes: Mapping[str, str], minute: datetime, token: str, claim: _Claim, sizes: Mapping[str, int]
    ) -> bool:
        """Record what is there now, less what other claims may still overwrite; say whether a later minute is out."""
        superseded = False

        def change(old: bytes | None) -> bytes | None:
            nonlocal superseded
            manifest = _read(old)
            claims = {one: other for one, other in manifest["claims"].items() if one != token}
            superseded = _is_later(manifest, minute)
            if superseded:  # our bytes may lie over newer ones: the next publish sends, or deletes, those again
                touched = dict.fromkeys((*claim.changed, *claim.vanished), _UNKNOWN)
                return _written({**manifest, "objects": manifest["objects"] | touched, "claims": claims})
            dirty = _dirty({"claims": claims})
            there: dict[str, Mapping[str, Any]] = {
                path: {"sha256": digest, "bytes": sizes[path]} for path, digest in hashes.items()
            }
            there |= {path: one for path, one in manifest["objects"].items() if path in claim.kept}
            there |= dict.fromkeys(there.keys() & dirty, _UNKNOWN)
            return _written({"minute": iso(minute), "objects": there, "claims": claims})

        self._update(change)
        return superseded

    def _update(self, change: Change) -> None:
        self.objects.update(MANIFEST, change, content_type="application/json", cache_control=DOWNLOAD)

    def _send(self, paths: Iterable[str], pages: Mapping[str, bytes]) -> None:
        def send(path: str) -> None:
            content_type, cache_control = _TYPES.get(PurePosixPath(path).suffix, ("application/octet-stream", DOWNLOAD))
            self.objects.put(path, pages[path], content_type=content_type, cache_control=cache_control)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(send, paths))


def _is_index(path: str) -> bool:
    """Say whether a page is an entrance, which must not speak of pages that are not there yet."""
    return "/" not in path and path.endswith(".html")


def _dirty(manifest: Mapping[str, Any]) -> set[str]:
    """Give the paths that publishers at work may overwrite."""
    return {path for claim in manifest["claims"].values() for path in claim["paths"]}


def _known(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Give the hashes that can be trusted."""
    dirty = _dirty(manifest)
    return {path: one["sha256"] for path, one in manifest["objects"].items() if one["sha256"] and path not in dirty}


def _is_dead(claim: Mapping[str, Any], minute: datetime) -> bool:
    return minute - _instant(claim["minute"]) > CLAIM_LIVES


def _is_later(manifest: Mapping[str, Any], minute: datetime) -> bool:
    return manifest["minute"] is not None and _instant(manifest["minute"]) > minute


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _read(data: bytes | None) -> dict[str, Any]:
    """Read the manifest; one that is unreadable counts as absent, so that everything is sent again."""
    empty: dict[str, Any] = {"minute": None, "objects": {}, "claims": {}}
    try:
        raw = json.loads(data or b"{}")
        sound = {key: type(raw[key]) for key in empty} == {"minute": str, "objects": dict, "claims": dict}
        return {key: raw[key] for key in empty} if sound or raw["minute"] is None else empty
    except (ValueError, KeyError, TypeError):
        return empty


def _written(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True, ensure_ascii=False, indent=0).encode()
