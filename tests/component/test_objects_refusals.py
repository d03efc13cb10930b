"""What cannot be done is said in one sentence that helps, and never with a secret in it."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.ports import free_ports
from tests.support.store import S3, S3Server
from tracker.errors import ConfigError, Conflict, StoreUnavailable
from tracker.objects import Objects
from tracker.objects.local import Folder

SECRET = "a-secret-nobody-prints"


REFUSALS = {"expired": (400, b"ExpiredToken"), "skewed": (403, b"RequestTimeTooSkewed")}
"""What the server says to whoever asks for something in these buckets."""


class Careless(BaseHTTPRequestHandler):
    """An S3 server that takes every PUT, whatever its conditions (as `rclone serve s3` does)."""

    objects: dict[str, bytes] = {}  # noqa: RUF012 - one server, one memory
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/missing/"):
            self._answer(404, b"<Error><Code>NoSuchBucket</Code></Error>", b"")
        else:
            self.objects[self.path] = data
            self._answer(200, b"", data)

    def do_GET(self) -> None:
        data = self.objects.get(self.path)
        if refusal := REFUSALS.get(self.path.split("/")[1].partition("?")[0]):
            self._answer(refusal[0], b"<Error><Code>%s</Code></Error>" % refusal[1], b"")
        elif data is None:
            code = b"NoSuchBucket" if self.path.startswith("/missing") else b"NoSuchKey"
            self._answer(404, b"<Error><Code>%s</Code></Error>" % code, b"")
        else:
            self._answer(200, data, data)

    def do_DELETE(self) -> None:
        self.objects.pop(self.path, None)
        self._answer(204, b"", b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, b"<DeleteResult><Deleted><Key>x</Key></Deleted></DeleteResult>", b"")

    def _answer(self, status: int, body: bytes, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Careless)
    Thread(target=server.serve_forever, daemon=True).start()
    _credentials(monkeypatch, f"http://127.0.0.1:{server.server_address[1]}")
    yield "s3://store/x"
    server.shutdown()
    server.server_close()


def _credentials(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tracker")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def test_a_server_that_ignores_conditions_is_refused_for_racing_writes(careless: str) -> None:
    objects = Objects(careless)
    objects.put("plain", b"is fine")
    assert objects.get("plain") == b"is fine"
    for write in (objects.prove, lambda: objects.update("x", lambda _: b"1"), lambda: objects.create("x", b"1")):
        with pytest.raises(ConfigError, match=r"ignores If-Match and If-None-Match.*overwrite each other in silence"):
            write()
    assert objects.get("x") is None


@S3
def test_the_proof_is_made_once_and_for_one_server(s3_place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tracker.objects import remote

    Objects(s3_place).prove()
    proofs = []
    monkeypatch.setattr(remote.Remote, "prove", lambda self: proofs.append(self.root))
    Objects(s3_place).update("x", lambda _: b"1")
    assert proofs == []
    other = Objects(s3_place)
    other.get("x")
    other._backend._server = "http://another"  # type: ignore[union-attr]
    other.update("x", lambda _: b"2")
    assert len(proofs) == 1
    assert [one.path for one in other.list()] == ["x"]


def test_a_server_that_is_not_there_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _credentials(monkeypatch, f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(StoreUnavailable, match=r"s3://store/x/a: .*AWS_ENDPOINT_URL") as told:
        Objects("s3://store/x").get("a")
    assert SECRET not in str(told.value)
    assert "retr" not in str(told.value)
    assert "\n" not in str(told.value)


@S3
def test_a_wrong_key_is_a_matter_of_settings(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _credentials(monkeypatch, s3_server.endpoint)
    for call in (lambda o: o.get("a"), lambda o: o.put("a", b""), lambda o: o.list()):
        with pytest.raises(ConfigError, match="no access; check the AWS_") as told:
            call(Objects("s3://store/x"))
        assert SECRET not in str(told.value)


@pytest.mark.usefixtures("careless")
def test_expired_keys_and_a_wrong_clock_are_told_apart() -> None:
    for call in (lambda o: o.get("a"), lambda o: o.list()):
        with pytest.raises(ConfigError, match=r"no access; check the AWS_.* expired"):
            call(Objects("s3://expired"))
        with pytest.raises(ConfigError, match="the clock of this machine is too far off"):
            call(Objects("s3://skewed"))


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "http://[", "http://host:nine"])
def test_an_endpoint_that_is_no_address_is_named(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _credentials(monkeypatch, endpoint)
    with pytest.raises(ConfigError, match="AWS_ENDPOINT_URL must be a URL that starts with http"):
        Objects("s3://store/x").get("a")


@pytest.mark.usefixtures("careless")
def test_a_bucket_that_is_not_there_is_named() -> None:
    for call in (lambda o: o.put("a", b""), lambda o: o.get("a"), lambda o: o.update("a", lambda _: b"")):
        with pytest.raises(ConfigError, match=r"s3://missing/.*: there is no such bucket"):
            call(Objects("s3://missing"))


@pytest.mark.parametrize("url", ["http://x/y", "s3://", "ftp://x", "file://host/x", "gs://b/x"])
def test_an_url_that_is_no_place_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match=r"names (no bucket|a host)|is not a place"):
        Objects(url)


def test_a_file_url_and_a_path_are_the_same_place(tmp_path: Path) -> None:
    Objects(f"file://{tmp_path}/with%20space").put("a", b"1")
    assert Objects(f"{tmp_path}/with space").get("a") == b"1"


def test_a_folder_that_cannot_be_one_is_a_matter_of_settings(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="make it a folder this user may write to"):
        Objects(f"{tmp_path}/file/root").put("a", b"")


def test_a_full_disk_leaves_the_old_object_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Objects(str(tmp_path))
    objects.put("a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left on device"):
        objects.put("a", b"new")
    monkeypatch.undo()
    assert objects.get("a") == b"old"
    assert list((tmp_path / ".staging").iterdir()) == []


def test_drafts_of_the_killed_are_swept_and_those_of_the_living_stay(tmp_path: Path) -> None:
    objects = Objects(str(tmp_path))
    objects.put("a", b"1")
    for name, written in (("old", 1_000), ("young", 9_000)):
        draft = tmp_path / ".staging" / name
        draft.write_bytes(b"half")
        os.utime(draft, (written, written))
    assert objects.sweep(5_000) == 1
    assert Objects(f"{tmp_path}/nothing").sweep(5_000) == 0
    assert [one.name for one in (tmp_path / ".staging").iterdir()] == ["young"]
    assert [one.path for one in objects.list()] == ["a"]


def test_a_lock_held_by_a_stopped_process_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.objects.local._LOCK_WAIT", 0.05)
    objects, other = Objects(str(tmp_path)), Folder(str(tmp_path))
    with other._locked("a"), pytest.raises(Conflict, match="a: another process has held its lock"):
        objects.update("a", lambda _: b"1")
    assert objects.update("a", lambda _: b"1")


def test_a_digest_is_not_believed_after_an_edit_by_others(tmp_path: Path) -> None:
    objects = Objects(str(tmp_path))
    objects.put("a", b"1")
    assert objects.list()[0].md5 in {None, hashlib.md5(b"1").hexdigest()}
    (tmp_path / "a").write_bytes(b"2")
    os.utime(tmp_path / "a", (1, 1))
    assert objects.list()[0].md5 is None


def test_an_emptied_folder_is_removed_while_others_write_into_it(tmp_path: Path) -> None:
    objects, stop = Objects(str(tmp_path)), []

    def empty() -> None:
        while not stop:
            objects.put("deep/er/a", b"")
            objects.delete(["deep/er/a"])

    cleaner = Thread(target=empty)
    cleaner.start()
    try:
        for _ in range(300):
            objects.put("deep/er/b", uuid.uuid4().bytes)
            objects.delete(["deep/er/b"])
    finally:
        stop.append(True)
        cleaner.join()
    assert objects.list() == []


def test_who_found_no_folder_does_not_win_over_who_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, link = Objects(str(tmp_path)), Path.hardlink_to

    def too_late(target: Path, draft: Path) -> None:
        monkeypatch.setattr(Path, "hardlink_to", link)
        try:
            link(target, draft)
        finally:
            assert objects.create("new/a", b"of the other")

    monkeypatch.setattr(Path, "hardlink_to", too_late)
    assert objects.create("new/a", b"of one") is False
    assert objects.get("new/a") == b"of the other"
