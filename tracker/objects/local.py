"""Objects in a local folder: draft, fsync, rename, fsync of the folder. Plain system calls, so that forks are safe.

What is swapped is synced later, together (docs/adr/0009-pages-in-parts-written-out-together.md).

Drafts and locks lie in `.staging/` and `.locks/` under the root: whoever reads a data folder never meets them.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tracker.errors import ConfigError, Conflict, StoreUnavailable
from tracker.objects import Change, Headers, ObjectInfo

_MD5, _SHA = "user.tracker.md5", "user.tracker.sha"
_SHA_DIGITS = 32  # of 64: with all of them the note would not fit into an inode, and cost a block of its own
_LOCKS = 64
_LOCK_WAIT = 60.0
_NO_ATTRIBUTES = {errno.ENOTSUP, errno.ENODATA, errno.ENOSYS, errno.EPERM, errno.E2BIG, errno.ENOSPC}
_USERS_TO_MEND = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG}


class Folder:
    """A folder as a Backend (its promises: `tracker.objects.Objects`)."""

    def __init__(self, root: str) -> None:
        self.root = Path(root).expanduser().absolute()
        self._staging, self._locks = self.root / ".staging", self.root / ".locks"

    def get(self, path: str) -> bytes | None:
        with _explained(path):
            try:
                return (self.root / path).read_bytes()
            except FileNotFoundError:
                return None

    def put(self, path: str, data: bytes, _headers: Headers) -> None:
        with _explained(path), self._draft(data, _MD5, _md5(data)) as draft:
            self._into_place(path, draft.replace)

    def create(self, path: str, data: bytes, _headers: Headers) -> bool:
        with _explained(path), self._draft(data, _MD5, _md5(data)) as draft:
            try:
                self._into_place(path, lambda target: target.hardlink_to(draft))
            except FileExistsError:
                return False
            finally:
                draft.unlink()
            return True

    def update(self, path: str, change: Change, headers: Headers) -> bool:
        with self._locked(path):
            old = self.get(path)
            new = change(old)
            if new is None or new == old:
                return False
            self.put(path, new, headers)
            return True

    def version(self, path: str) -> str | None:
        """Give the first half of the SHA-256 of the content."""
        target = self.root / path
        with _explained(path):
            try:
                known = _noted(target, _SHA, target.stat())
            except FileNotFoundError:
                return None
        data = None if known else self.get(path)
        return known if data is None else _sha256(data)[:_SHA_DIGITS]

    def swap(
        self, path: str, data: bytes, expected: str | None, _headers: Headers, sha256: str | None = None
    ) -> str | None:
        new = (sha256 or _sha256(data))[:_SHA_DIGITS]
        with self._locked(path):
            if self.version(path) != expected:
                return None
            with _explained(path), self._draft(data, _SHA, new, durable=False) as draft:
                self._into_place(path, draft.replace, durable=False)
            return new

    def settle(self, path: str | None) -> None:
        with _explained(path or "."):
            if path is None:
                _sync_file_system(self.root)
                return
            _sync(self.root / path)
            _sync((self.root / path).parent)

    def list(self, prefix: str, after: str) -> list[ObjectInfo]:
        with _explained(prefix):
            return sorted(self._walk(prefix, after))

    def folders(self, prefix: str) -> tuple[str, ...]:
        with _explained(prefix), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = (f"{prefix}/{entry.name}" for entry in os.scandir(self.root / prefix) if entry.is_dir())
            return tuple(sorted(found))
        return ()

    def prove(self) -> None:
        """Nothing to see: `flock` and `link` are the kernel's. Both may fail on network file systems."""

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            with _explained(path):
                try:
                    (self.root / path).unlink()
                except FileNotFoundError:
                    continue
                with contextlib.suppress(OSError):  # not empty, or gone already
                    for folder in list((self.root / path).relative_to(self.root).parents)[:-1]:
                        (self.root / folder).rmdir()

    def sweep(self, before: float) -> int:
        removed = 0
        with _explained(".staging"), contextlib.suppress(FileNotFoundError):
            for draft in (self.root / ".staging").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if draft.stat().st_mtime < before:
                        draft.unlink()
                        removed += 1
        return removed

    @contextlib.contextmanager
    def _draft(self, data: bytes, digest: str, value: str, *, durable: bool = True) -> Iterator[Path]:
        """Write a file with its digest; it is removed when moving it fails."""
        draft = self._staging / os.urandom(16).hex()
        try:
            file = _in_folder(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                _write(file, data)
                _note(file, digest, value)
                if durable:
                    os.fsync(file)
            finally:
                os.close(file)
            yield draft
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def _into_place(self, path: str, move: Callable[[Path], object], *, durable: bool = True) -> None:
        """Move, and make the folder where there is none; another process may remove the empty folder in between."""
        target = self.root / path
        for _ in range(100):
            try:
                move(target)
            except FileNotFoundError:
                with contextlib.suppress(FileNotFoundError):
                    self._make(target.parent)
            else:
                if durable:
                    with contextlib.suppress(FileNotFoundError):  # it is deleted by now, and its folder with it
                        _sync(target.parent)
                return
        raise StoreUnavailable(f"{path}: its folder is deleted as often as it is made; stop what cleans {self.root}")

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder == self.root:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            self._make(folder.parent)
            with contextlib.suppress(FileExistsError):  # of another writer, or gone again: the move will tell
                folder.mkdir()
        _sync(folder.parent)

    @contextlib.contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        """Hold one of a fixed number of locks, chosen by the path; the kernel lets go when the process dies."""
        with _explained(path):
            lock = self._locks / f"{zlib.crc32(path.encode()) % _LOCKS:02}"
            file = _in_folder(lock, os.O_RDWR | os.O_CREAT)
        try:
            until = time.monotonic() + _LOCK_WAIT
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        text = (
                            f"{path}: another process has held its lock for {_LOCK_WAIT:.0f} s; look for a stopped one"
                        )
                        raise Conflict(text) from None
                    time.sleep(0.002)
            yield
        finally:
            os.close(file)

    def _walk(self, folder: str, after: str) -> Iterator[ObjectInfo]:
        try:
            entries = list(os.scandir(self.root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir():
                hidden = not folder and entry.name.startswith(".")
                if not hidden and f"{path}/\U0010ffff" > after:
                    yield from self._walk(path, after)
            elif path > after:
                with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                    stat = entry.stat()
                    yield ObjectInfo(path, stat.st_size, _noted(Path(entry.path), _MD5, stat))


def _in_folder(path: Path, flags: int) -> int:
    """Open a file; make its folder where there is none."""
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _note(file: int, digest: str, value: str) -> None:
    """Note a digest in the file's attributes, with size and time: a later edit by others then does not go by it."""
    if sys.platform != "linux":
        return
    stat = os.fstat(file)
    try:
        os.setxattr(file, digest, f"{value} {stat.st_size} {stat.st_mtime_ns}".encode())
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTES:
            raise


def _noted(path: Path, digest: str, stat: os.stat_result) -> str | None:
    """Give a noted digest, if the file is still that one."""
    if sys.platform != "linux":
        return None
    try:
        value, size, time_ns = os.getxattr(path, digest).decode().split()
    except (OSError, ValueError):
        return None
    return value if (int(size), int(time_ns)) == (stat.st_size, stat.st_mtime_ns) else None


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sync_file_system(folder: Path) -> None:
    """Write out all that the file system of a folder still holds in memory: one wait instead of one for each file."""
    if sys.platform != "linux":
        os.sync()
        return
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(file):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(folder))
    finally:
        os.close(file)


def _sync(path: Path) -> None:
    """Write out a file, or a folder."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        where = f"{error.filename or path}: {error.strerror or error}"
        if error.errno in _USERS_TO_MEND:
            raise ConfigError(f"{where}; make it a folder this user may write to") from error
        raise StoreUnavailable(f"{where}; the write did not happen, try again when it is mended") from error
