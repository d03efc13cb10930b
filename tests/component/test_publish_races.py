"""Two publishers race through the minutes while a reader looks; a long race is `python -m bench.publish_races`."""

from __future__ import annotations

from bench.publish_races import Seen, pages, race
from tests.support.store import S3

ROUNDS = 12


def judged(url: str) -> None:
    seen, counts, whole = race(url, ROUNDS)
    assert (seen.back, seen.half, seen.missing) == (0, 0, 0)
    assert seen.reads > 20
    assert whole
    assert sum(counts.values()) == 4 * ROUNDS
    assert sum(n for kind, n in counts.items() if kind.endswith("out")) >= ROUNDS


def test_no_reader_goes_back_in_time_in_a_folder(tmp_path):
    judged(str(tmp_path / "site"))


@S3
def test_no_reader_goes_back_in_time_in_a_bucket(s3_place):
    judged(s3_place)


def test_the_judge_would_see_what_is_wrong():
    seen = Seen()
    for minute in (3, 2):
        seen.look("index.html", pages(minute, 1)["index.html"])
    seen.look("index.html", pages(4, 1)["index.html"][:2000] + pages(4, 2)["index.html"][2000:])
    seen.look("index.html", None)
    assert (seen.back, seen.half, seen.missing) == (1, 1, 1)
