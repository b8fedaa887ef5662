# SPDX-License-Identifier: Apache-2.0
"""Responses that last: they count as requests that took until their first byte, and their length is told apart."""

from __future__ import annotations

import pytest

from wsgiapm.middleware import KEY

EVENTS = [("Content-Type", "text/event-stream; charset=utf-8")]
OK = ("/", 200, None)


def stream(*chunks, status="200 OK", headers=EVENTS):
    """An app that sends events."""

    def app(environ, start_response):
        start_response(status, list(headers))
        for chunk in chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    return app


@pytest.mark.pitfall(22)
@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (("Content-Type", "text/event-stream"), "event-stream"),
        (("content-type", "Text/Event-Stream;charset=utf-8"), "event-stream"),
        (("Content-Type", "multipart/x-mixed-replace; boundary=frame"), "mixed-replace"),
    ],
)
@pytest.mark.parametrize("chunks", [None, 1], ids=["to its end", "until the client goes"])
def test_a_stream_takes_until_its_first_byte(chunks, header, kind, watch, books, serve, seconds):
    """So an hour of events does not look like a slow page. Its client going away is how it usually ends."""
    seconds(1, 3, 3600)
    serve(watch(stream(b"", b"data: 1\n\n", b"data: 2\n\n", headers=[header])), chunks=None if chunks is None else 2)

    assert (books.requests, books.running, books.disconnects) == ({OK: 1}, 0, {})
    assert (books.seconds, books.first_byte_seconds) == (2, 2)
    assert (books.streams, books.stream_seconds) == ({("/", kind): 1}, 3599)


@pytest.mark.pitfall(22)
def test_a_stream_is_in_flight_as_long_as_it_lasts(watch, books, environ):
    """Whoever looks sees how many are open; a worker that is killed then has aborted them."""
    body = iter(watch(stream(b"a", b"b"))(environ(), lambda *_: None))
    next(body)
    next(body)
    assert (books.running, books.requests, books.streams) == (1, {}, {})
    body.close()
    assert (books.running, books.requests, books.streams) == (0, {OK: 1}, {("/", "event-stream"): 1})


@pytest.mark.parametrize(
    "headers", [[], [("Content-Type", "text/html")], [("Content-Type", None)], [("X", "text/event-stream")], ["odd"]]
)
def test_a_long_answer_is_no_stream(headers, watch, books, serve, seconds):
    """What has an end is to get there; how long that takes is how fast the app is."""
    seconds(1, 3, 10)
    serve(watch(stream(b"a", b"b", headers=headers)))

    assert (books.requests, books.seconds, books.streams) == ({OK: 1}, 9, {})
    assert books.failures == []


def test_a_stream_that_breaks_is_an_error(watch, books, serve, seconds):
    """It is counted as one, and still took until its first byte."""
    seconds(1, 2, 1000)

    with pytest.raises(ValueError, match="broken"):
        serve(watch(stream(b"a", ValueError("broken"))))

    assert (books.requests, books.seconds) == ({("/", 200, "ValueError"): 1}, 1)
    assert (books.streams, books.stream_seconds) == ({("/", "event-stream"): 1}, 999)


def test_a_stream_that_never_said_anything_took_no_time(watch, books, serve, seconds):
    """Nobody has waited for it longer than for its first byte, and there was none."""
    seconds(1, 61)
    serve(watch(stream(b"")), chunks=1)

    assert (books.requests, books.seconds, books.streams) == ({OK: 1}, 0, {("/", "event-stream"): 1})


UPGRADE = {"HTTP_CONNECTION": "Upgrade", "HTTP_UPGRADE": "websocket"}


class _AlreadyHandled:
    def __iter__(self):
        return iter(())


