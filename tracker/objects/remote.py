"""Objects in S3, or in memory for tests, over obstore: one PUT per write, If-Match and If-None-Match for updates."""

from __future__ import annotations

import contextlib
import os
import random
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import obstore
from obstore import exceptions as refused
from obstore.store import MemoryStore, S3Store

from tracker.errors import ConfigError, Conflict, PermanentError, StoreUnavailable
from tracker.model import is_web_address
from tracker.objects import Change, Headers, ObjectInfo

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_TRIES = 30
_AT_ONCE = 1000  # keys in one S3 DeleteObjects
_NO_ACCESS = ("403 Forbidden", "401 Unauthorized", "ExpiredToken", "InvalidToken")
_SKEWED = "RequestTimeTooSkewed"
_NOISE = re.compile(r"Generic S3 error: (Error performing list request: )?| in [\d.]+m?s, after .*?retry_timeout: \w+")
_PROOF = ".probe/conditional-writes"
_ABSENT = (FileNotFoundError, refused.NotFoundError)
_used_by: int | None = None
_MEMORIES: dict[str, MemoryStore] = {}


def s3(bucket: str, prefix: str) -> Remote:
    """Open a bucket as the AWS_* variables of the environment say."""
    return Remote(_store(bucket, prefix), f"s3://{bucket}/{prefix}".rstrip("/") + "/", sends_headers=True)


def _store(bucket: str, prefix: str = "") -> S3Store:
    if (endpoint := _endpoint()) and not is_web_address(endpoint):  # obstore panics
        raise ConfigError(f"AWS_ENDPOINT_URL must be a URL that starts with http:// or https://, not {endpoint!r}")
    options: ClientConfig = {"timeout": timedelta(seconds=30), "connect_timeout": timedelta(seconds=5)}
    if endpoint.startswith("http://"):
        options["allow_http"] = True
    return S3Store(
        bucket,
        prefix=prefix or None,
        client_options=options,
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
    )


def make_bucket(bucket: str) -> None:
    """Make a bucket where there is none of that name; obstore has no call for it, but it signs one."""
    import requests  # 150 ms that no step of a minute needs

    store = _store(bucket)
    try:
        answer = requests.put(obstore.sign(store, "PUT", "", timedelta(minutes=1)), timeout=30)
    except requests.RequestException as error:
        raise StoreUnavailable(f"s3://{bucket}: {type(error).__name__}; check AWS_ENDPOINT_URL") from error
    if answer.status_code not in {200, 409}:  # 409: it is there
        raise ConfigError(f"s3://{bucket} cannot be made: HTTP {answer.status_code}; make it by hand")


def memory(url: str) -> Remote:
    """Give the memory of that name; all of one process that name it share it."""
    return Remote(_MEMORIES.setdefault(url, MemoryStore()), f"{url}/", sends_headers=False)


