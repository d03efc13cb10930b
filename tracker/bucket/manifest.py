"""`manifest.json`: what is out, and who is at work. Pure functions from one manifest to the next.

It holds the minute of the site; of each object the SHA-256 of its page, its bytes, the minute it was made at and its
version in the bucket; the claims of publishers at work (the paths they are about to write); the hours of the last day
whose ranking was kept; and what the last day's publishing asked of the bucket, by hour.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tracker.model import DAY, HOUR, iso, whole_hour
from tracker.objects import Requests

CLAIM_LIVES = timedelta(minutes=10)
"""A claim this much older than the minute being published belongs to a publisher that died."""

COPIES_LISTED = DAY + HOUR
"""The hours of this stretch before the minute are listed with their copies: enough to link to a day ago."""

_HOUR = "%Y-%m-%dT%H"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest as a value: `objects` by path, `claims` by token, and by hour (publishes, writes, reads, bytes)."""

    minute: datetime | None
    objects: Mapping[str, Mapping[str, Any]]
    claims: Mapping[str, Mapping[str, Any]]
    copies: tuple[str, ...]
    usage: Mapping[str, list[int]]

    @property
    def dirty(self) -> set[str]:
        """The paths that publishers at work may overwrite."""
        return {path for claim in self.claims.values() for path in claim["paths"]}

    @property
    def known(self) -> dict[str, Mapping[str, Any]]:
        """The objects whose bytes are what is written here."""
        dirty = self.dirty
        return {path: one for path, one in self.objects.items() if one["sha256"] and path not in dirty}

    def overtakes(self, minute: datetime, token: str = "") -> bool:
        """Say whether a later minute is out, or on its way by another publisher."""
        others = [_instant(claim["minute"]) for one, claim in self.claims.items() if one != token]
        return max([*others, self.minute or minute]) > minute


EMPTY = Manifest(None, {}, {}, (), {})

_KINDS = {"minute": str, "objects": dict, "claims": dict, "copies": list, "usage": dict}


def read(data: bytes | None) -> Manifest:
    """Read the manifest; one that is unreadable counts as absent, so that everything is sent again."""
    try:
        raw = json.loads(data or b"{}")
        if {key: type(raw[key]) for key in _KINDS} != _KINDS and raw["minute"] is not None:
            return EMPTY
        minute = _instant(raw["minute"]) if raw["minute"] else None
        return Manifest(minute, raw["objects"], raw["claims"], tuple(raw["copies"]), raw["usage"])
    except (ValueError, KeyError, TypeError):
        return EMPTY


def written(manifest: Manifest) -> bytes:
    """Write the manifest: equal values give equal bytes."""
    raw = {name: getattr(manifest, name) for name in _KINDS} | {"minute": manifest.minute and iso(manifest.minute)}
    return json.dumps(raw, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def unknown(token: str) -> dict[str, Any]:
    """Describe an object that two publishers have written, or may have; `token` is that of the one who says so."""
    return {"sha256": None, "bytes": None, "minute": None, "version": None, "said_by": token}


def entry(sha256: str, size: int, version: str, minute: datetime) -> dict[str, Any]:
    """Describe an object."""
    return {"sha256": sha256, "bytes": size, "minute": iso(minute), "version": version}


def with_claim(manifest: Manifest, token: str, minute: datetime, paths: list[str]) -> Manifest:
    """Add a claim; those of publishers that died are forgotten."""
    living = {one: claim for one, claim in manifest.claims.items() if minute - _instant(claim["minute"]) <= CLAIM_LIVES}
    return replace(manifest, claims={**living, token: {"minute": iso(minute), "paths": paths}})


def with_copy(manifest: Manifest, hour: datetime) -> Manifest:
    """Add the hour whose ranking was kept; hours that are no longer linked to are left out."""
    first = name_of(hour - COPIES_LISTED)
    return replace(manifest, copies=tuple(sorted({one for one in manifest.copies if one >= first} | {name_of(hour)})))


def with_usage(manifest: Manifest, minute: datetime, asked: Requests) -> Manifest:
    """Add what one publish asked of the bucket; hours before the last day are left out."""
    first, hour = name_of(minute - DAY), name_of(minute)
    kept = {one: counts for one, counts in manifest.usage.items() if one > first}
    added = (1, asked.writes, asked.reads, asked.bytes)
    kept[hour] = [old + new for old, new in zip(kept.get(hour, [0] * 4), added, strict=True)]
    return replace(manifest, usage=kept)


def name_of(hour: datetime) -> str:
    """Name an hour as folders do: `2026-11-23T22`."""
    return f"{whole_hour(hour):{_HOUR}}"


def hour_of(name: str) -> datetime | None:
    """Give the hour of such a name; None if it is not one."""
    try:
        return datetime.strptime(f"{name}+0000", f"{_HOUR}%z")
    except ValueError:
        return None


def made_at(one: Mapping[str, Any]) -> datetime:
    """Give the minute an object of the manifest was made at."""
    return _instant(one["minute"])


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
