"""The outbox: nothing is lost, nothing is queued twice, and what was told stays told."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from tests.support.transitions import fired, queue, series
from tests.support.windows import at
from tracker.errors import CorruptObject
from tracker.objects import Objects
from tracker.outbox import ObjectOutbox

ETH = series("ETH")
ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def outbox(root):
    return ObjectOutbox(str(root))


def waiting(outbox):
    return [outbox.batch(one.id) for one in outbox.pending(at(20))]


def test_an_infinite_ratio_survives_as_valid_json(outbox, root):
    from_zero = replace(fired(), base=0.0, peak_ratio=math.inf)
    outbox.record([from_zero])
    queue(outbox, [from_zero], [ANN])
    assert outbox.transitions(at(-1), at(0)) == [from_zero]
    (batch,) = waiting(outbox)
    assert math.isinf(batch.transitions[0].peak_ratio)
    for path in root.rglob("*.json*"):
        for line in path.read_text().split("}\n{"):
            json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_a_broken_log_says_where_and_what_to_do(outbox, root):
    outbox.record([fired()])
    (path,) = root.rglob("transitions.jsonl")
    path.write_bytes(path.read_bytes() + b'{"rule": ')
    with pytest.raises(CorruptObject, match=r"date=2026-03-01/transitions.jsonl is not a log"):
        outbox.transitions(at(-1), at(0))


def test_a_refused_mail_is_kept_as_failed_without_the_address(outbox, root):
    queue(outbox, [fired()], [ANN, BOB])
    refused, other = sorted(waiting(outbox), key=lambda batch: batch.recipient)
    outbox.mark_failed(refused, "550 5.1.1 <ann@example.com>: user unknown", at(1))
    assert [one.id for one in outbox.pending(at(20))] == [other.id]
    assert outbox.batch(refused.id) is None
    states = {one.id: one.state for one in outbox.deliveries(at(-1), at(20), at(20))}
    assert states == {refused.id: "failed", other.id: "waiting"}
    (path,) = (root / "alerts" / "failed").rglob("*.json")
    assert json.loads(path.read_text())["reason"] == "550 5.1.1 <(address)>: user unknown"
    assert ANN not in refused.id


@pytest.mark.parametrize("call", range(1, 7))
def test_killed_at_any_write_and_run_again_everything_is_recorded_and_queued_once(root, call):
    """The process dies at the n-th call on the object store, before or after it took effect."""
    script = textwrap.dedent("""
        import os, signal, sys
        from tests.support.transitions import fired, queue, series
        from tracker.objects import Objects
        from tracker.outbox import ObjectOutbox

        left = int(sys.argv[2])

        def deadly(real):
            def call(*args, **kwargs):
                global left
                left -= 1
                if left == 0: os.kill(os.getpid(), signal.SIGKILL)
                answer = real(*args, **kwargs)
                left -= 1
                if left == 0: os.kill(os.getpid(), signal.SIGKILL)
                return answer
            return call

        Objects.create, Objects.update = deadly(Objects.create), deadly(Objects.update)
        outbox, alerts = ObjectOutbox(sys.argv[1]), [fired(), fired(series("ETH"))]
        outbox.record(alerts)
        queue(outbox, alerts, ["ann@example.com", "bob@example.com"])
    """)
    for limit, code in ((call, -9), (1000, 0)):
        assert subprocess.run([sys.executable, "-c", script, str(root), str(limit)], check=False).returncode == code
    outbox = ObjectOutbox(Objects(str(root)))
    assert outbox.transitions(at(-1), at(0)) == [fired(), fired(ETH)]
    assert [len(batch.transitions) for batch in waiting(outbox)] == [2, 2]
