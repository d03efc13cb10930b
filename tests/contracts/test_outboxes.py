"""What the outbox promises (tracker.ports.Outbox), whatever it lies on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.transitions import fired, queue, resolved, series
from tests.support.windows import BTC, at
from tracker.alerts import Event
from tracker.outbox import ObjectOutbox

ETH = series("ETH")
ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def outbox(place):
    return ObjectOutbox(place)


def waiting(outbox):
    return [outbox.batch(one.id) for one in outbox.pending(at(20))]


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


def test_what_would_have_fired_is_told_when_its_minute_is_evaluated_live_and_stays_told(outbox):
    outbox.record([fired()], live=False)
    assert outbox.record([fired()]) == 1
    assert outbox.record([fired()]) == 0
    assert outbox.record([fired()], live=False) == 0
    assert [one.would_have_fired for one in outbox.transitions(at(-1), at(0))] == [False]


def test_one_mail_per_recipient_and_minute(outbox):
    assert queue(outbox, [fired(), fired(ETH)], [ANN, BOB, ANN], run_url="http://airflow/run") == 4
    batches = waiting(outbox)
    assert {(batch.recipient, len(batch.transitions)) for batch in batches} == {(ANN, 2), (BOB, 2)}
    assert {batch.run_url for batch in batches} == {"http://airflow/run"}
    assert len({batch.digest for batch in batches}) == 2


def test_queueing_twice_queues_once(outbox):
    queue(outbox, [fired()], [ANN])
    assert queue(outbox, [fired()], [ANN], run_url="another run") == 0
    assert len(outbox.pending(at(20))) == 1


def test_what_a_repair_adds_to_a_minute_is_a_mail_of_its_own(outbox):
    queue(outbox, [fired()], [ANN])
    assert queue(outbox, [fired(), fired(ETH)], [ANN]) == 1
    assert [[str(one.series) for one in batch.transitions] for batch in waiting(outbox)] == [[str(BTC)], [str(ETH)]]


def test_a_sent_mail_waits_no_longer_and_is_marked_once(outbox):
    queue(outbox, [fired()], [ANN, BOB])
    first, second = waiting(outbox)
    assert outbox.mark_sent(first, at(1)) is True
    assert outbox.mark_sent(first, at(2)) is False
    assert [one.id for one in outbox.pending(at(20))] == [second.id]
    assert outbox.batch(first.id) is None
    queue(outbox, [fired()], [ANN, BOB])
    assert [one.id for one in outbox.pending(at(20))] == [second.id]


def test_the_backlog_counts_what_waits_and_what_never_went(outbox):
    queue(outbox, [fired()], [ANN, BOB])
    queue(outbox, [resolved()], [ANN])
    outbox.mark_failed(waiting(outbox)[0], "no", at(1))
    backlog = outbox.backlog(at(20))
    assert (backlog.waiting, backlog.oldest, backlog.undelivered) == (2, at(0), 1)


def test_a_mail_is_tried_over_a_weekend_and_then_given_up(outbox):
    queue(outbox, [fired()], [ANN])
    assert len(outbox.pending(at(0) + timedelta(days=3))) == 1
    assert outbox.pending(at(1) + timedelta(days=3)) == []
    assert outbox.backlog(at(1) + timedelta(days=3)).undelivered == 1


def test_the_end_of_an_alert_answers_the_mail_that_announced_it(outbox):
    queue(outbox, [fired(), fired(ETH)], [ANN, BOB])
    queue(outbox, [resolved()], [ANN])
    *_, end = waiting(outbox)
    assert end.answers is not None
    assert end.answers.recipient == ANN
    assert {one.event for one in end.answers.transitions} == {Event.FIRING}


def test_ends_of_alerts_from_several_mails_answer_none(outbox):
    queue(outbox, [fired()], [ANN])
    queue(outbox, [fired(ETH, at(1))], [ANN])
    queue(outbox, [resolved(), resolved(ETH, since=at(1))], [ANN])
    *_, end = waiting(outbox)
    assert (len(end.transitions), end.answers) == (2, None)


def test_an_end_nobody_announced_to_this_recipient_answers_none(outbox):
    queue(outbox, [fired()], [ANN])
    queue(outbox, [resolved()], [BOB])
    assert [batch.answers for batch in waiting(outbox) if batch.recipient == BOB] == [None]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "2026-03-01/1200-zz-0", "2026-03-01/1200-0123abcd-0/../x"])
def test_a_name_that_is_no_mail_is_refused(outbox, name):
    with pytest.raises(ValueError, match="names no mail"):
        outbox.batch(name)


def test_a_mail_that_is_not_there_is_none(outbox):
    assert outbox.batch("2026-03-01/1200-0123abcd-0") is None
    assert outbox.pending(at(0)) == []


def test_a_mail_is_claimed_by_one_sender_until_it_is_given_back_or_forgotten(outbox):
    queue(outbox, [fired()], [ANN])
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
        queue(outbox, [fired(minute=at(index))], [ANN])
    queue(outbox, [fired(minute=at(7))], [BOB])
    recipients = [batch.recipient for batch in waiting(outbox)]
    assert recipients.index(BOB) == 1
    assert [batch.minute for batch in waiting(outbox) if batch.recipient == ANN] == [at(index) for index in range(5)]


def test_many_evaluators_at_once_queue_and_record_each_key_once(place):
    alerts = [fired(series(f"C{number}")) for number in range(12)]

    def evaluate_part(number):
        part = alerts[number % 4 :: 2] + alerts[: number % 5]
        mine = ObjectOutbox(str(place))
        return mine.record(part), queue(mine, part, [ANN])

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(evaluate_part, range(24)))
    outbox = ObjectOutbox(str(place))
    told = [one.id for batch in waiting(outbox) for one in batch.transitions]
    assert sorted(told) == sorted(one.id for one in alerts)
    assert len(outbox.transitions(at(-1), at(0))) == 12
    assert (sum(one for one, _ in counts), sum(one for _, one in counts)) == (12, 12)
