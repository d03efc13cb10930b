"""What every bucket promises (tracker.ports.Bucket)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.support.samples import NOON
from tests.support.sharing import Pages
from tests.support.store import S3, S3Server
from tracker.bucket import CLAIM_LIVES, MANIFEST, SiteBucket
from tracker.errors import StoreUnavailable
from tracker.model import HOUR, MINUTE
from tracker.objects import remote
from tracker.ports import Copy, Standing

PAGES = {"index.html": b"<index>", "m/a.html": b"<a>", "m/b.html": b"<b>", "api/v1/ranking.json": b"{}"}


@pytest.fixture
def bucket(place: str) -> SiteBucket:
    return SiteBucket(place)


def site(bucket: SiteBucket) -> dict[str, bytes]:
    paths = [one.path for one in bucket.objects.list() if one.path != MANIFEST]
    return {path: bucket.page(path) or b"" for path in paths}


def manifest(bucket: SiteBucket) -> dict:
    return json.loads(bucket.objects.get(MANIFEST) or b"{}")


def record(bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch, fail_at: str | None = None) -> list[str]:
    """Note the paths in the order of their writing; fail at one of them."""
    written: list[str] = []
    swap, lock = bucket.objects.swap, threading.Lock()

    def noting(path: str, *what: object) -> str | None:
        if path == fail_at:
            raise StoreUnavailable(f"{path}: as told")
        version = swap(path, *what)  # type: ignore[arg-type]
        if version is not None:
            with lock:
                written.append(path)
        return version

    monkeypatch.setattr(bucket.objects, "swap", noting)
    return written


def test_the_pages_are_there_after_the_first_publish(bucket: SiteBucket) -> None:
    done = bucket.publish(PAGES, NOON)
    stored = sum(one.size for one in bucket.objects.list() if one.path != MANIFEST)
    assert (done.written, done.bytes, done.skipped, done.deleted, done.older) == (4, stored, 0, 0, False)
    assert done.report() == {"written": 4, "bytes": stored, "skipped": 0, "deleted": 0, "older": False}
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


def test_pages_survive_a_power_cut_before_the_index_speaks_of_them_and_it_before_the_claim_goes(
    bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = record(bucket, monkeypatch)
    settle, update = bucket.objects.settle, bucket.objects.update

    def settling(path: str | None = None) -> None:
        settle(path)
        steps.append(f"settle {path or 'all'}")

    def updating(path: str, *what: object, **named: object) -> bool:
        steps.append(path)
        return update(path, *what, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(bucket.objects, "settle", settling)
    monkeypatch.setattr(bucket.objects, "update", updating)
    bucket.publish({**PAGES, "volume.html": b"<v>"}, NOON)
    assert sorted(steps[1:5]) == ["api/v1/ranking.json", "m/a.html", "m/b.html", "volume.html"]
    assert steps[0] == MANIFEST
    assert steps[5:] == ["settle all", "index.html", "settle index.html", MANIFEST]


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
    new = {**PAGES, "index.html": b"<index of 12:02>", "m/new.html": b"<new>"}
    late = {"index.html": b"late", "m/a.html": b"late", "m/late.html": b"late"}
    with monkeypatch.context() as patch:
        before_writing(bucket, "index.html", lambda: newer.publish(new, NOON + 2 * MINUTE), patch)
        assert bucket.publish(late, NOON + MINUTE).older is True
    assert site(bucket)["index.html"] == b"<index of 12:02>"  # not for a moment an older one
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


def before_writing(bucket: SiteBucket, path: str, act: Callable[[], object], patch: pytest.MonkeyPatch) -> None:
    """Let something happen right before `path` is written for the first time."""
    swap, todo = bucket.objects.swap, [act]

    def delayed(one: str, *what: object) -> str | None:
        if one == path and todo:
            todo.pop()()
        return swap(one, *what)  # type: ignore[arg-type]

    patch.setattr(bucket.objects, "swap", delayed)


def test_an_older_publisher_stops_as_soon_as_a_newer_one_is_on_its_way(
    bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer one has claimed and written a page, and is not done; the older one was to write that page too."""
    bucket.publish(PAGES, NOON)
    newer = SiteBucket(bucket.objects.url)
    new, old = dict.fromkeys(PAGES, b"2"), dict.fromkeys(PAGES, b"1")

    def half() -> None:
        with pytest.MonkeyPatch.context() as patch:
            record(newer, patch, fail_at="index.html")
            with pytest.raises(StoreUnavailable):
                newer.publish(new, NOON + 2 * MINUTE)

    with monkeypatch.context() as patch:
        before_writing(bucket, "m/b.html", half, patch)
        assert bucket.publish(old, NOON + MINUTE).older is True
    assert site(bucket)["m/b.html"] == b"2"
    assert site(bucket)["index.html"] == b"<index>"
    assert bucket.publish(old, NOON + MINUTE).older is True  # nor may it begin anew beside it
    later = dict.fromkeys(PAGES, b"3")
    assert bucket.publish(later, NOON + 3 * MINUTE).written == 4
    assert site(bucket) == later


