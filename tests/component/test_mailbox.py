"""The local mail sink: what is sent is kept, shown and harmless."""

from __future__ import annotations

import os
import signal
import smtplib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.message import EmailMessage

import pytest
import requests

from tests.support.smtp import closed_port
from tests.support.transitions import fired, resolved
from tests.support.windows import T0
from tracker.alerts import Batch
from tracker.errors import ConfigError
from tracker.mail.composing import compose
from tracker.mail.smtp import SmtpNotifier
from tracker.settings import MailServer
from tracker.sim.mailbox import Mailbox, serve

SCRIPT = """
import sys
from pathlib import Path
from tracker.sim.mailbox import serve
serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
"""


def start(folder):
    smtp, http = closed_port(), closed_port()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(smtp), str(http), str(folder)])
    url = f"http://127.0.0.1:{http}"
    while process.poll() is None:
        try:
            requests.get(url, timeout=5)
            break
        except requests.ConnectionError:
            time.sleep(0.05)
    return process, smtp, url


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mails")
    process, smtp, url = start(folder)
    yield smtp, url, folder
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def send(port, message):
    SmtpNotifier(MailServer("127.0.0.1", port, ssl=False, starttls=False)).send(message)


def test_a_mail_is_kept_listed_shown_and_given_back_as_it_came(mailbox):
    smtp, url, folder = mailbox
    begin = Batch("b", "ann@example.com", T0, (fired(),))
    for one in (begin, Batch("c", "ann@example.com", T0, (resolved(),), answers=begin)):
        send(smtp, compose(one, None, "tracker@example.com"))
    newest, older = requests.get(f"{url}/mails.json", timeout=5).json()[:2]
    assert newest["answers"] == older["message_id"]
    assert older["subject"] == "[tracker] BTC/USD price 3.41× its 1 h mean"
    listing = requests.get(url, timeout=5).text
    assert "3.41× its 1 h mean" in listing
    assert "answer" in listing
    shown = requests.get(f"{url}/mail/{older['name']}", timeout=5)
    assert shown.text.count("Latest") == 1  # the text part; the HTML part is in its frame
    assert 'sandbox="allow-popups"' in shown.text
    framed = requests.get(f"{url}/mail/{older['name']}/html", timeout=5)
    assert "Fires above" in framed.text
    assert "default-src 'none'" in framed.headers["Content-Security-Policy"]
    raw = requests.get(f"{url}/mail/{older['name']}/raw", timeout=5)
    assert raw.content == (folder / f"{older['name']}.eml").read_bytes()
    assert message_from_bytes(raw.content)["Message-ID"] == older["message_id"]


def test_a_mail_sent_twice_is_shown_as_such(mailbox):
    smtp, url, _folder = mailbox
    message = EmailMessage()
    message["Subject"], message["From"], message["To"], message["Message-ID"] = "twin", "a@b.c", "d@e.f", "<1@b.c>"
    message.set_content("x")
    for _ in range(2):
        send(smtp, message)
    assert requests.get(url, timeout=5).text.count("sent twice, same Message-ID") == 2


@pytest.mark.parametrize("name", ["1", "99999999", "..%2F..%2Fetc%2Fpasswd", "x", "٣"])
def test_what_is_not_there_is_404(mailbox, name):
    assert requests.get(f"{mailbox[1]}/mail/{name}", timeout=5).status_code == 404


def test_a_page_elsewhere_cannot_read_the_mails(mailbox):
    assert requests.get(mailbox[1], headers={"Host": "evil.example.com"}, timeout=5).status_code == 400


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff\xfe no headers at all",
        b"Subject: =?utf-8?b?////?=\nTo: <<<>>>, ;;\nDate: yesterday\nFrom: @\n\nx",
        b"Content-Type: text/html; charset=klingon\nContent-Transfer-Encoding: base64\n\n%%%",
        b"Content-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/html\n\n<script>alert(1)</script>",
        b"Subject: <script>alert(1)</script>\n\n<script>",
    ],
)
def test_whatever_is_sent_the_pages_stand_and_run_no_script(mailbox, data):
    smtp, url, _folder = mailbox
    with smtplib.SMTP("127.0.0.1", smtp) as client:
        client.sendmail("a@b.c", ["d@e.f"], data)
    name = requests.get(f"{url}/mails.json", timeout=5).json()[0]["name"]
    for page in (url, f"{url}/mail/{name}"):
        answer = requests.get(page, timeout=5)
        assert answer.status_code == 200
        assert "<script" not in answer.text
    assert (
        requests.get(f"{url}/mail/{name}/html", timeout=5).headers["Content-Security-Policy"].endswith("allow-popups")
    )


def test_many_mails_at_once_are_all_kept_whole(mailbox):
    smtp, _url, folder = mailbox
    before = len(list(folder.glob("*.eml")))

    def one(index):
        with smtplib.SMTP("127.0.0.1", smtp) as client:
            client.sendmail("a@b.c", ["d@e.f"], f"Subject: n{index}\r\n\r\n".encode() + b"x\r\n" * 9000 + b"end")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(40)))
    kept = sorted(folder.glob("*.eml"))[before:]
    assert {path.read_text().splitlines()[0] for path in kept} == {f"Subject: n{index}" for index in range(40)}
    assert all(path.read_text().rstrip().endswith("end") for path in kept)
    assert not list(folder.glob(".draft*"))


def test_two_boxes_on_one_folder_never_overwrite_each_other(tmp_path):
    boxes = [Mailbox(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda index: boxes[index % 4].keep(str(index).encode()), range(60)))
    assert len(set(names)) == 60
    assert sorted((path.read_bytes() for path in tmp_path.glob("*.eml")), key=int) == [
        str(i).encode() for i in range(60)
    ]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_on_a_signal(tmp_path, stop):
    process, _smtp, _url = start(tmp_path)
    os.kill(process.pid, stop)
    assert process.wait(20) == 0


def test_a_taken_port_is_one_clear_error(tmp_path, mailbox):
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{mailbox[0]}: Address already in use"):
        serve(mailbox[0], closed_port(), tmp_path)
    with pytest.raises(ConfigError, match=r"cannot listen on 127.0.0.1:99999: .*; choose another port"):
        serve(closed_port(), 99_999, tmp_path)
