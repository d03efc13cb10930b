"""The network's bad days: each ends in one of our errors, which names exchange, path and what to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import count

import pytest

from tracker.errors import BadAnswer, RateLimited, SourceRefused, SourceUnavailable, TrackerError
from tracker.sources.http import Http, Refused, Request

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@contextmanager
def answering(*parts: bytes, hold: threading.Event | None = None) -> Iterator[str]:
    """Answer every connection on a free port with these bytes; then close, or wait until `hold` is set."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                for part in parts:
                    client.sendall(part)
                if hold:
                    hold.wait(30)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
    finally:
        if hold:
            hold.set()
        door.shutdown(socket.SHUT_RDWR)
        door.close()
        thread.join(10)


@pytest.fixture
def serving() -> Iterator[Callable[..., str]]:
    with ExitStack() as stack:
        yield lambda *parts, hold=None: stack.enter_context(answering(*parts, hold=hold))


def http(url: str, **options: object) -> Http:
    return Http("coinbase", url, lambda: NOON, **options)  # type: ignore[arg-type]


def whole(status: str, body: bytes = b"{}", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


ASK = Request("/products/stats", {"a": "b"})


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (whole("429 Slow", b"{}", "Retry-After: 7"), RateLimited, "7 s"),
        (whole("418 Teapot"), RateLimited, "banned"),
        (whole("500 Oops", b'{"message":"boom"}'), SourceUnavailable, "boom"),
        (whole("503 Later"), SourceUnavailable, "503"),
        (whole("408 Slow"), SourceUnavailable, "408"),
        (whole("400 No", b'{"message":"Unsupported granularity"}'), SourceRefused, "Unsupported granularity"),
        (whole("404 No"), SourceRefused, "404"),
        (whole("451 No"), SourceRefused, "where this machine is"),
        (whole("403 No", b"<html><title>Blocked</title>"), SourceRefused, "a web page: Blocked"),
        (whole("302 Away", b"", "Location: http://127.0.0.1:1/"), BadAnswer, "base URL"),
        (whole("200 OK", b"<!DOCTYPE html><html>"), BadAnswer, "a web page"),
        (whole("200 OK", b'{"BTC-USD": {"stats_24'), BadAnswer, "not JSON"),
        (whole("200 OK", b""), BadAnswer, "nothing"),
        (whole("200 OK", b"\xff\xfe\x00"), BadAnswer, "not JSON"),
        (whole("200 OK", b"[" * 100_000), BadAnswer, "not JSON"),
        (whole("200 OK", b"1" * 5000), BadAnswer, "not JSON"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", SourceUnavailable, "broke off"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", SourceUnavailable, "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", SourceUnavailable, "broke off"),
        (b"SSH-2.0-OpenSSH\r\n", SourceUnavailable, "connect"),
        (b"", SourceUnavailable, "connect"),
    ],
)
def test_a_bad_answer_becomes_an_error_that_names_what_was_asked(
    serving: Callable[..., str], answer: bytes, error: type[TrackerError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        http(serving(answer)).get(ASK)
    assert str(caught.value).startswith("coinbase, /products/stats: ")
    assert len(str(caught.value)) < 300


def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
    with pytest.raises(SourceUnavailable, match="cannot connect") as caught:
        http(url).get(ASK)
    assert str(caught.value).endswith(f"{url}: NewConnectionError: [Errno 111] Connection refused")


def test_a_password_in_the_address_is_not_told() -> None:
    with pytest.raises(SourceUnavailable, match="cannot connect to http://127") as caught:
        Http("coinbase", "http://me:s3cret@127.0.0.1:1", lambda: datetime.now(UTC)).get(ASK)  # noqa: TID251
    assert "s3cret" not in str(caught.value)


def test_silence_is_a_time_out(serving: Callable[..., str]) -> None:
    url = serving(hold=threading.Event())
    with pytest.raises(SourceUnavailable, match=r"no answer within 0\.2 s"):
        http(url, timeouts=(5.0, 0.2)).get(ASK)


def test_silence_in_the_middle_of_an_answer_is_unavailable(serving: Callable[..., str]) -> None:
    url = serving(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", hold=threading.Event())
    with pytest.raises(SourceUnavailable):
        http(url, timeouts=(5.0, 0.2)).get(ASK)


def test_an_answer_that_drips_is_given_up(serving: Callable[..., str]) -> None:
    ticks = count(step=15)  # each look at the time is 15 s later
    url = serving(whole("200 OK", b" " * 200_000 + b"{}"))
    with pytest.raises(SourceUnavailable, match="more than 20 s"):
        http(url, elapsed=lambda: float(next(ticks))).get(ASK)


def test_an_answer_that_is_too_large_is_not_read(serving: Callable[..., str]) -> None:
    with pytest.raises(BadAnswer, match="larger than 1000 bytes"):
        http(serving(whole("200 OK", b"[" + b"1," * 1000 + b"1]")), largest=1000).get(ASK)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (["Retry-After: 30"], 30.0),
        (["Retry-After: Mon, 23 Nov 2026 12:00:45 GMT", "Date: Mon, 23 Nov 2026 12:00:00 GMT"], 45.0),
        (["Retry-After: Mon, 23 Nov 2026 11:00:00 GMT", "Date: Mon, 23 Nov 2026 12:00:00 GMT"], 0.0),
        (["Retry-After: 99999999999999999999"], 3 * 86_400.0),
        (["Retry-After: Mon, 23 Nov 2099 12:00:45 GMT", "Date: Mon, 23 Nov 2026 12:00:00 GMT"], 3 * 86_400.0),
        (["Retry-After: soon"], None),
        (["Retry-After: -3"], None),
        ([], None),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    serving: Callable[..., str], headers: list[str], seconds: float | None
) -> None:
    with pytest.raises(RateLimited) as caught:
        http(serving(whole("429 Slow", b"{}", *headers))).get(ASK)
    assert caught.value.retry_after == seconds


def test_a_refusal_keeps_its_status_and_text(serving: Callable[..., str]) -> None:
    with pytest.raises(Refused) as caught:
        http(serving(whole("404 No", b'{"message":"NotFound"}'))).get(ASK)
    assert (caught.value.status, caught.value.text) == (404, '{"message":"NotFound"}')


def test_a_good_answer_carries_its_receipt_and_its_cache(serving: Callable[..., str]) -> None:
    url = serving(whole("200 OK", b'{"a": 1}', "Age: 4", "Date: Mon, 23 Nov 2026 11:59:50 GMT"))
    answer = http(url + "/").get(ASK)
    assert answer.body == {"a": 1}
    assert answer.received_at == NOON
    assert answer.age.total_seconds() == 4
    assert answer.skew.total_seconds() == -6
