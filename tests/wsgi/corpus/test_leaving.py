# SPDX-License-Identifier: Apache-2.0
"""Clients that really go away, on real servers: counted as such, never as errors; and what lasts is in flight meanwhile."""

from __future__ import annotations

import sys

import pytest

from tests.wsgi.corpus.lasting import Site, get

GUNICORN = ["-m", "gunicorn", "--no-control-socket", "--bind"]
APP = "tests.wsgi.corpus.lasting_app"
WORKERS = ("sync", "gevent", "gthread")
SERVERS = [
    pytest.param(s, marks=pytest.mark.long if s in {"gthread", "waitress"} else ()) for s in (*WORKERS, "waitress")
]


@pytest.fixture
def serve(process, free_port, tmp_path):
    """`serve(server)` starts it with the app that lasts."""

    def start(server):
        port, shared = free_port(), str(tmp_path / "shared")
        gunicorn = [*GUNICORN, f"127.0.0.1:{port}", "-k", server, "--threads", "2", f"{APP}:application"]
        argv = ["-m", APP, str(port)] if server == "waitress" else gunicorn
        environment = {"WSGIAPM_SHARED_DIR": shared, "WSGIAPM_ENDPOINT": ""}
        running = process([sys.executable, *argv], env=environment)
        running.wait_for_port(port)
        return Site(running, port, shared)

    return start


@pytest.mark.parametrize("server", SERVERS)
def test_clients_that_go_away_are_counted_as_that(server, serve, wait_until):
    """In the middle of a body, of one with a length, of what is written, of events, and of an upload."""
    site = serve(server)
    for path in ("/endless", "/sized", "/written"):
        with site.open(get(path)) as connection:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
            connection.recv(1 << 20)
        wait_until(lambda path=path: site.disconnects.get(path), f"{path} is over", 60)
    with site.open(b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nbegun"):
        wait_until(lambda: server == "waitress" or site.in_flight, "the upload is being read", 60)
    with site.open(get("/events")) as connection:
        received = b""
        while received.count(b"data: 1") < 3:
            received += connection.recv(1000)
        assert site.in_flight >= 1
        assert site.streams == {}
    wait_until(lambda: site.streams, "the stream is over", 60)
    wait_until(lambda: not site.in_flight, "nothing is in flight", 60)

    expected = {(path, 200, None): 1 for path in ("/endless", "/sized", "/written", "/events")}
    left = dict.fromkeys(("/endless", "/sized", "/written"), 1)
    if server != "waitress":  # which reads an upload before it asks the app
        expected["/upload", None, None] = left["/upload"] = 1
    assert site.requests == expected
    assert site.disconnects == left
    assert site.streams == {"event-stream": 1}
    assert "internal error" not in site.running.output()