def test_of_two_publishers_of_one_minute_both_arrive(bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.publish(PAGES, NOON)
    other = SiteBucket(bucket.objects.url)
    one, two = dict.fromkeys(PAGES, b"1"), dict.fromkeys(PAGES, b"2")
    with monkeypatch.context() as patch:
        before_writing(bucket, "m/a.html", lambda: other.publish(two, NOON + MINUTE), patch)
        assert bucket.publish(one, NOON + MINUTE).older is False
    assert set(site(bucket).values()) <= {b"1", b"2"}
    assert bucket.publish(one, NOON + 2 * MINUTE).older is False
    assert site(bucket) == one


def test_what_is_out_is_told_with_its_minutes(bucket: SiteBucket) -> None:
    assert bucket.standing() == Standing()
    bucket.publish(PAGES, NOON)
    bucket.publish({**PAGES, "m/a.html": b"<a2>"}, NOON + MINUTE)
    standing = bucket.standing()
    assert standing.minute == NOON + MINUTE
    assert standing.made == {path: NOON + MINUTE if path == "m/a.html" else NOON for path in PAGES}


def test_a_page_to_be_kept_stays_with_its_minute(bucket: SiteBucket) -> None:
    bucket.publish(PAGES, NOON)
    rest = {path: data + b"2" for path, data in PAGES.items() if path != "m/b.html"}
    assert bucket.publish(rest, NOON + MINUTE, keep=["m/b.html"]).deleted == 0
    assert site(bucket) == {**rest, "m/b.html": b"<b>"}
    assert bucket.standing().made["m/b.html"] == NOON


def test_pages_made_meanwhile_by_several_processes_are_all_there_before_the_index(
    bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracker.bucket.MAKING", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    done = bucket.publish(PAGES, NOON, parts=Pages("1"))
    assert (done.written, done.skipped) == (16, 0)
    assert site(bucket) == PAGES | Pages("1").all
    assert bucket.standing().usage.writes == 18  # a claim and its end
    written = record(bucket, monkeypatch)
    done = bucket.publish(
        {**PAGES, "index.html": b"<2>"}, NOON + MINUTE, ["p/9.html", "p/10.html"], parts=Pages("2", 9)
    )
    assert (done.written, done.skipped, done.deleted) == (9, 4, 1)
    assert written[-1] == "index.html"
    kept = {"p/9.html": b"<1 9>", "p/10.html": b"<1 10>"}
    assert site(bucket) == PAGES | Pages("2", 9).all | kept | {"index.html": b"<2>"}
    assert manifest(bucket)["claims"] == {}


def test_pages_made_meanwhile_do_not_replace_those_of_a_later_minute(
    bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.publish(PAGES, NOON, parts=Pages("1"))
    newer = SiteBucket(bucket.objects.url)
    with monkeypatch.context() as patch:
        later = lambda: newer.publish(PAGES, NOON + 2 * MINUTE, parts=Pages("3"))  # noqa: E731
        before_writing(bucket, "p/4.html", later, patch)
        assert bucket.publish(PAGES, NOON + MINUTE, parts=Pages("2")).older is True
    assert site(bucket) == PAGES | Pages("3").all
    assert bucket.publish(PAGES, NOON + 3 * MINUTE, parts=Pages("3")).older is False
    assert site(bucket) == PAGES | Pages("3").all


def test_the_ranking_of_an_hour_is_kept_once_and_for_good(bucket: SiteBucket) -> None:
    def copy(text: bytes) -> Copy:
        return Copy(NOON, {"at/2026-03-01T12/index.html": text})

    bucket.publish(PAGES, NOON, copy=copy(b"<noon>"))
    bucket.publish(PAGES, NOON, copy=copy(b"<other>"))
    bucket.publish(PAGES, NOON + HOUR)
    assert bucket.page("at/2026-03-01T12/index.html") == b"<noon>"
    assert bucket.copies() == [NOON]
    assert bucket.standing().copies == (NOON,)
    assert "at/2026-03-01T12/index.html" not in bucket.standing().made


def test_hours_are_listed_for_a_day_and_kept_as_long_as_is_said(bucket: SiteBucket) -> None:
    for n in (0, 1, 30):
        hour = NOON + n * HOUR
        bucket.publish(PAGES, hour, copy=Copy(hour, {f"at/{hour:%Y-%m-%dT%H}/index.html": b"%d" % n}))
    assert bucket.copies() == [NOON, NOON + HOUR, NOON + 30 * HOUR]
    assert bucket.standing().copies == (NOON + 30 * HOUR,)
    assert bucket.sweep(NOON + 40 * HOUR) == 0
    bucket.keep_copies = timedelta(hours=10, minutes=30)
    assert bucket.sweep(NOON + 40 * HOUR) == 2
    assert bucket.copies() == [NOON + 30 * HOUR]


@pytest.mark.parametrize("place", ["memory", pytest.param("s3", marks=S3)], indirect=True)
def test_the_cost_meter_equals_what_the_bucket_was_asked(bucket: SiteBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.publish(PAGES, NOON)  # proofs of conditional writes, once a process, are not counted
    counted, lock = {"writes": 0, "reads": 0}, threading.Lock()

    def counting(kind: str, call: Callable[..., object]) -> Callable[..., object]:
        def asked(*what: object, **more: object) -> object:
            with lock:
                counted[kind] += 1
            return call(*what, **more)

        return asked

    kinds = {"put": "writes", "list": "writes", "list_with_delimiter": "writes", "get": "reads", "head": "reads"}
    before = bucket.standing().usage
    for name, kind in kinds.items():
        monkeypatch.setattr(remote.obstore, name, counting(kind, getattr(remote.obstore, name)))
    bucket.publish({path: data + b"2" for path, data in PAGES.items()}, NOON + MINUTE, copy=Copy(NOON, {"at/x": b""}))
    assert counted == {"writes": 7, "reads": 2}  # four pages, a copy, a claim and its end; both look first
    asked = dict(counted)
    after = bucket.standing().usage
    told = {"writes": after.writes - before.writes, "reads": after.reads - before.reads - 1}  # and our own look before
    assert (told, after.publishes) == (asked, 2)


def test_usage_older_than_a_day_is_left_out(bucket: SiteBucket) -> None:
    for n in range(3):
        bucket.publish({"index.html": b"%d" % n}, NOON + n * 13 * HOUR)
    assert bucket.standing().usage.publishes == 2


@S3
def test_pages_in_a_bucket_are_stored_compressed_and_say_so(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    page = b"<p>the same again and again" * 100
    done = SiteBucket("s3://site/squeezed").publish({"index.html": page, "data/x.csv": page}, NOON)
    answer = requests.get(f"{s3_server.endpoint}/site/squeezed/index.html", timeout=10)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.content == page
    assert "Content-Encoding" not in requests.get(f"{s3_server.endpoint}/site/squeezed/data/x.csv", timeout=10).headers
    assert len(page) < done.bytes < len(page) + 200


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
