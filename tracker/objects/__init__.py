"""Named bytes under one root: a local folder, an S3 bucket, or memory (tests). The only module that does storage I/O.

Every write is one atomic step: a reader, or a writer killed at any instant, sees the old object or the new one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, urlsplit

from tracker.errors import ConfigError, PermanentError

Change = Callable[[bytes | None], bytes | None]
"""Takes an object's bytes (None: there is none) and gives the new ones (None: leave it). May be called again."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectInfo:
    """An object as listed. `size` in bytes; `md5` is the hex digest of its content where the list can tell it.

    Amazon S3 and most of its kin give a single PUT its MD5 as ETag; a local file carries it as an extended attribute
    where the file system has those. None means: read the object to know.
    """

    path: str
    size: int
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Headers:
    """What a web server says with an object; kept on S3, without meaning in a folder."""

    content_type: str | None = None
    cache_control: str | None = None
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Requests:
    """What was asked of a storage, in the classes of a bucket's bill: PUT and LIST are writes, GET and HEAD reads.

    `bytes` were sent. Deleting is free. A folder counts as if it were a bucket.
    """

    writes: int = 0
    reads: int = 0
    bytes: int = 0

    def __add__(self, other: Requests) -> Requests:
        return Requests(self.writes + other.writes, self.reads + other.reads, self.bytes + other.bytes)

    def __sub__(self, other: Requests) -> Requests:
        return Requests(self.writes - other.writes, self.reads - other.reads, self.bytes - other.bytes)


_NO_HEADERS = Headers()


class Backend(Protocol):
    """What a kind of storage can do; paths are relative to the root and already checked."""

    def get(self, path: str) -> bytes | None: ...
    def put(self, path: str, data: bytes, headers: Headers) -> None: ...
    def create(self, path: str, data: bytes, headers: Headers) -> bool: ...
    def prove(self) -> None: ...
    def update(self, path: str, change: Change, headers: Headers) -> bool: ...
    def version(self, path: str) -> str | None: ...
    def swap(
        self, path: str, data: bytes, expected: str | None, headers: Headers, sha256: str | None = None, /
    ) -> str | None: ...
    def settle(self, path: str | None) -> None: ...
    def list(self, prefix: str, after: str) -> list[ObjectInfo]: ...
    def folders(self, prefix: str) -> tuple[str, ...]: ...
    def delete(self, paths: Iterable[str]) -> None: ...
    def sweep(self, before: float) -> int: ...