@pytest.mark.pitfall(3, 22)
@pytest.mark.parametrize(
    "body",
    [object(), _AlreadyHandled(), [], [b""], (), b""],
    ids=["gunicorn", "eventlet", "empty list", "empty bytes", "empty tuple", "empty string"],
)
@pytest.mark.parametrize("status", [None, 101])
def test_a_websocket_is_no_slow_request(status, body, watch, books, environ, seconds):
    """The app has talked to the client all along, and then returns what its server wants: gevent's, eventlet's, uwsgi's."""
    seconds(1, 1801)

    def app(environ, start_response):
        if status is not None:
            start_response("101 Switching Protocols", [("Upgrade", "websocket")])
        return body

    assert watch(app)(environ(**UPGRADE), lambda *_: None) is body
    assert (books.requests, books.running, books.seconds) == ({("/", status, None): 1}, 0, 0)
    assert (books.streams, books.stream_seconds) == ({("/", "upgrade"): 1}, 1800)


def _app_of_gevent_websocket(kind):
    """An app that has spoken through the server's websocket, and now returns something, which goes nowhere."""
    headers = [("Content-Length", "3")]

    def app(environ, start_response):
        if kind == "nothing said":
            return []
        start_response("200 OK", headers)
        return {"list": [], "iterable": iter([b"bye"]), "sized": Sized(b"bye")}[kind]

    def generator(environ, start_response):
        start_response("200 OK", headers)
        yield b"bye"

    return generator if kind == "generator" else app


class Sized(tuple):
    """An iterable with a length that is no tuple."""

    __slots__ = ()

    def __new__(cls, *chunks):
        """Of these chunks."""
        return super().__new__(cls, chunks)


@pytest.mark.pitfall(22)
@pytest.mark.parametrize("kind", ["nothing said", "list", "iterable", "sized", "generator"])
def test_a_websocket_of_gevent_websocket_is_no_slow_request(kind, watch, books, serve, seconds):
    """The client has got 101 from the server, whatever the app answers when the conversation is over."""
    seconds(1, 1801, 1801)
    serve(watch(_app_of_gevent_websocket(kind)), **UPGRADE, **{"wsgi.websocket": object()})

    assert (books.requests, books.running) == ({("/", 101, None): 1}, 0)
    assert books.seconds < 1e-6
    assert (books.streams, books.stream_seconds) == ({("/", "upgrade"): 1}, 1800)


@pytest.mark.pitfall(22, 23)
@pytest.mark.parametrize("what", ["unable to receive websocket message", "unable to send websocket message"])
def test_the_client_that_leaves_a_websocket_of_uwsgi_is_no_error(what, watch, books, environ, seconds):
    """Uwsgi tells the app by an exception that only its text gives away, and few apps catch it."""
    seconds(1, 1801)

    def app(environ, start_response):
        raise OSError(what)

    with pytest.raises(OSError, match=what):
        watch(app)(environ(**UPGRADE), lambda *_: None)

    assert (books.requests, books.seconds) == ({("/", None, None): 1}, 0)
    assert (books.streams, books.disconnects) == ({("/", "upgrade"): 1}, {})


@pytest.mark.parametrize("argument", [[], ("a", "b"), None], ids=["list", "tuple", "None"])
def test_an_error_with_strange_arguments_passes_all_the_same(argument, watch, books, environ):
    """What came with it is looked at with care: none of our code may stand in its way."""
    error = OSError(argument)

    def app(environ, start_response):
        raise error

    with pytest.raises(OSError, match=r".") as caught:
        watch(app)(environ(**UPGRADE), lambda *_: None)

    assert caught.value is error
    assert books.requests == {("/", None, "OSError"): 1}


@pytest.mark.pitfall(22)
def test_an_error_in_a_websocket_is_no_slow_request(watch, books, environ, seconds):
    """It is an error, whose time says nothing."""
    seconds(1, 1801)

    def app(environ, start_response):
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        watch(app)(environ(**UPGRADE), lambda *_: None)

    assert (books.requests, books.seconds) == ({("/", None, "ValueError"): 1}, 0)
    assert (books.streams, books.stream_seconds) == ({("/", "upgrade"): 1}, 1800)


