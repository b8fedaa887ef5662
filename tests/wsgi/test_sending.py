# SPDX-License-Identifier: Apache-2.0
"""The time a response is in the server's hands, between its pieces, is told apart from the app's own."""

from __future__ import annotations

import pytest

from wsgiapm import sending


class Clock:
    """Stands still while nobody moves it."""

    now = 0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The clock of everything a request looks at."""
    clock = Clock()
    for module in ("body", "ending", "middleware", "request", "sending"):
        monkeypatch.setattr(f"wsgiapm.{module}.monotonic_ns", clock)
    return clock


def components(books):
    """Seconds by component."""
    return {dict(point.attributes)["component"]: point.value for point in books.points("wsgiapm.component.time")}


def passes(clock, seconds):
    """Let time go by."""
    clock.now += seconds * 10**9


def lines(clock, count=3):
    """An app that takes a second for each line."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        for _ in range(count):
            passes(clock, 1)
            yield b"line"

    return app


def test_a_slow_reader_is_not_the_apps_fault(clock, watch, books, environ):
    """A client that takes ten seconds for each of three pieces: the app has worked for three."""
    body = watch(lines(clock))(environ(), lambda *_: None)
    for _ in body:
        passes(clock, 10)
    body.close()

    assert components(books) == {"python": 3, "response": 30}
    assert books.seconds == 33


def test_a_reader_that_goes_away_was_being_sent_to(clock, watch, books, environ):
    """Up to the moment when the server gives up."""
    body = iter(watch(lines(clock))(environ(), lambda *_: None))
    next(body)
    passes(clock, 60)
    body.close()

    assert components(books) == {"python": 1, "response": 60}


def test_what_is_written_is_in_the_servers_hands(clock, watch, books, environ):
    """Servers send what an app writes before they return."""

    def app(environ, start_response):
        write = start_response("200 OK", [])
        passes(clock, 2)
        write(b"a")
        passes(clock, 1)
        return [b"b"]

    watch(app)(environ(), lambda *_: lambda _: passes(clock, 5))

    assert components(books) == {"python": 3, "response": 5}


def test_a_file_is_sent_by_the_server(clock, watch, books, environ):
    """From the moment it has it until it closes it."""

    class Wrapper:
        def __init__(self, file):
            self.close = lambda: None

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "5")])
        passes(clock, 1)
        return environ["wsgi.file_wrapper"](None)

    body = watch(app)(environ(**{"wsgi.file_wrapper": Wrapper}), lambda *_: None)
    passes(clock, 7)
    body.close()

    assert components(books) == {"python": 1, "response": 7}


def test_a_stream_takes_until_its_first_byte_in_all_components(clock, watch, books, environ):
    """An hour between two events is nobody's time."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        passes(clock, 1)
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"

    for _ in watch(app)(environ(), lambda *_: None):
        passes(clock, 3600)

    assert components(books) == {"python": 1}
    assert books.seconds == 1


@pytest.mark.parametrize("body", [[b"all"], [b"a", b"b"]])
def test_a_response_that_is_handed_over_whole_looks_at_no_clock(body, watch, books, environ, monkeypatch):
    """Most responses are lists, and cost nothing here."""
    monkeypatch.setattr(sending, "monotonic_ns", pytest.fail)

    def app(environ, start_response):
        start_response("200 OK", [])
        return body

    watch(app)(environ(), lambda *_: None)

    assert set(components(books)) == {"python"}


def test_what_goes_wrong_in_the_bookkeeping_does_not_reach_the_client(watch, books, environ, monkeypatch):
    """It is swallowed at the gate, and counted."""
    monkeypatch.setattr("wsgiapm.body.hand_over", lambda _: 1 / 0)

    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"a"
        yield b"b"

    assert list(watch(app)(environ(), lambda *_: None)) == [b"a", b"b"]
    assert [type(error) for error in books.failures] == [ZeroDivisionError] * 2
