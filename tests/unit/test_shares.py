"""Work shared by several processes."""

from __future__ import annotations

import gc
import os

import pytest

from tests.support.sharing import Meeting
from tracker.shares import spread


def test_two_processes_work_at_the_same_time_and_every_part_is_done_once(tmp_path):
    found = spread(Meeting(str(tmp_path), os.getpid()), range(5), 2)
    assert sorted(part for part, _ in found) == [0, 1, 2, 3, 4]
    assert {away for _, away in found} == {True, False}


def test_one_process_needs_no_other():
    assert spread(lambda part: part * 2, [1, 2, 3], 1) == [2, 4, 6]


def test_this_process_does_its_own_work_before_it_takes_a_part():
    done = []
    spread(done.append, ["part"], 1, first=lambda: done.append("own"))
    assert done == ["own", "part"]


def test_the_collector_of_cycles_rests_meanwhile_and_works_again_afterwards():
    def fail(part):
        raise ValueError(part, gc.isenabled())

    with pytest.raises(ValueError, match=r"\('part', False\)"):
        spread(fail, ["part"], 1)
    assert gc.isenabled()


def test_what_fails_elsewhere_fails_here(tmp_path):
    with pytest.raises(ValueError, match="part"):
        spread(Meeting(str(tmp_path), os.getpid(), "fail"), range(2), 2)


def test_a_process_that_dies_fails_the_work(tmp_path):
    with pytest.raises(ChildProcessError, match="ended with 3"):
        spread(Meeting(str(tmp_path), os.getpid(), "die"), range(2), 2)


def test_ctrl_c_at_a_terminal_ends_this_process_which_ends_the_others(tmp_path):
    groups = {away: group for group, away in spread(Meeting(str(tmp_path), os.getpid(), "group"), range(2), 2)}
    assert groups[False] == os.getpgid(0) != groups[True]
