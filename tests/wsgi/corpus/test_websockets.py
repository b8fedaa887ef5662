# SPDX-License-Identifier: Apache-2.0
"""Real websockets on every server that has them: in flight as long as they last, then streams, never slow requests."""

from __future__ import annotations

import base64
import os
import sys

import pytest

from tests.wsgi.corpus.lasting import Site, get

APP = "tests.wsgi.corpus.websocket_app"
GUNICORN = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}", f"{APP}:application"]
UWSGI = os.path.join(os.path.dirname(sys.executable), "uwsgi")
SERVERS = {
    "gthread": [*GUNICORN, "-k", "gthread", "--threads", "2"],
    "gevent": [*GUNICORN, "-k", "gevent"],
    "gevent-websocket": [*GUNICORN, "-k", "geventwebsocket.gunicorn.workers.GeventWebSocketWorker"],
    "eventlet": [sys.executable, "-W", "ignore", "-m", APP, "{port}"],
    "uwsgi": [
        *(UWSGI, "--http-socket=127.0.0.1:{port}", f"--module={APP}", "--master", "--die-on-term", "--gevent=10"),
    ],
}
# On which server, what is asked for, and the status that is counted: what the client got, where the server knows.
WEBSOCKETS = {
    "flask-sock on gthread": ("gthread", "/flask-sock", None),
    "flask-sock on gevent": ("gevent", "/flask-sock", None),
    "gevent-websocket": ("gevent-websocket", "/gevent-websocket", 101),
    "gevent-websocket, start_response called": ("gevent-websocket", "/gevent-websocket?said", 101),
    "gevent-websocket, an empty answer of Flask": ("gevent-websocket", "/gevent-websocket?empty", 101),
    "gevent-websocket, an answer of Flask": ("gevent-websocket", "/gevent-websocket?text", 101),
    "gevent-websocket, a generator": ("gevent-websocket", "/gevent-websocket?later", 101),
    "eventlet": ("eventlet", "/eventlet", None),
    "uwsgi": ("uwsgi", "/uwsgi", None),
    "uwsgi, its exception not caught": ("uwsgi", "/uwsgi?raises", None),
}
IN_DEFAULT_RUN = {"flask-sock on gthread"}
each_websocket = pytest.mark.parametrize(
    ("server", "path", "status"),
    [
        pytest.param(*how, id=name, marks=() if name in IN_DEFAULT_RUN else pytest.mark.long)
        for name, how in WEBSOCKETS.items()
    ],
)


@pytest.fixture
def serve(process, free_port, tmp_path):
    """`serve(server)` starts it with the app that speaks."""

    def start(server):
        port, shared = free_port(), str(tmp_path / "shared")
        argv = [part.format(port=port) for part in SERVERS[server]]
        if not os.path.exists(argv[0]):
            pytest.skip("uwsgi could not be built here (it needs a C compiler)")
        running = process(argv, env={"WSGIAPM_SHARED_DIR": shared, "WSGIAPM_ENDPOINT": ""})
        running.wait_for_port(port)
        return Site(running, port, shared)

    return start


def handshake(path):
    """The request of a browser that wants to speak."""
    key = base64.b64encode(os.urandom(16)).decode()
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": key, "Sec_WebSocket_Version": "13"}
    return get(path, Origin="http://corpus.test", **headers)


def frame(text):
    """A frame of text of a client, masked with zeros."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text.encode()


def read(connection, size):
    """Exactly so many bytes."""
    received = b""
    while len(received) < size:
        piece = connection.recv(size - len(received))
        assert piece, received
        received += piece
    return received


def speak(site, connection):
    """Say something and hear it, while the request is in flight."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        received += connection.recv(1)
    assert received.startswith(b"HTTP/1.1 101 ")
    connection.sendall(frame("hi"))
    assert read(connection, 13) == b"\x81\x0byou said hi"
    assert (site.in_flight, site.requests) == (1, {})


@each_websocket
def test_a_websocket_is_in_flight_and_then_a_stream(server, path, status, serve, wait_until):
    """It works, and when the client says good-bye it is no slow request, no error and no disconnect."""
    site = serve(server)
    with site.open(handshake(path)) as connection:
        speak(site, connection)
        connection.sendall(bytes([0x88, 0x80]) + bytes(4))
        while connection.recv(1000):
            pass
    wait_until(lambda: site.streams, "the stream is over", 30)

    assert site.requests == {(path.partition("?")[0], status, None): 1}
    assert (site.streams, site.disconnects, site.in_flight) == ({"upgrade": 1}, {}, 0)
    assert site.seconds < 1e-6
    assert "internal error" not in site.running.output()


@each_websocket
@pytest.mark.long
def test_a_client_of_a_websocket_that_just_goes_is_no_error(server, path, status, serve, wait_until):
    """As when a page is closed: whatever exception the server tells the app by."""
    site = serve(server)
    with site.open(handshake(path)) as connection:
        speak(site, connection)
    wait_until(lambda: site.streams, "the stream is over", 30)

    assert site.requests == {(path.partition("?")[0], status, None): 1}
    assert (site.streams, site.disconnects, site.in_flight) == ({"upgrade": 1}, {}, 0)
    assert site.seconds < 1e-6


@pytest.mark.long
def test_an_error_in_a_websocket_is_one_and_still_no_slow_request(serve, wait_until):
    """An exception of the app's own."""
    site = serve("gevent-websocket")
    with site.open(handshake("/gevent-websocket?fails")) as connection:
        speak(site, connection)
        connection.sendall(bytes([0x88, 0x80]) + bytes(4))
        while connection.recv(1000):
            pass
    wait_until(lambda: site.streams, "the stream is over", 30)

    assert site.requests == {("/gevent-websocket", 101, "ValueError"): 1}
    assert site.seconds < 1e-6


@pytest.mark.long
def test_gunicorns_own_sentinel_ends_a_request_that_the_app_has_answered(serve, wait_until):
    """The client gets what the app sent on the socket and nothing more; it counts once, without a status."""
    site = serve("gevent")
    with site.open(get("/gunicorn")) as connection:
        received = b""
        while piece := connection.recv(1000):
            received += piece
    wait_until(lambda: site.requests, "it is counted", 60)

    assert received.endswith(b"\r\n\r\nok")
    assert received.count(b"HTTP/1.1") == 1
    assert site.requests == {("/gunicorn", None, None): 1}
    assert (site.streams, site.disconnects, site.in_flight) == ({}, {}, 0)
