"""What every bucket promises (tracker.ports.Bucket)."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.samples import NOON
from tests.support.store import S3, S3Server
from tracker.bucket import CLAIM_LIVES, MANIFEST, SiteBucket
from tracker.errors import StoreUnavailable
from tracker.model import MINUTE

PAGES = {"index.html": b"<index>", "m/a.html": b"<a>", "m/b.html": b"<b>", "api/v1/ranking.json": b"{}"}


@pytest.fixture
def bucket(place: str) -> SiteBucket:
    return SiteBucket(place)


def site(bucket: SiteBucket) -> dict[str, bytes]:
    paths = [one.path for one in bucket.objects.list() if one.path != MANIFEST]
    return {path: bucket.objects.get(path) or b"" for path in paths}


def manifest(bucket: SiteBucket) -> dict:
    return json.loads(bucket.objects.get(MANIFEST) or b"{}")


def record(bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch, fail_at: str | None = None) -> list[str]:
    """Note the paths in the order of their writing; fail at one of them."""
    written: list[str] = []
    put, lock = bucket.objects.put, threading.Lock()

    def noting(path: str, data: bytes, **more: str) -> None:
        if path == fail_at:
            raise StoreUnavailable(f"{path}: as told")
        put(path, data, **more)  # type: ignore[arg-type]
        with lock:
            written.append(path)

    monkeypatch.setattr(bucket.objects, "put", noting)
    return written


def test_the_pages_are_there_after_the_first_publish(bucket: SiteBucket) -> None:
    done = bucket.publish(PAGES, NOON)
    assert (done.written, done.bytes, done.skipped, done.deleted, done.older) == (4, 15, 0, 0, False)
    assert done.report() == {"written": 4, "bytes": 15, "skipped": 0, "deleted": 0, "older": False}
    assert site(bucket) == PAGES
    assert manifest(bucket)["minute"] == "2026-03-01T12:00:00Z"
    assert manifest(bucket)["claims"] == {}


def test_only_what_changed_goes_up(bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.publish(PAGES, NOON)
    written = record(bucket, monkeypatch)
    changed = {**PAGES, "m/a.html": b"<a2>", "index.html": b"<index2>"}
    done = bucket.publish(changed, NOON + MINUTE)
    assert written == ["m/a.html", "index.html"]
    assert (done.written, done.skipped) == (2, 2)
    assert site(bucket) == changed
    assert bucket.publish(changed, NOON + 2 * MINUTE).written == 0
    assert manifest(bucket)["minute"] == "2026-03-01T12:02:00Z"


def test_publishing_twice_leaves_the_same_bytes(bucket: SiteBucket) -> None:
    bucket.publish(PAGES, NOON)
    before = bucket.objects.get(MANIFEST)
    assert bucket.publish(PAGES, NOON).skipped == 4
    assert bucket.objects.get(MANIFEST) == before


def test_the_index_comes_last(bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    written = record(bucket, monkeypatch)
    bucket.publish({**PAGES, "volume.html": b"", "alerts.html": b"", "data/x.csv": b""}, NOON)
    assert written[-1] == "index.html"
    assert set(written[-3:-1]) == {"volume.html", "alerts.html"}


def test_an_older_minute_changes_nothing_and_says_so(bucket: SiteBucket) -> None:
    bucket.publish(PAGES, NOON)
    before = bucket.objects.get(MANIFEST)
    done = bucket.publish({"index.html": b"old", "else.html": b"old"}, NOON - MINUTE)
    assert (done.older, done.written, done.deleted) == (True, 0, 0)
    assert site(bucket) == PAGES
    assert bucket.objects.get(MANIFEST) == before


def test_pages_that_vanished_are_deleted(bucket: SiteBucket) -> None:
    bucket.publish(PAGES, NOON)
    bucket.objects.put("not-ours.txt", b"kept")
    fewer = {path: data for path, data in PAGES.items() if path != "m/b.html"}
    assert bucket.publish(fewer, NOON + MINUTE).deleted == 1
    assert site(bucket) == {**fewer, "not-ours.txt": b"kept"}


def test_a_failed_publish_keeps_the_old_index_and_the_next_one_mends(
    bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.publish(PAGES, NOON)
    new = {path: data + b"2" for path, data in PAGES.items()}
    with monkeypatch.context() as patch:
        record(bucket, patch, fail_at="m/b.html")
        with pytest.raises(StoreUnavailable, match="as told"):
            bucket.publish(new, NOON + MINUTE)
    assert site(bucket)["index.html"] == b"<index>"
    assert manifest(bucket)["minute"] == "2026-03-01T12:00:00Z"
    # What the dead one may have written is written again, though the manifest knew the hash of the old page.
    assert bucket.publish(PAGES, NOON + 2 * MINUTE).written == 4
    assert site(bucket) == PAGES


def test_a_dead_claim_is_forgotten_in_time(bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        record(bucket, patch, fail_at="m/b.html")
        with pytest.raises(StoreUnavailable):
            bucket.publish(PAGES, NOON)
    assert bucket.publish(PAGES, NOON + CLAIM_LIVES).written == 4
    assert len(manifest(bucket)["claims"]) == 1
    assert bucket.publish(PAGES, NOON + CLAIM_LIVES + MINUTE).written == 4
    assert manifest(bucket)["claims"] == {}
    assert bucket.publish(PAGES, NOON + CLAIM_LIVES + 2 * MINUTE).written == 0


def test_a_publisher_overtaken_on_the_way_leaves_no_lie_behind(
    bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have laid an old page over a new one: the next publish must not believe the manifest there."""
    bucket.publish(PAGES, NOON)
    newer = SiteBucket(bucket.objects.url)
    put = bucket.objects.put

    def overtaken(path: str, data: bytes, **more: str) -> None:
        if path == "index.html":
            newer.publish({**PAGES, "m/new.html": b"<new>"}, NOON + 2 * MINUTE)
        put(path, data, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(bucket.objects, "put", overtaken)
        late = {"index.html": b"late", "m/a.html": b"late", "m/late.html": b"late"}
        assert bucket.publish(late, NOON + MINUTE).older is True
    assert manifest(bucket)["minute"] == "2026-03-01T12:02:00Z"
    bucket.publish({**PAGES, "m/new.html": b"<new>"}, NOON + 3 * MINUTE)
    assert site(bucket) == {**PAGES, "m/new.html": b"<new>"}


def test_many_publishers_at_once_end_as_the_latest(bucket: SiteBucket) -> None:
    def publish(minute: int) -> None:
        own = SiteBucket(bucket.objects.url)
        own.publish({f"m/{n}.html": b"%d" % (minute if n % minute else 0) for n in range(12)}, NOON + minute * MINUTE)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, range(1, 9)))
    last = {f"m/{n}.html": b"%d" % (9 if n % 9 else 0) for n in range(12)}
    bucket.publish(last, NOON + 9 * MINUTE)
    assert site(bucket) == last
    assert manifest(bucket)["claims"] == {}


