"""What every kind of storage promises (tracker.objects.Objects)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tracker.errors import Conflict, PermanentError
from tracker.objects import Objects


def test_an_object_is_given_back_as_it_was_put_and_replaced_whole(place: str) -> None:
    objects = Objects(place)
    assert objects.get("a/b.bin") is None
    objects.put("a/b.bin", b"first and longer", content_type="text/plain", cache_control="no-cache")
    objects.put("a/b.bin", b"second")
    assert objects.get("a/b.bin") == b"second"
    objects.put("a/empty", b"")
    assert objects.get("a/empty") == b""


def test_an_object_above_the_size_of_a_multipart_upload_is_one_put(place: str) -> None:
    objects, data = Objects(place), os.urandom(6 << 20)
    objects.put("big", data)
    assert objects.get("big") == data
    assert objects.list()[0].md5 in {None, hashlib.md5(data).hexdigest()}


def test_a_list_is_sorted_whole_and_of_one_folder(place: str) -> None:
    objects = Objects(place)
    for path in ("m/2", "m/10", "m/1/x", "m-1/y", "mm/z", "n"):
        objects.put(path, path.encode())
    assert [one.path for one in objects.list("m")] == ["m/1/x", "m/10", "m/2"]
    assert [one.path for one in objects.list("m", after="m/10")] == ["m/2"]
    assert [one.path for one in objects.list("m", after="m-1/~")] == ["m/1/x", "m/10", "m/2"]
    assert [one.path for one in objects.list("m", after="m/1/~")] == ["m/10", "m/2"]
    assert [one.path for one in objects.list()] == sorted(["m/2", "m/10", "m/1/x", "m-1/y", "mm/z", "n"])
    assert [one.size for one in objects.list("mm")] == [4]
    assert objects.list("nothing") == []


def test_a_listed_digest_is_that_of_the_content(place: str) -> None:
    objects = Objects(place)
    objects.put("x", b"1")
    objects.put("x", b"22")
    assert objects.list()[0].md5 in {None, hashlib.md5(b"22").hexdigest()}


def test_a_list_longer_than_one_page_is_whole(place: str) -> None:
    objects = Objects(place)
    paths = [f"p/{number:04}" for number in range(1001)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda path: objects.put(path, b""), paths))
    assert [one.path for one in objects.list("p")] == paths
    objects.delete(paths)
    assert objects.list("p") == []


def test_deleting_what_is_not_there_is_no_error(place: str) -> None:
    objects = Objects(place)
    objects.put("a/b/c", b"")
    objects.delete(["a/b/c", "a/b/nothing", "else"])
    assert objects.list() == []
    objects.put("a/b/c", b"again")
    assert objects.get("a/b/c") == b"again"


def test_exactly_one_of_many_creators_wins(place: str) -> None:
    objects = Objects(place)
    for turn in range(5):
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda who, path=f"once/{turn}/x": objects.create(path, b"%d" % who), range(8)))
        assert won.count(True) == 1
        assert objects.get(f"once/{turn}/x") == b"%d" % won.index(True)


def test_no_update_is_lost(place: str) -> None:
    objects = Objects(place)

    def add_one(_: int) -> bool:
        return objects.update("counter", lambda old: b"%d" % (int(old or b"0") + 1))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(add_one, range(40)))
    assert objects.get("counter") == b"40"


def test_an_update_that_changes_nothing_writes_nothing(place: str) -> None:
    objects = Objects(place)
    objects.put("x", b"same")
    assert objects.update("x", lambda old: old) is False
    assert objects.update("x", lambda _: None) is False
    assert objects.update("y", lambda _: None) is False
    assert objects.get("y") is None


def test_an_update_that_fails_leaves_the_object_and_the_way_free(place: str) -> None:
    objects = Objects(place)
    objects.put("x", b"old")

    def fail(_: bytes | None) -> bytes:
        raise Conflict("as told")

    with pytest.raises(Conflict, match="as told"):
        objects.update("x", fail)
    assert objects.update("x", lambda _: b"new") is True
    assert objects.get("x") == b"new"


@pytest.mark.parametrize("path", ["", "/x", "x/", "a//b", "../x", "a/../b", "a/.", ".locks/1", "a\nb", "a\0b"])
def test_a_path_cannot_leave_the_root_or_hide(place: str, path: str) -> None:
    objects = Objects(place)
    for call in (lambda: objects.put(path, b""), lambda: objects.get(path), lambda: objects.delete([path])):
        with pytest.raises(PermanentError, match="cannot name an object"):
            call()


@pytest.mark.parametrize("path", ["a b/c d", "a:b", "ü/€", "a+b&c=d", "100%", "%2e%2e/x", "a#b?c", "~x", "q'\"", "a*b"])
def test_odd_names_are_kept_apart_and_given_back(place: str, path: str) -> None:
    objects = Objects(place)
    objects.put(f"odd/{path}", path.encode())
    objects.put("odd/other", b"other")
    assert objects.get(f"odd/{path}") == path.encode()
    assert [one.path for one in objects.list("odd")] == sorted([f"odd/{path}", "odd/other"])
    objects.delete([f"odd/{path}"])
    assert [one.path for one in objects.list("odd")] == ["odd/other"]


def test_a_reader_never_meets_half_an_object(place: str) -> None:
    objects, done = Objects(place), threading.Event()
    versions = [bytes([n]) * 300_000 for n in range(4)]
    objects.put("whole", versions[0])

    def write() -> None:
        for turn in range(40):
            objects.put("whole", versions[turn % 4])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert objects.get("whole") in versions
    writer.join()


@pytest.mark.parametrize("used", ["before the fork", "not before the fork"])
def test_a_forked_child_uses_a_place_or_is_told_why_not(place: str, used: str) -> None:
    """In a process of its own, which has used no storage yet; a hang would be the end of a task."""
    done = subprocess.run(
        [sys.executable, "-c", _FORKS, place, used], capture_output=True, text=True, timeout=60, check=True
    )
    refused = used == "before the fork" and not place.startswith("/")
    assert done.stdout.strip() == ("forked from one that had used S3 already" if refused else "written")


_FORKS = """
import os, sys
from tracker.errors import PermanentError
from tracker.objects import Objects
objects = Objects(sys.argv[1])
if sys.argv[2] == "before the fork":
    objects.put("from/parent", b"1")
child = os.fork()
if child == 0:
    try:
        objects.put("from/child", b"1")
        print("written")
    except PermanentError as error:
        print("forked from one that had used S3 already" if "forked from one that had used S3" in str(error) else error)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
"""
