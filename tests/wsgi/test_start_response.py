# SPDX-License-Identifier: Apache-2.0
"""start_response and write, from the app's side and from the server's."""

from __future__ import annotations

import sys
from http import HTTPStatus

import pytest

from wsgiapm.request import parse_status


def fail():
    """Fail."""
    raise ValueError("late")


@pytest.mark.pitfall(11)
def test_start_response_is_passed_on_when_it_is_called(watch, environ):
    """Not when the body begins: a server may have a reason to know early."""
    calls = []

    def app(environ, start_response):
        start_response("200 OK", [("X", "1")])
        calls.append("app goes on")
        return []

    watch(app)(environ(), lambda status, headers: calls.append((status, headers)))

    assert calls == [("200 OK", [("X", "1")]), "app goes on"]


@pytest.mark.pitfall(11)
@pytest.mark.parametrize("given", [(), (None,)], ids=["not given", "None"])
def test_a_server_without_exc_info_is_served(given, watch, books, environ):
    """Test clients have start_response with two parameters; a third one is passed only if there is something in it."""

    def app(environ, start_response):
        start_response("200 OK", [], *given)
        return [b"x"]

    calls = []
    watch(app)(environ(), lambda status, headers: calls.append(status))

    assert calls == ["200 OK"]
    assert books.requests == {("/", 200, None): 1}


@pytest.mark.pitfall(11)
@pytest.mark.parametrize("keyword", [False, True], ids=["positional", "keyword"])
def test_exc_info_is_passed_on(keyword, watch, books, serve):
    """The app changed its mind before anything was sent: its last word counts."""

    def app(environ, start_response):
        start_response("200 OK", [])
        try:
            fail()
        except ValueError:
            if keyword:
                start_response("500 Oops", [], exc_info=sys.exc_info())
            else:
                start_response("500 Oops", [], sys.exc_info())
        return [b"sorry"]

    answer = serve(watch(app))

    assert [call[0] for call in answer.calls] == ["200 OK", "500 Oops"]
    assert isinstance(answer.calls[1][2][1], ValueError)
    assert books.requests == {("/", 500, "500"): 1}


@pytest.mark.pitfall(11)
def test_a_status_that_comes_too_late_does_not_count(watch, books, serve):
    """The server has sent the headers and re-raises; the client saw the first status."""

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"begun"
        try:
            fail()
        except ValueError:
            start_response("500 Oops", [], sys.exc_info())

    with pytest.raises(ValueError, match="late"):
        serve(watch(app))

    assert books.requests == {("/", 200, "ValueError"): 1}


def test_a_status_the_server_refuses_does_not_count(watch, books, serve):
    """Twice without a reason is a mistake of the app."""

    def app(environ, start_response):
        start_response("200 OK", [])
        start_response("404 Not Found", [])
        return []

    with pytest.raises(AssertionError, match="twice"):
        serve(watch(app))

    assert books.requests == {("/", 200, "AssertionError"): 1}


@pytest.mark.pitfall(13)
def test_start_response_may_come_with_the_first_chunk(watch, books, serve):
    """Generators call it only when they are run."""

    def app(environ, start_response):
        start_response("404 Not Found", [])
        yield b"no"

    answer = serve(watch(app))

    assert answer.calls == [("404 Not Found", [])]
    assert books.requests == {("(not found)", 404, None): 1}


@pytest.mark.pitfall(13)
@pytest.mark.parametrize("body", [[b"x"], iter([b"x"])], ids=["list", "iterator"])
def test_an_app_that_never_calls_start_response_has_no_status(body, watch, books, serve):
    """It is the server's to complain; the request is counted as one without a status."""
    serve(watch(lambda environ, start_response: body))

    assert books.requests == {("/", None, None): 1}


@pytest.mark.pitfall(11)
def test_what_is_written_is_counted(watch, books, serve):
    """The callable start_response returns works, and its bytes are part of the response, before those of the body."""

    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"abc")
        write(b"")
        write(b"de")
        return [b"f"]

    answer = serve(watch(app))

    assert answer.written == [b"abc", b"", b"de"]
    assert answer.body == b"abcdef"
    assert books.size == 6


def test_the_first_byte_may_be_a_written_one(watch, books, environ, seconds):
    """The time to the first byte ends there."""
    seconds(1, 4, 9)

    def app(environ, start_response):
        start_response("200 OK", [])(b"x")
        return []

    watch(app)(environ(), lambda status, headers: lambda data: None)

    assert books.first_byte_seconds == 3
    assert books.seconds == 8


@pytest.mark.pitfall(23)
def test_what_write_raises_is_the_servers(watch, books, environ):
    """A client that went away shows in write: the app sees it, and it is no error of the app."""

    def fail(data):
        raise BrokenPipeError("gone")

    def app(environ, start_response):
        start_response("200 OK", [])(b"x")
        return []

    with pytest.raises(BrokenPipeError, match="gone"):
        watch(app)(environ(), lambda status, headers: fail)

    assert books.requests == {("/", 200, None): 1}
    assert books.disconnects == {"/": 1}


def test_a_server_without_write_is_served(watch, environ):
    """What it returns is None, and nobody calls it."""
    body = [b"x"]

    def app(environ, start_response):
        start_response("200 OK", [])
        return body

    assert watch(app)(environ(), lambda status, headers: None) is body


@pytest.mark.pitfall(14)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("200 OK", 200),
        ("200", 200),
        ("200 ", 200),
        ("599 Own", 599),
        ("999 Own", 999),
        ("100 Continue", 100),
        ("304 Not Modified", 304),
        (b"404 Not Found", 404),
        (b"\xff", None),
        (503, 503),
        (HTTPStatus.IM_A_TEAPOT, 418),
        ("", None),
        ("OK", None),
        ("20", None),
        ("2000 OK", None),
        ("099 OK", None),
        ("20x OK", None),
        ("²00 OK", None),
        ("-20 OK", None),
        (None, None),
        (["200 OK"], None),
        (2, None),
    ],
)
def test_a_status_line_is_read_with_care(status, code, watch, books, serve):
    """Three digits, whatever follows; everything else is no status, and no failure."""

    def app(environ, start_response):
        start_response(status, [])
        return []

    assert parse_status(status) == code
    serve(watch(app))
    assert [attributes[1] for attributes in books.requests] == [code]
    assert books.failures == []


def test_status_lines_without_end_are_not_remembered_without_end():
    """An app that puts a number into each does not fill our memory."""
    from wsgiapm import request

    for number in range(2 * request._STATUSES_AT_MOST):
        assert parse_status(f"200 request {number}") == 200

    assert len(request._statuses) <= request._STATUSES_AT_MOST
