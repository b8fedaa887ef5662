# SPDX-License-Identifier: Apache-2.0
"""When a process tells that it ends."""

from __future__ import annotations

import atexit
import http.server
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from wsgiapm.process_exit import call_at_exit

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def registered(monkeypatch):
    """What was given to atexit."""
    functions = []
    monkeypatch.setattr(atexit, "register", functions.append)
    monkeypatch.delitem(sys.modules, "mod_wsgi", raising=False)
    return functions


def test_python_tells_of_its_end(registered):
    """In every process but mod_wsgi's."""
    call_at_exit(print)

    assert registered == [print]


def test_mod_wsgi_tells_of_its_end_before_it_takes_the_threads(registered, monkeypatch):
    """In an interpreter of an app's own, atexit comes too late; the event comes with arguments."""
    subscribed, calls = [], []
    server = SimpleNamespace(subscribe_shutdown=subscribed.append, application_group="shop")
    monkeypatch.setitem(sys.modules, "mod_wsgi", server)
    call_at_exit(lambda: calls.append(1))
    subscribed[0]("process_stopping", shutdown_reason="shutdown_signal")

    assert calls == [1]
    assert registered == []


@pytest.mark.parametrize(("group", "expected"), [("", 1), ("shop", 0)])
def test_an_older_mod_wsgi_tells_of_its_end_in_the_main_interpreter(group, expected, registered, monkeypatch):
    """In another one nothing is done at all: its threads are gone."""
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(application_group=group))
    call_at_exit(print)

    assert len(registered) == expected


class Taking(http.server.BaseHTTPRequestHandler):
    """Answers every upload, and notes its path."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.paths.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Be quiet."""


PROGRAM = """
from wsgiapm import APMMiddleware
app = APMMiddleware(lambda environ, start_response: (start_response("200 OK", []), [b"x"])[1])
app({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "PATH_INFO": "/a"}, lambda *_: None)
"""


def test_a_process_that_ends_before_its_first_round_uploads(tmp_path):
    """The thread that is there does it: from Python 3.12 on none can be started at exit."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        server.paths = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        settings = {
            "WSGIAPM_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
            "WSGIAPM_SHARED_DIR": str(tmp_path / "shared"),
            "PYTHONPATH": ROOT,
        }
        environment = {**os.environ, **settings}
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment, timeout=60)
        server.shutdown()
        thread.join()

    assert server.paths == ["/v1/metrics"]
