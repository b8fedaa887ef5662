# SPDX-License-Identifier: Apache-2.0
"""A client that goes away before it has everything: counted as that, and never as an error of the app."""

from __future__ import annotations

import io

import pytest
from gunicorn.http.errors import NoMoreData

from wsgiapm.disconnects import was_raised_by_server
from wsgiapm.middleware import KEY

OK = ("/", 200, None)


class ClientDisconnected(Exception):  # noqa: N818  # the name is waitress'
    """As waitress has it: no OSError."""


def streaming(*chunks, status="200 OK", headers=()):
    """An app whose body is a generator."""

    def app(environ, start_response):
        start_response(status, list(headers))
        return (chunk for chunk in chunks)

    return app


@pytest.mark.pitfall(23)
def test_a_client_that_goes_away_is_no_error(watch, books, serve):
    """The generator sees GeneratorExit, as without us, and the bytes it got out are counted."""
    seen = []

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            yield b"abc"
            yield b"never"
        except GeneratorExit:
            seen.append("gone")
            raise

    serve(watch(app), chunks=1)

    assert seen == ["gone"]
    assert (books.requests, books.size, books.running) == ({OK: 1}, 3, 0)
    assert books.disconnects == {"/": 1}


@pytest.mark.pitfall(23)
def test_a_client_that_waits_for_the_end_did_not_go_away(watch, books, serve):
    """Neither with a body that says its length, nor with one that does not."""
    serve(watch(streaming(b"a", b"b")))
    serve(watch(streaming(b"a", b"b", headers=[("Content-Length", "2")])), chunks=2)

    assert (books.requests, books.disconnects) == ({OK: 2}, {})


@pytest.mark.parametrize(
    ("chunks", "status", "method"),
    [
        (0, "200 OK", "GET"),
        (1, "200 OK", "HEAD"),
        (1, "103 Early Hints", "GET"),
        (1, "204 No Content", "GET"),
        (1, "304 Not Modified", "GET"),
    ],
)
def test_a_body_that_was_not_being_sent_says_nothing_of_the_client(chunks, status, method, watch, books, serve):
    """Servers close bodies unread that they do not need."""
    serve(watch(streaming(b"a", b"b", status=status)), chunks=chunks, REQUEST_METHOD=method)

    assert (sum(books.requests.values()), books.disconnects) == (1, {})


def test_a_chunk_that_is_no_bytes_says_nothing_of_the_client(watch, books, serve):
    """The server refused it, and closes the body early for that."""
    serve(watch(streaming(b"a", "b", b"c")), chunks=2)

    assert (books.requests, books.disconnects) == ({OK: 1}, {})


def test_an_empty_chunk_finds_no_client_gone(watch, books, serve):
    """Only who writes finds out; without a byte nothing was written."""
    serve(watch(streaming(b"", b"a")), chunks=1)

    assert (books.requests, books.disconnects) == ({OK: 1}, {})


GONE = [BrokenPipeError, ConnectionResetError, TimeoutError, ClientDisconnected]


@pytest.mark.pitfall(23)
@pytest.mark.parametrize("kind", GONE)
@pytest.mark.parametrize("place", ["call", "body"])
def test_what_write_says_of_the_client_is_no_error_of_the_app(place, kind, watch, books, environ):
    """The exception passes as it is, in the call and in the body."""
    gone = kind("gone")

    def refuse(data):
        raise gone

    def app(environ, start_response):
        write = start_response("200 OK", [])
        if place == "call":
            write(b"x")
        return (write(b"x") for _ in [1])

    with pytest.raises(kind) as caught:
        list(watch(app)(environ(), lambda status, headers: refuse))

    assert caught.value is gone
    assert (books.requests, books.disconnects, books.running) == ({OK: 1}, {"/": 1}, 0)


def test_what_write_says_of_the_app_is_an_error_of_the_app(watch, books, environ):
    """A server refuses what is no bytes."""

    def refuse(data):
        raise TypeError("bytes, please")

    def app(environ, start_response):
        start_response("200 OK", [])("x")
        return []

    with pytest.raises(TypeError):
        watch(app)(environ(), lambda status, headers: refuse)

    assert (books.requests, books.disconnects) == ({("/", 200, "TypeError"): 1}, {})