class Objects:
    """The objects under `url`: a path, `file://…`, `s3://bucket/prefix` or `memory://name`.

    Nothing is opened before the first call. A child may be forked before it, not after: obstore hangs in such a
    child, so S3 is refused there (PermanentError); a folder works on. S3 takes the standard AWS_* variables; plain
    HTTP only where AWS_ENDPOINT_URL says so.
    Errors: StoreUnavailable (try again), Conflict (others kept changing it), ConfigError (wrong bucket, no access).
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._open = _opener(url)
        self._backend: Backend | None = None
        self._pid = 0
        self._asked = Requests()
        self._counting = threading.Lock()

    def __repr__(self) -> str:
        return f"Objects({self.url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the URL only: a copy opens it anew, and counts from nothing."""
        return Objects, (self.url,)

    @property
    def keeps_headers(self) -> bool:
        """Whether readers are told the headers given here; a web server chooses those of a folder's files itself."""
        return self.url.startswith("s3://")

    @property
    def is_shared(self) -> bool:
        """Whether other processes see the same objects; those in memory are this process's own."""
        return not self.url.startswith("memory://")

    @property
    def at_once(self) -> int:
        """How many objects are worth sending at the same time: a server is waited for, a folder hardly."""
        return 16 if self.keeps_headers else 2

    @property
    def asked(self) -> Requests:
        """The requests made through this value so far, proofs of conditional writes and lost answers apart."""
        return self._asked

    def add(self, asked: Requests) -> None:
        """Count what another process asked through its own copy of this value."""
        with self._counting:
            self._asked += asked

    def get(self, path: str) -> bytes | None:
        """Give the bytes of an object, or None when there is none."""
        self._count(reads=1)
        return self._here().get(_checked(path))

    def put(self, path: str, data: bytes, *, content_type: str | None = None, cache_control: str | None = None) -> None:
        """Replace the whole object, durably: when this returns it survives a kill (and locally a power cut)."""
        self._count(writes=1, size=len(data))
        self._here().put(_checked(path), data, Headers(content_type, cache_control))

    def create(self, path: str, data: bytes, headers: Headers = _NO_HEADERS) -> bool:
        """Write the object if there is none; at most one of several creators gets True."""
        self._count(writes=1, size=len(data))
        return self._here().create(_checked(path), data, headers)

    def version(self, path: str) -> str | None:
        """Give what tells this content of an object from any other (an ETag), or None when there is no object."""
        self._count(reads=1)
        return self._here().version(_checked(path))

    def swap(
        self,
        path: str,
        data: bytes,
        expected: str | None,
        headers: Headers = _NO_HEADERS,
        sha256: str | None = None,
    ) -> str | None:
        """Replace the object if its version is still `expected` (None: if there is none), and give its new version.

        None: the object is another one by now, and was left alone. One request. When this returns it survives a kill,
        and once `settle` has returned, locally, a power cut. `sha256` is that of `data`, where the caller has it.
        """
        self._count(writes=1, size=len(data))
        return self._here().swap(_checked(path), data, expected, headers, sha256)

    def settle(self, path: str | None = None) -> None:
        """Make sure that whatever was swapped here before, by any process, survives a power cut; or one object."""
        self._here().settle(_checked(path) if path else None)

    def update(
        self, path: str, change: Change, *, content_type: str | None = None, cache_control: str | None = None
    ) -> bool:
        """Read, change and write an object so that no other update of it is lost; say whether it was written.

        Locally under `flock`, on S3 by If-Match: there `change` is called again with what another writer
        left, or, when an answer got lost, with its own result. What else `change` depends on it must read inside the
        call; it must not update another object. ConfigError where an S3 server ignores conditions.
        """

        def counted(old: bytes | None) -> bytes | None:
            self._count(reads=1)
            new = change(old)
            if new is not None and new != old:
                self._count(writes=1, size=len(new))
            return new

        return self._here().update(_checked(path), counted, Headers(content_type, cache_control))

    def prove(self) -> None:
        """See that conditional writes are refused when they should be; ConfigError says what is not.

        On S3 every process looks before its first conditional write; the proof is kept beside the data.
        """
        self._here().prove()

    def list(self, prefix: str = "", after: str = "") -> list[ObjectInfo]:
        """List the objects in the folder `prefix` and below, sorted by path; only those whose path is above `after`."""
        found = self._here().list(_checked(prefix) if prefix else "", after)
        self._count(writes=1 + len(found) // 1000)
        return found

    def folders(self, prefix: str) -> tuple[str, ...]:
        """List the folders directly in the folder `prefix`, as paths, sorted."""
        self._count(writes=1)
        return self._here().folders(_checked(prefix))

    def delete(self, paths: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        self._here().delete([_checked(path) for path in paths])

    def sweep(self, before: float) -> int:
        """Remove drafts that killed writers left before the instant `before` (Unix seconds); give how many.

        Drafts lie outside the data folders and are never read; only a local root has them.
        """
        return self._here().sweep(before)

    def _count(self, *, writes: int = 0, reads: int = 0, size: int = 0) -> None:
        self.add(Requests(writes, reads, size))

    def _here(self) -> Backend:
        if self._backend is None or self._pid != os.getpid():
            self._backend, self._pid = self._open(), os.getpid()
        return self._backend


def make_bucket(url: str) -> None:
    """Make the bucket of an s3:// URL, where it is missing; other places need none.

    Raises ConfigError when the server refuses, StoreUnavailable when it does not answer.
    """
    if urlsplit(url).scheme == "s3":
        from tracker.objects.remote import make_bucket

        make_bucket(urlsplit(url).netloc)


def _opener(url: str) -> Callable[[], Backend]:
    """Choose the backend by the URL. ConfigError names a URL that is none of ours."""
    parts = urlsplit(url)
    if "://" not in url or parts.scheme == "file":
        if parts.scheme == "file" and parts.netloc not in {"", "localhost"}:
            raise ConfigError(f"{url!r} names a host; write file:///folder")
        return lambda: _local(unquote(parts.path) if parts.scheme == "file" else url)
    if parts.scheme == "s3":
        if not parts.hostname:
            raise ConfigError(f"{url!r} names no bucket; write s3://bucket/prefix")
        return lambda: _s3(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "memory":
        return lambda: _memory(url)
    raise ConfigError(f"{url!r} is not a place for objects; write a path, file://… or s3://bucket/prefix")


def _local(folder: str) -> Backend:
    from tracker.objects.local import Folder

    return Folder(folder)


def _s3(bucket: str, prefix: str) -> Backend:
    from tracker.objects.remote import s3  # obstore costs 28 ms, and a local root never needs it

    return s3(bucket, prefix)


def _memory(url: str) -> Backend:
    from tracker.objects.remote import memory

    return memory(url)


def _checked(path: str) -> str:
    """Refuse a path that leaves the root, hides (drafts and locks do), or that not every storage can name."""
    if path.startswith(".") or any(part in {"", ".", ".."} for part in path.split("/")) or not path.isprintable():
        raise PermanentError(f"{path!r} cannot name an object: no empty, hidden or parent folder, no control character")
    return path
