"""The watcher outside: called, never waited for, and its address told to nobody."""

from __future__ import annotations

import logging
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.support.smtp import closed_port
from tracker.errors import ConfigError
from tracker.ping import Ping
from tracker.settings import Settings


@pytest.fixture
def watcher():
    """A watcher that notes the paths it is called with and answers `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append(self.path)
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.paths, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_watcher_is_called(watcher, caplog):
    Ping(f"http://127.0.0.1:{watcher.server_port}/ping/s3cret")()
    assert watcher.paths == ["/ping/s3cret"]
    assert caplog.records == []


def test_what_goes_wrong_is_a_line_in_the_log_without_the_address(watcher, caplog):
    watcher.status = 404
    with caplog.at_level(logging.INFO):
        Ping(f"http://127.0.0.1:{watcher.server_port}/s3cret")()
        Ping(f"http://127.0.0.1:{closed_port()}/s3cret?key=s3cret")()
    assert "answered 404; mend TRACKER_PING_URL" in caplog.text
    assert "did not answer (ConnectionError)" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_watcher_that_hangs_costs_the_timeout_only(monkeypatch, caplog):
    monkeypatch.setattr("tracker.ping.TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        Ping(f"http://127.0.0.1:{silent.getsockname()[1]}/s3cret")()
    assert "did not answer (ReadTimeout)" in caplog.text


def test_the_setting_is_a_secret():
    settings = Settings.from_environment({"TRACKER_PING_URL": "https://watch.example/s3cret"})
    assert settings.ping_url == "https://watch.example/s3cret"
    assert "s3cret" not in repr(settings)
    with pytest.raises(ConfigError) as caught:
        Settings.from_environment({"TRACKER_PING_URL": "watch.example/s3cret"})
    assert "s3cret" not in str(caught.value)
