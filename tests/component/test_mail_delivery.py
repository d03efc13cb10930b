"""SMTP as it goes wrong: every failure ends as wait-and-retry or refused, and never as a lost or hanging mail."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.smtp import PASSWORD, Server, certificate, running
from tests.support.transitions import fired, queue, series
from tests.support.windows import T0, at
from tracker.alerts import Batch
from tracker.errors import MailRefused, MailUnavailable
from tracker.mail.composing import compose
from tracker.mail.smtp import SmtpNotifier
from tracker.outbox import ObjectOutbox
from tracker.settings import MailServer

SENDER = "tracker@example.com"


def message(recipient="ann@example.com"):
    return compose(Batch("b", recipient, T0, (fired(),)), None, SENDER)


def plain(server, **more):
    return SmtpNotifier(MailServer("127.0.0.1", server.port, ssl=False, starttls=False, **({"timeout": 5} | more)))


@pytest.mark.parametrize(
    ("behaviour", "error", "says"),
    [
        ({"data": "451 4.3.0 out of disk"}, MailUnavailable, "451 4.3.0 out of disk; the mail waits"),
        ({"data": "552 5.3.4 too big"}, MailRefused, "552 5.3.4 too big; this mail is not tried again"),
        ({"recipient": {"ann@example.com": "550 5.1.1 unknown"}}, MailRefused, "550 5.1.1 unknown"),
        ({"recipient": {"ann@example.com": "451 4.7.1 greylisted"}}, MailUnavailable, "451 4.7.1 greylisted"),
        ({"sender": "553 5.7.1 not yours"}, MailUnavailable, "mend from_email"),
        ({"greeting": "busy"}, MailUnavailable, "the mail waits and is tried again"),
        ({"drop": "lost"}, MailUnavailable, "the mail waits and is tried again"),
    ],
)
def test_each_failure_says_whether_to_try_again(behaviour, error, says):
    with running(Server(**behaviour)) as server, pytest.raises(error, match=says):
        plain(server).send(message())
    assert server.taken == []


def test_a_server_that_takes_the_mail_and_hangs_up_is_tried_again_and_the_twin_is_recognisable():
    with running(Server(drop="taken")) as server:
        with pytest.raises(MailUnavailable):
            plain(server).send(message())
        server.drop = None
        plain(server).send(message())
    first, second = server.taken
    assert first.as_bytes() == second.as_bytes()


def test_a_server_that_never_answers_costs_the_timeout_only():
    with running(Server(hang=True)) as server, pytest.raises(MailUnavailable, match="no answer in time"):
        plain(server, timeout=0.2).send(message())


def test_a_listener_that_is_not_a_mail_server_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        notifier = SmtpNotifier(
            MailServer("127.0.0.1", silent.getsockname()[1], ssl=False, starttls=False, timeout=0.2)
        )
        with pytest.raises(MailUnavailable, match="no answer in time"):
            notifier.send(message())


@pytest.mark.parametrize("mode", ["tls", "starttls"])
def test_mail_goes_over_tls_with_a_login(mode, tmp_path):
    serving, trusting = certificate(tmp_path)
    with running(Server(), tls=serving, starttls=mode == "starttls", auth=mode == "starttls") as server:
        at_home = MailServer(
            "localhost",
            server.port,
            ssl=mode == "tls",
            starttls=mode == "starttls",
            user="me" if mode == "starttls" else None,
            password=PASSWORD,
            timeout=5,
        )
        SmtpNotifier(at_home, trusting).send(message())
    assert len(server.taken) == 1


def test_a_server_nobody_vouches_for_gets_no_mail(tmp_path):
    serving, _trusting = certificate(tmp_path)
    with (
        running(Server(), tls=serving) as server,
        pytest.raises(MailUnavailable, match=r"its certificate is not trusted .* SSL_CERT_FILE"),
    ):
        SmtpNotifier(MailServer("localhost", server.port, ssl=True, timeout=5)).send(message())
    assert server.taken == []


def test_a_server_without_tls_is_not_spoken_to_in_the_clear():
    with running(Server()) as server, pytest.raises(MailUnavailable, match="set disable_tls"):
        SmtpNotifier(MailServer("127.0.0.1", server.port, ssl=False, starttls=True, timeout=5)).send(message())
    assert server.taken == []


def test_a_wrong_password_waits_for_a_person_and_is_not_told(tmp_path):
    serving, trusting = certificate(tmp_path)
    with running(Server(), tls=serving, starttls=True, auth=True) as server:
        wrong = MailServer("localhost", server.port, ssl=False, user="me", password="wr0ng-secret", timeout=5)
        with pytest.raises(MailUnavailable, match="refused the login") as caught:
            SmtpNotifier(wrong, trusting).send(message())
    assert "wr0ng" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "wr0ng" not in repr(wrong)


def deliver(outbox, notifier, now):
    """Send what waits, as the deliver step does."""
    for waiting in outbox.pending(now):
        if not outbox.claim(waiting.id, now):
            continue
        try:
            send_one(outbox, notifier, outbox.batch(waiting.id), now)
        finally:
            outbox.release(waiting.id)


def send_one(outbox, notifier, batch, now):
    if batch is None:
        return
    try:
        notifier.send(compose(batch, None, SENDER))
    except MailRefused as error:
        outbox.mark_failed(batch, str(error), now)
    except MailUnavailable:
        return
    else:
        outbox.mark_sent(batch, now)


def test_many_senders_at_once_send_each_mail_once(tmp_path):
    outbox = ObjectOutbox(str(tmp_path))
    for index in range(12):
        queue(outbox, [fired(series(f"C{index}"), at(index))], ["ann@example.com"])
    with running(Server()) as server, ThreadPoolExecutor(6) as pool:
        senders = [pool.submit(deliver, ObjectOutbox(str(tmp_path)), plain(server), at(20)) for _ in range(6)]
        for sender in senders:
            sender.result()
    ids = [mail["Message-ID"] for mail in server.taken]
    assert len(ids) == len(set(ids)) == 12
    assert outbox.pending(at(20)) == []


def test_200_alerts_through_a_server_that_fails_in_every_way_all_arrive_once(tmp_path):
    outbox = ObjectOutbox(str(tmp_path))
    recipients = ["ann@example.com", "bob@example.com", "gone@example.com"]
    for index in range(40):
        queue(outbox, [fired(series(f"C{index}-{one}"), at(index)) for one in range(5)], recipients)
    down = SmtpNotifier(MailServer("127.0.0.1", 9, ssl=False, starttls=False, timeout=0.5))
    deliver(outbox, down, at(100))
    assert outbox.backlog(at(100)).waiting == 120
    with running(Server(recipient={"gone@example.com": "550 5.1.1 no such user"})) as server:
        for trouble in ({"data": "451 later"}, {"greeting": "busy"}, {"drop": "lost"}):
            for name, value in trouble.items():
                setattr(server, name, value)
            for waiting in outbox.pending(at(100))[:10]:
                batch = outbox.batch(waiting.id)
                if batch.recipient != "gone@example.com":
                    with pytest.raises(MailUnavailable):
                        plain(server).send(compose(batch, None, SENDER))
            for name in trouble:
                setattr(server, name, None)
        deliver(outbox, plain(server), at(100))
    got = [(mail["To"], mail["Message-ID"]) for mail in server.taken]
    assert len(got) == len(set(got)) == 80
    backlog = outbox.backlog(at(100))
    assert (backlog.waiting, backlog.undelivered) == (0, 40)
    assert outbox.pending(at(100)) == []


def test_killed_between_accepted_and_marked_the_mail_comes_twice_with_one_message_id(tmp_path):
    script = textwrap.dedent("""
        import os, signal, sys
        from tests.support.transitions import fired, queue
        from tests.support.windows import at
        from tracker.mail.composing import compose
        from tracker.mail.smtp import SmtpNotifier
        from tracker.outbox import ObjectOutbox
        from tracker.settings import MailServer

        outbox = ObjectOutbox(sys.argv[1])
        (waiting,) = outbox.pending(at(5))
        batch = outbox.batch(waiting.id)
        notifier = SmtpNotifier(MailServer("127.0.0.1", int(sys.argv[2]), ssl=False, starttls=False))
        if sys.argv[3] == "before": os.kill(os.getpid(), signal.SIGKILL)
        notifier.send(compose(batch, None, "tracker@example.com"))
        if sys.argv[3] == "between": os.kill(os.getpid(), signal.SIGKILL)
        outbox.mark_sent(batch, at(5))
    """)
    outbox = ObjectOutbox(str(tmp_path))
    queue(outbox, [fired()], ["ann@example.com"])
    with running(Server()) as server:
        for moment, code, taken in (("before", -9, 0), ("between", -9, 1), ("never", 0, 2)):
            arguments = [sys.executable, "-c", script, str(tmp_path), str(server.port), moment]
            assert subprocess.run(arguments, check=False).returncode == code
            assert len(server.taken) == taken
    assert len({mail["Message-ID"] for mail in server.taken}) == 1
    assert outbox.pending(at(5)) == []