def reader(module, error):
    """A wsgi.input whose code is in a module of this name, and which fails."""
    space = {"__name__": module, "error": error}
    exec("def read(size=-1):\n    raise error", space)
    return type("Input", (io.BytesIO,), {"read": staticmethod(space["read"])})()


@pytest.mark.pitfall(23)
@pytest.mark.parametrize(
    ("module", "error", "gone"),
    [
        ("gunicorn.http.body", NoMoreData(), True),
        ("gunicorn.http.unreader", ConnectionResetError(), True),
        ("gevent.pywsgi", OSError("unexpected end of file"), True),
        ("waitress.task", ClientDisconnected(), True),
        ("gunicorn.http.body", ValueError(), False),
        ("gunicornish", ConnectionResetError(), False),
        ("psycopg2", ConnectionResetError(), False),
        ("gevent._socketcommon", ConnectionResetError(), False),
    ],
)
def test_an_upload_that_breaks_off_is_no_error_of_the_app(module, error, gone, watch, books, environ):
    """It is one when a connection of the app's own breaks: what counts is whose code was reading."""

    def app(environ, start_response):
        environ["wsgi.input"].read()

    with pytest.raises(type(error)):
        watch(app)(environ(**{"wsgi.input": reader(module, error)}), lambda status, headers: None)

    assert books.disconnects == ({"/": 1} if gone else {})
    [(_, _, kind)] = books.requests
    assert (kind is None) is gone


def test_the_way_to_the_socket_is_not_who_reads():
    """Under gevent it is gevent's socket that raises, for a server and for a client library alike."""

    def raised_through(*modules):
        """An exception that came through functions of these modules, the innermost last."""
        code = "def step():\n    return inner() if inner else fail()"

        def fail():
            raise ConnectionResetError

        inner = None
        for module in reversed(modules):
            space = {"__name__": module, "inner": inner, "fail": fail}
            exec(code, space)
            inner = space["step"]
        # `fail` is a function of this module: let it stand for C, which leaves no frame.
        try:
            inner()
        except ConnectionResetError as error:
            trace = error.__traceback__
            frames = []
            while trace is not None:
                frames.append(trace)
                trace = trace.tb_next
            frames[-2].tb_next = None
            return error

    assert was_raised_by_server(raised_through("app", "gunicorn.http.unreader", "gevent._socketcommon"))
    assert was_raised_by_server(raised_through("app", "gevent.pywsgi", "gevent._socketcommon", "socket"))
    assert not was_raised_by_server(raised_through("app", "redis", "gevent._socketcommon", "socket"))
    assert not was_raised_by_server(ConnectionResetError())


def test_an_ignored_request_counts_no_disconnect(watch, books, serve):
    """As if it had not been."""

    def app(environ, start_response):
        environ[KEY].ignore()
        start_response("200 OK", [])
        yield b"a"
        yield b"b"

    serve(watch(app), chunks=1)

    assert (books.requests, books.disconnects) == ({}, {})


def test_a_disconnect_counts_on_the_route_of_its_request(watch, books, serve):
    """On the name the app gave, and on that of what was not found."""

    def named(environ, start_response):
        environ[KEY].name = "/named/<int:id>"
        return streaming(b"a", b"b")(environ, start_response)

    serve(watch(named), "/named/1", chunks=1)
    serve(watch(streaming(b"a", b"b", status="404 Not Found")), "/x", chunks=1)

    assert books.disconnects == {"/named/<int:id>": 1, "(not found)": 1}


def test_a_disconnect_that_cannot_be_counted_is_swallowed(watch, books, serve, monkeypatch):
    """The request is counted, and the agent's failure is."""
    monkeypatch.setattr(books.recorder.outcomes, "count_disconnect", lambda route: 1 / 0)
    serve(watch(streaming(b"a", b"b")), chunks=1)

    assert books.requests == {OK: 1}
    assert [type(failure) for failure in books.failures] == [ZeroDivisionError]
