# SPDX-License-Identifier: Apache-2.0
"""Clients that really go away, on real servers: counted as such, never as errors; and what lasts is in flight meanwhile."""

from __future__ import annotations

import base64
import os
import socket
import sys

import pytest

from wsgiapm.aggregate.merge import merge
from wsgiapm.errors import SharedDirectoryError

GUNICORN = ["-m", "gunicorn", "--no-control-socket", "--bind"]
APP = "tests.wsgi.corpus.lasting_app"
WORKERS = ("sync", "gevent", "gthread")
SERVERS = [
    pytest.param(s, marks=pytest.mark.long if s in {"gthread", "waitress"} else ()) for s in (*WORKERS, "waitress")
]


class Site:
    """A running server, and what was counted."""

    def __init__(self, running, port, shared):
        self.running = running
        self.port = port
        self.shared = shared

    def points(self, family):
        """The points of a family."""
        try:
            return {f.name: f.points for f in merge(self.shared).families}.get(family, ())
        except SharedDirectoryError:
            return ()

    @property
    def requests(self):
        """How many requests ended: by route, status and error."""
        names = ("http.route", "http.response.status_code", "error.type")
        points = self.points("http.server.request.duration")
        found = {tuple(dict(p.attributes).get(name) for name in names): p.count for p in points}
        return {key: count for key, count in found.items() if key[0] != "/"}

    @property
    def disconnects(self):
        """How many clients went away, by route."""
        return {dict(p.attributes)["http.route"]: p.value for p in self.points("wsgiapm.client_disconnects")}

    @property
    def streams(self):
        """How many streams there were, by kind."""
        return {dict(p.attributes)["kind"]: p.count for p in self.points("wsgiapm.stream.duration")}

    @property
    def in_flight(self):
        """How many requests are running."""
        return sum(p.value for p in self.points("http.server.active_requests"))

    def open(self, data):
        """Send the beginning of something."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.sendall(data)
        return connection


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


def get(path, **headers):
    """The bytes of a request."""
    lines = [f"GET {path} HTTP/1.1", "Host: corpus.test", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


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


def frame(text):
    """A frame of text of a client, masked with zeros."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text.encode()


@pytest.mark.parametrize("server", ["gthread", pytest.param("gevent", marks=pytest.mark.long)])
def test_a_websocket_is_in_flight_and_then_a_stream(server, serve, wait_until):
    """A real one, of flask-sock, which ends by StopIteration on gunicorn: it works, and is no slow request and no error."""
    site = serve(server)
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": key, "Sec_WebSocket_Version": "13"}
    with site.open(get("/socket", **headers)) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 101 ")
        connection.sendall(frame("hi"))
        assert connection.recv(1000) == b"\x81\x0byou said hi"
        assert (site.in_flight, site.requests) == (1, {})
        connection.sendall(bytes([0x88, 0x80]) + bytes(4))
        while connection.recv(1000):
            pass
    wait_until(lambda: not site.in_flight, "nothing is in flight", 60)

    assert site.requests == {("/socket", None, None): 1}
    assert (site.streams, site.disconnects) == ({"upgrade": 1}, {})
    [point] = [p for p in site.points("http.server.request.duration") if dict(p.attributes)["http.route"] == "/socket"]
    assert point.sum == 0
    assert "Traceback" not in site.running.output()