def test_an_error_where_another_http_was_asked_for_is_an_answer(watch, books, environ, seconds):
    """Curl asks for HTTP/2 with every request, and nobody gives it that."""
    seconds(1, 5)

    def app(environ, start_response):
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        watch(app)(environ(HTTP_UPGRADE="h2c"), lambda *_: None)

    assert (books.requests, books.seconds, books.streams) == ({("/", None, "ValueError"): 1}, 4, {})


@pytest.mark.pitfall(10, 22)
def test_the_stop_iteration_that_ends_a_websocket_on_gunicorn_passes(watch, books, environ, seconds):
    """It is how an app has gunicorn close the connection and say nothing more: no error."""
    seconds(1, 1801)
    stop = StopIteration()

    def app(environ, start_response):
        raise stop

    with pytest.raises(StopIteration) as caught:
        watch(app)(environ(**UPGRADE), lambda *_: None)

    assert caught.value is stop
    assert (books.requests, books.seconds) == ({("/", None, None): 1}, 0)
    assert (books.streams, books.stream_seconds) == ({("/", "upgrade"): 1}, 1800)


def test_any_other_stop_iteration_is_a_mistake(watch, books, environ):
    """Of an app that calls next() and does not look."""

    def app(environ, start_response):
        raise StopIteration

    with pytest.raises(StopIteration):
        watch(app)(environ(), lambda *_: None)

    assert books.requests == {("/", None, "StopIteration"): 1}


@pytest.mark.pitfall(22)
def test_an_upgrade_may_speak_through_its_body(watch, books, serve, seconds):
    """Some servers let the other protocol run through the iterable."""
    seconds(1, 2, 100)
    serve(watch(stream(b"frame", b"frame", status="101 Switching Protocols", headers=[])), **UPGRADE)

    assert (books.requests, books.seconds) == ({("/", 101, None): 1}, 1)
    assert books.streams == {("/", "upgrade"): 1}


@pytest.mark.parametrize("body", [[b"426: no"], iter([b"426: no"])], ids=["list", "iterator"])
def test_an_upgrade_that_was_refused_is_an_answer(body, watch, books, serve, seconds):
    """What was asked for and not given is a request like all others."""
    seconds(1, 5, 5)

    def app(environ, start_response):
        start_response("426 Upgrade Required", [])
        return body

    serve(watch(app), **UPGRADE)

    assert (books.requests, books.seconds, books.streams) == ({("/", 426, None): 1}, 4, {})


def test_an_empty_answer_without_an_upgrade_is_an_answer(watch, books, serve, seconds):
    """A redirect has no body either."""
    seconds(1, 5)

    def app(environ, start_response):
        start_response("302 Found", [("Location", "/")])
        return []

    serve(watch(app), **UPGRADE)

    assert (books.requests, books.seconds, books.streams) == ({("/", 302, None): 1}, 4, {})


@pytest.mark.parametrize("asked", [{}, UPGRADE], ids=["stream", "upgrade"])
def test_an_ignored_stream_is_not_recorded(asked, watch, books, serve):
    """As if it had not been."""

    def app(environ, start_response):
        environ[KEY].ignore()
        if asked:
            return []
        start_response("200 OK", EVENTS)
        return iter([b"a"])

    serve(watch(app), **asked)

    assert (books.requests, books.streams, books.running) == ({}, {}, 0)


def test_what_fails_in_the_agent_at_the_end_of_a_stream_is_swallowed(watch, books, serve, monkeypatch):
    """The client has its events, and the failure is counted."""
    monkeypatch.setattr(books.recorder.outcomes, "record_stream", lambda *_: 1 / 0)

    assert serve(watch(stream(b"a", b"b"))).chunks == [b"a", b"b"]
    assert books.requests == {OK: 1}
    assert [type(failure) for failure in books.failures] == [ZeroDivisionError]