class Remote:
    """An obstore store as a Backend (its promises: `tracker.objects.Objects`)."""

    def __init__(self, store: S3Store | MemoryStore, root: str, *, sends_headers: bool) -> None:
        global _used_by  # noqa: PLW0603 - obstore's threads are one per process too
        if _used_by not in {None, os.getpid()}:
            raise PermanentError(
                f"{root}: this process was forked from one that had used S3 already, and obstore would hang in it; "
                "start it anew (spawn), or touch S3 only after the fork"
            )
        _used_by = os.getpid()
        self._store = store
        self.root = root
        self._sends_headers = sends_headers
        self._server = _endpoint() or "Amazon S3"
        self._proven = False

    def get(self, path: str) -> bytes | None:
        found = self._versioned(path)
        return found[0] if found else None

    def put(self, path: str, data: bytes, headers: Headers) -> None:
        with self._explained(path):
            self._put(path, data, headers, "overwrite")

    def create(self, path: str, data: bytes, headers: Headers) -> bool:
        self._prove_once()
        with self._explained(path):
            try:
                self._put(path, data, headers, "create")
            except (refused.AlreadyExistsError, refused.PreconditionError):
                return False
            return True

    def update(self, path: str, change: Change, headers: Headers) -> bool:
        self._prove_once()
        mine: bytes | None = None
        for attempt in range(_TRIES):
            found = self._versioned(path)
            old = found[0] if found else None
            new = change(old)
            if new is None or new == old:
                return old is not None and old == mine  # refused, yet there: the answer to our earlier try got lost
            with self._explained(path):
                try:
                    self._put(path, new, headers, {"e_tag": found[1]} if found else "create")
                except (refused.AlreadyExistsError, refused.PreconditionError):
                    mine = new
                else:
                    return True
            time.sleep(random.uniform(0, min(0.5, 0.005 * 2**attempt)))  # noqa: S311 - spreads the writers
        raise Conflict(f"{self.root}{path}: others changed it {_TRIES} times while we tried; try again")

    def version(self, path: str) -> str | None:
        with self._explained(path):
            try:
                return obstore.head(self._store, path)["e_tag"]
            except _ABSENT as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def swap(
        self, path: str, data: bytes, expected: str | None, headers: Headers, _sha256: str | None = None
    ) -> str | None:
        self._prove_once()
        with self._explained(path):
            try:
                return self._put(path, data, headers, {"e_tag": expected} if expected else "create")
            except (refused.AlreadyExistsError, refused.PreconditionError):
                return None
            except _ABSENT as error:  # it had a version and is gone
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def settle(self, path: str | None) -> None:
        """Nothing to do: what a server has taken is kept."""

    def list(self, prefix: str, after: str) -> list[ObjectInfo]:
        with self._explained(prefix):
            pages = obstore.list(self._store, prefix or None, offset=after or None, chunk_size=1000)
            return sorted(
                ObjectInfo(meta["path"], meta["size"], _md5(meta["e_tag"]) if self._sends_headers else None)
                for page in pages
                for meta in page
                if not meta["path"].startswith(".")
            )

    def folders(self, prefix: str) -> tuple[str, ...]:
        with self._explained(prefix):
            return tuple(sorted(obstore.list_with_delimiter(self._store, prefix)["common_prefixes"]))

    def delete(self, paths: Iterable[str]) -> None:
        rest = list(paths)
        while rest:
            part, rest = rest[:_AT_ONCE], rest[_AT_ONCE:]
            with self._explained(part[0]), contextlib.suppress(*_ABSENT):
                obstore.delete(self._store, part)

    def prove(self) -> None:
        path = f".probe/{uuid.uuid4().hex}"
        first, second = (self._put_version(path, text) for text in (b"first", b"second"))
        ignored = []
        if self._accepts(path, {"e_tag": first}):
            ignored.append("If-Match")
        if self._accepts(path, "create"):
            ignored.append("If-None-Match")
        self.delete([path])
        if ignored or first == second:
            raise ConfigError(
                f"{self.root}: the server ignores {' and '.join(ignored) or 'ETags'}, so two writers would overwrite "
                "each other in silence; use one that honours conditional writes (Amazon S3, R2, MinIO, SeaweedFS)"
            )
        self.put(_PROOF, self._server.encode(), Headers("text/plain"))

    def _prove_once(self) -> None:
        if not self._proven and self._sends_headers and self.get(_PROOF) != self._server.encode():
            self.prove()
        self._proven = True

    def _put_version(self, path: str, data: bytes) -> str | None:
        with self._explained(path):
            return obstore.put(self._store, path, data, use_multipart=False)["e_tag"]

    def _accepts(self, path: str, mode: Any) -> bool:
        with self._explained(path):
            try:
                self._put(path, b"third", Headers(), mode)
            except (refused.AlreadyExistsError, refused.PreconditionError):
                return False
            return True

    def sweep(self, _before: float) -> int:
        return 0

    def _put(self, path: str, data: bytes, headers: Headers, mode: Any) -> str | None:
        named = {
            "Content-Type": headers.content_type,
            "Cache-Control": headers.cache_control,
            "Content-Encoding": headers.content_encoding,
        }
        attributes: Any = {name: value for name, value in named.items() if value and self._sends_headers}
        # In parts an upload is no single PUT: not atomic with its condition, and with another kind of ETag.
        return obstore.put(self._store, path, data, attributes=attributes or None, mode=mode, use_multipart=False)[
            "e_tag"
        ]

    def _versioned(self, path: str) -> tuple[bytes, str] | None:
        with self._explained(path):
            try:
                answer = obstore.get(self._store, path)
                return bytes(answer.bytes()), str(answer.meta["e_tag"])
            except _ABSENT as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    @contextlib.contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        where = f"{self.root}{path}"
        try:
            yield
        except (refused.AlreadyExistsError, refused.PreconditionError):
            raise
        except (refused.PermissionDeniedError, refused.UnauthenticatedError) as error:
            raise ConfigError(_no_access(where, error)) from error
        except _ABSENT as error:
            raise ConfigError(f"{where}: there is no such bucket; make it, or correct the URL") from error
        except refused.BaseError as error:
            if any(word in str(error) for word in _NO_ACCESS):  # as lists and deletions say it
                raise ConfigError(_no_access(where, error)) from error
            text = _NOISE.sub("", str(error).split("\n", 1)[0])[:300]
            raise StoreUnavailable(f"{where}: {text}; check AWS_ENDPOINT_URL if this stays") from error


def _no_access(where: str, error: Exception) -> str:
    if _SKEWED in str(error):
        return f"{where}: the clock of this machine is too far off for signed requests; set it (NTP)"
    return f"{where}: no access; check the AWS_* credentials, whether they have expired, and the bucket's policy"


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def _md5(e_tag: str | None) -> str | None:
    digest = (e_tag or "").strip('"')
    return digest if len(digest) == 32 and set(digest) <= set("0123456789abcdef") else None
