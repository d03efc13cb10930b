"""The outbox: nothing is lost, nothing is queued twice, and what was told stays told."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.transitions import fired, resolved, series
from tests.support.windows import BTC, at
from tracker.alerts import Event
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


# the log


def test_recording_twice_records_once(outbox):
    assert outbox.record([fired(), fired(ETH)]) == 2
    assert outbox.record([fired(), resolved()]) == 1
    assert outbox.record([]) == 0
    assert outbox.transitions(at(-1), at(60)) == [fired(), fired(ETH), resolved()]


def test_what_was_told_is_never_rewritten(outbox):
    outbox.record([fired()])
    outbox.record([replace(fired(), latest=999.0)])
    assert outbox.transitions(at(-1), at(0)) == [fired()]


def test_a_range_of_the_log_excludes_its_start_and_crosses_midnight(outbox):
    late = fired(ETH, at(12 * 60))
    outbox.record([late, fired()])
    assert outbox.transitions(at(0), at(24 * 60)) == [late]
    assert outbox.transitions(at(-1), at(24 * 60)) == [fired(), late]


def test_the_past_is_recorded_as_would_have_fired(outbox):
    outbox.record([fired()], live=False)
    outbox.record([fired(ETH)])
    assert [one.would_have_fired for one in outbox.transitions(at(-1), at(0))] == [True, False]


def test_an_infinite_ratio_survives_as_valid_json(outbox, root):
    from_zero = replace(fired(), mean_1h=0.0, peak_ratio=math.inf)
    outbox.record([from_zero])
    outbox.queue([from_zero], [ANN])
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


# the mails


def test_one_mail_per_recipient_and_minute(outbox):
    assert outbox.queue([fired(), fired(ETH)], [ANN, BOB, ANN], run_url="http://airflow/run") == 4
    batches = waiting(outbox)
    assert {(batch.recipient, len(batch.transitions)) for batch in batches} == {(ANN, 2), (BOB, 2)}
    assert {batch.run_url for batch in batches} == {"http://airflow/run"}
    assert len({batch.digest for batch in batches}) == 2


def test_queueing_twice_queues_once(outbox):
    outbox.queue([fired()], [ANN])
    assert outbox.queue([fired()], [ANN], run_url="another run") == 0
    assert len(outbox.pending(at(20))) == 1


def test_what_a_repair_adds_to_a_minute_is_a_mail_of_its_own(outbox):
    outbox.queue([fired()], [ANN])
    assert outbox.queue([fired(), fired(ETH)], [ANN]) == 1
    assert [[str(one.series) for one in batch.transitions] for batch in waiting(outbox)] == [[str(BTC)], [str(ETH)]]


def test_a_sent_mail_waits_no_longer_and_is_marked_once(outbox):
    outbox.queue([fired()], [ANN, BOB])
    first, second = waiting(outbox)
    assert outbox.mark_sent(first, at(1)) is True
    assert outbox.mark_sent(first, at(2)) is False
    assert [one.id for one in outbox.pending(at(20))] == [second.id]
    assert outbox.batch(first.id) is None
    outbox.queue([fired()], [ANN, BOB])
    assert [one.id for one in outbox.pending(at(20))] == [second.id]


def test_a_refused_mail_is_kept_as_failed_without_the_address(outbox, root):
    outbox.queue([fired()], [ANN, BOB])
    refused, other = sorted(waiting(outbox), key=lambda batch: batch.recipient)
    outbox.mark_failed(refused, "550 5.1.1 <ann@example.com>: user unknown", at(1))
    assert [one.id for one in outbox.pending(at(20))] == [other.id]
    assert outbox.batch(refused.id) is None
    states = {one.id: one.state for one in outbox.deliveries(at(-1), at(20), at(20))}
    assert states == {refused.id: "failed", other.id: "waiting"}
    (path,) = (root / "alerts" / "failed").rglob("*.json")
    assert json.loads(path.read_text())["reason"] == "550 5.1.1 <(address)>: user unknown"
    assert ANN not in refused.id


def test_the_backlog_counts_what_waits_and_what_never_went(outbox):
    outbox.queue([fired()], [ANN, BOB])
    outbox.queue([resolved()], [ANN])
    outbox.mark_failed(waiting(outbox)[0], "no", at(1))
    backlog = outbox.backlog(at(20))
    assert (backlog.waiting, backlog.oldest, backlog.undelivered) == (2, at(0), 1)


def test_a_mail_is_tried_over_a_weekend_and_then_given_up(outbox):
    outbox.queue([fired()], [ANN])
    assert len(outbox.pending(at(0) + timedelta(days=3))) == 1
    assert outbox.pending(at(1) + timedelta(days=3)) == []
    assert outbox.backlog(at(1) + timedelta(days=3)).undelivered == 1


def test_the_end_of_an_alert_answers_the_mail_that_announced_it(outbox):
    outbox.queue([fired(), fired(ETH)], [ANN, BOB])
    outbox.queue([resolved()], [ANN])
    *_, end = waiting(outbox)
    assert end.answers is not None
    assert end.answers.recipient == ANN
    assert {one.event for one in end.answers.transitions} == {Event.FIRING}


def test_ends_of_alerts_from_several_mails_answer_none(outbox):
    outbox.queue([fired()], [ANN])
    outbox.queue([fired(ETH, at(1))], [ANN])
    outbox.queue([resolved(), resolved(ETH, since=at(1))], [ANN])
    *_, end = waiting(outbox)
    assert (len(end.transitions), end.answers) == (2, None)


def test_an_end_nobody_announced_to_this_recipient_answers_none(outbox):
    outbox.queue([fired()], [ANN])
    outbox.queue([resolved()], [BOB])
    assert [batch.answers for batch in waiting(outbox) if batch.recipient == BOB] == [None]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "2026-03-01/1200-zz-0", "2026-03-01/1200-0123abcd-0/../x"])
def test_a_name_that_is_no_mail_is_refused(outbox, name):
    with pytest.raises(ValueError, match="names no mail"):
        outbox.batch(name)


def test_a_mail_that_is_not_there_is_none(outbox):
    assert outbox.batch("2026-03-01/1200-0123abcd-0") is None
    assert outbox.pending(at(0)) == []


def test_a_mail_is_claimed_by_one_sender_until_it_is_given_back_or_forgotten(outbox):
    outbox.queue([fired()], [ANN])
    (waiting_mail,) = outbox.pending(at(20))
    assert outbox.claim(waiting_mail.id, at(20)) is True
    assert outbox.claim(waiting_mail.id, at(21)) is False
    outbox.release(waiting_mail.id)
    assert outbox.claim(waiting_mail.id, at(21)) is True
    assert outbox.claim(waiting_mail.id, at(23)) is True  # the claim of at(21) was forgotten: its sender is dead
    with pytest.raises(ValueError, match="names no mail"):
        outbox.claim("../x", at(20))


def test_a_recipient_with_many_waiting_mails_keeps_nobody_waiting(outbox):
    for index in range(5):
        outbox.queue([fired(minute=at(index))], [ANN])
    outbox.queue([fired(minute=at(7))], [BOB])
    recipients = [batch.recipient for batch in waiting(outbox)]
    assert recipients.index(BOB) == 1
    assert [batch.minute for batch in waiting(outbox) if batch.recipient == ANN] == [at(index) for index in range(5)]


def test_many_evaluators_at_once_queue_and_record_each_key_once(root):
    alerts = [fired(series(f"C{number}")) for number in range(12)]

    def evaluate_part(number):
        part = alerts[number % 4 :: 2] + alerts[: number % 5]
        mine = ObjectOutbox(str(root))
        return mine.record(part), mine.queue(part, [ANN])

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(evaluate_part, range(24)))
    outbox = ObjectOutbox(str(root))
    told = [one.id for batch in waiting(outbox) for one in batch.transitions]
    assert sorted(told) == sorted(one.id for one in alerts)
    assert len(outbox.transitions(at(-1), at(0))) == 12
    assert (sum(one for one, _ in counts), sum(one for _, one in counts)) == (12, 12)


@pytest.mark.parametrize("call", range(1, 7))
def test_killed_at_any_write_and_run_again_everything_is_recorded_and_queued_once(root, call):
    """The process dies at the n-th call on the object store, before or after it took effect."""
    script = textwrap.dedent("""
        import os, signal, sys
        from tests.support.transitions import fired, series
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
        outbox.queue(alerts, ["ann@example.com", "bob@example.com"])
    """)
    for limit, code in ((call, -9), (1000, 0)):
        assert subprocess.run([sys.executable, "-c", script, str(root), str(limit)], check=False).returncode == code
    outbox = ObjectOutbox(Objects(str(root)))
    assert outbox.transitions(at(-1), at(0)) == [fired(), fired(ETH)]
    assert [len(batch.transitions) for batch in waiting(outbox)] == [2, 2]