@pytest.mark.parametrize(
    "damage", [b"", b"null", b"[]", b"{}", b'{"minute": 1, "objects": [], "claims": {}}', b"<html>"]
)
def test_a_damaged_manifest_only_costs_a_full_upload(bucket: SiteBucket, damage: bytes) -> None:
    bucket.publish(PAGES, NOON)
    bucket.objects.put(MANIFEST, damage)
    assert bucket.publish(PAGES, NOON + MINUTE).written == 4
    assert manifest(bucket)["minute"] == "2026-03-01T12:01:00Z"


def test_the_name_of_the_manifest_is_taken(bucket: SiteBucket) -> None:
    with pytest.raises(ValueError, match=r"manifest\.json"):
        bucket.publish({MANIFEST: b""}, NOON)


@S3
def test_strangers_read_pages_with_the_right_headers(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    SiteBucket("s3://site").publish({**PAGES, "data/ranking.csv": b"a,b", "data/x.parquet": b"PAR1"}, NOON)
    kinds = {
        "index.html": ("text/html; charset=utf-8", "max-age=20"),
        "api/v1/ranking.json": ("application/json", "max-age=20"),
        "data/ranking.csv": ("text/csv; charset=utf-8", "no-cache"),
        "data/x.parquet": ("application/vnd.apache.parquet", "no-cache"),
        MANIFEST: ("application/json", "no-cache"),
    }
    for path, (kind, cache) in kinds.items():
        answer = requests.get(f"{s3_server.endpoint}/site/{path}", timeout=10)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["Cache-Control"].startswith(cache)
    assert requests.put(f"{s3_server.endpoint}/site/index.html", b"mine", timeout=10).status_code == 403
