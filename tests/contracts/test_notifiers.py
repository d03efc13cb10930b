"""What every Notifier promises: taken, or an error that says whether to try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.support.smtp import Server, closed_port, running
from tests.support.transitions import fired
from tests.support.windows import T0
from tracker.alerts import Batch
from tracker.errors import MailRefused, MailUnavailable
from tracker.mail.composing import compose
from tracker.mail.smtp import SmtpNotifier
from tracker.settings import MailServer

MESSAGE = compose(Batch("b", "ann@example.com", T0, (fired(),)), None, "tracker@example.com")


@dataclass
class Case:
    """A notifier whose other side can be told what to do."""

    notifier: SmtpNotifier
    refuse: Callable[[], None]
    put_off: Callable[[], None]
    taken: Callable[[], list]


@pytest.fixture(params=["smtp"])
def case(request):
    with running(Server()) as server:
        notifier = SmtpNotifier(MailServer("127.0.0.1", server.port, ssl=False, starttls=False, timeout=5))
        yield Case(
            notifier,
            refuse=lambda: server.recipient.update({"ann@example.com": "550 5.1.1 no such user"}),
            put_off=lambda: server.recipient.update({"ann@example.com": "450 4.2.1 try later"}),
            taken=lambda: server.taken,
        )


def test_a_message_that_is_sent_is_taken_whole(case):
    case.notifier.send(MESSAGE)
    (taken,) = case.taken()
    assert taken["Message-ID"] == MESSAGE["Message-ID"]
    assert taken["Subject"] == MESSAGE["Subject"]
    for kind in ("plain", "html"):
        given = MESSAGE.get_body((kind,)).get_content()
        assert taken.get_body((kind,)).get_content().splitlines() == given.splitlines()


def test_no_for_good_is_refused(case):
    case.refuse()
    with pytest.raises(MailRefused):
        case.notifier.send(MESSAGE)
    assert case.taken() == []


def test_not_now_is_unavailable_and_works_later(case):
    case.put_off()
    with pytest.raises(MailUnavailable):
        case.notifier.send(MESSAGE)


def test_a_notifier_can_be_used_again(case):
    case.notifier.send(MESSAGE)
    case.notifier.send(MESSAGE)
    assert len(case.taken()) == 2


def test_nobody_there_is_unavailable():
    notifier = SmtpNotifier(MailServer("127.0.0.1", closed_port(), ssl=False, starttls=False, timeout=5))
    with pytest.raises(MailUnavailable, match="the mail waits and is tried again"):
        notifier.send(MESSAGE)
