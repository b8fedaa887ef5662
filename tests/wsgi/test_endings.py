# SPDX-License-Identifier: Apache-2.0
"""Exceptions, in the app, in its body and in its close: they pass as they are, and count once."""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref

import pytest

from wsgiapm.aggregate.layout import TIMED_OUT


class AppError(Exception):
    """An error of the app."""


NAME = f"{AppError.__module__}.AppError"


class GreenletExit(BaseException):
    """As greenlet has it."""


def raise_here(error):
    """Raise, and show in the traceback."""
    raise error


def names(error):
    """The functions the traceback of an exception leads through."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


@pytest.mark.pitfall(10)
@pytest.mark.parametrize("started", [False, True], ids=["before start_response", "after it"])
def test_an_error_of_the_app_passes_as_the_same_object(started, watch, books, serve):
    """With its traceback; recorded with its type, and the status if there was one."""
    error = AppError("x")

    def app(environ, start_response):
        if started:
            start_response("200 OK", [])
        raise_here(error)

    with pytest.raises(AppError) as caught:
        serve(watch(app))

    assert caught.value is error
    assert names(error)[-2:] == ["app", "raise_here"]
    assert books.requests == {("/", 200 if started else None, NAME): 1}
    assert books.running == 0


@pytest.mark.pitfall(10)
@pytest.mark.parametrize(
    "kind", [SystemExit, KeyboardInterrupt, GeneratorExit, GreenletExit, asyncio.CancelledError], ids=str
)
@pytest.mark.parametrize("place", ["call", "body"])
def test_the_end_of_a_worker_is_no_error(kind, place, watch, books, serve):
    """It is how servers end requests from outside: it passes as it is and counts once, with the status it had."""
    end = kind()

    def app(environ, start_response):
        start_response("200 OK", [])
        if place == "call":
            raise_here(end)
        return (raise_here(end) for _ in [1])

    with pytest.raises(kind) as caught:
        serve(watch(app))

    assert caught.value is end
    assert names(end)[-1] == "raise_here"
    assert (books.running, books.requests) == (0, {("/", 200, None): 1})


def test_other_exceptions_that_are_no_errors_by_class_are_errors(watch, books, serve):
    """The Timeout of gevent, for one, is a BaseException: nobody handled it."""

    class Timeout(BaseException):
        pass

    with pytest.raises(Timeout):
        serve(watch(lambda environ, start_response: raise_here(Timeout())))

    [(_, status, error)] = books.requests
    assert status is None
    assert str(error).endswith("Timeout")


@pytest.mark.pitfall(6)
def test_an_error_in_the_middle_of_the_body_closes_it(watch, books, serve, closing):
    """The server sees the error and closes; the app's close is called once."""
    error = AppError("mid")
    body = closing(b"ab", error, b"c")

    def app(environ, start_response):
        start_response("200 OK", [])
        return body

    with pytest.raises(AppError) as caught:
        serve(watch(app))

    assert caught.value is error
    assert body.closed == 1
    assert (books.running, books.requests, books.size) == (0, {("/", 200, NAME): 1}, 2)


@pytest.mark.parametrize("iterate", [iter, next], ids=["iter", "next"])
def test_an_error_of_the_body_before_its_first_chunk_counts(iterate, watch, books, environ):
    """Whether the server begins with iter or, as some do, with next."""

    class Broken:
        def __iter__(self):
            raise AppError("no iterator")

    body = watch(lambda environ, start_response: Broken())(environ(), lambda *_: None)
    with pytest.raises(AppError, match="no iterator"):
        iterate(body)
    body.close()

    assert (books.running, books.requests) == (0, {("/", None, NAME): 1})


@pytest.mark.pitfall(7)
def test_an_error_in_close_passes_after_the_request_was_recorded(watch, books, serve, closing):
    """The answer was complete by then: it is the server that logs it."""
    body = closing(b"a", close_error=AppError("close"))

    def app(environ, start_response):
        start_response("200 OK", [])
        return body

    with pytest.raises(AppError, match="close"):
        serve(watch(app))

    assert body.closed == 1
    assert (books.running, books.requests) == (0, {("/", 200, None): 1})


def test_errors_in_the_body_and_in_close_both_happen(watch, books, serve, closing):
    """As without us the second hides the first, which is its context."""
    body = closing(AppError("body"), close_error=KeyError("close"))

    with pytest.raises(KeyError) as caught:
        serve(watch(lambda environ, start_response: body))

    assert isinstance(caught.value.__context__, AppError)
    assert books.requests == {("/", None, NAME): 1}


def test_an_error_after_the_last_promised_byte_was_the_servers(watch, books, environ):
    """The client has a whole answer."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "2")])
        yield b"ab"
        raise AppError("too late to matter")

    body = iter(watch(app)(environ(), lambda *_: None))
    assert next(body) == b"ab"
    with pytest.raises(AppError):
        next(body)

    assert books.requests == {("/", 200, None): 1}


@pytest.mark.parametrize("place", ["call", "body"])
def test_a_request_the_server_timed_out_stays_in_flight(place, watch, books, serve):
    """The server ends the worker because of it: whoever finds the segment counts it as aborted, so we do not count it."""

    def app(environ, start_response):
        books.recorder.cells[TIMED_OUT] = 1
        if place == "call":
            raise_here(SystemExit(1))
        return (raise_here(SystemExit(1)) for _ in [1])

    with pytest.raises(SystemExit):
        serve(watch(app))

    assert (books.running, books.requests) == (1, {})


def test_an_error_in_a_worker_that_is_timed_out_still_counts(watch, books, serve):
    """Other requests of that worker may end well or badly until it is gone."""

    def app(environ, start_response):
        books.recorder.cells[TIMED_OUT] = 1
        raise AppError("x")

    with pytest.raises(AppError):
        serve(watch(app))

    assert books.requests == {("/", None, NAME): 1}


class Tracked(dict):
    """An environ that can be watched."""


@pytest.mark.pitfall(17)
@pytest.mark.parametrize("body", [[b"x"], None], ids=["list", "iterator"])
def test_nothing_of_a_request_is_kept(body, watch, environ, closing):
    """Neither environ nor start_response outlive it, and no cycle has to be collected."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return body or closing(b"x")

    class Handler:
        def start_response(self, status, headers):
            return None

    tracked, handler = Tracked(environ()), Handler()
    there = [weakref.ref(tracked), weakref.ref(handler)]
    middleware = watch(app)
    gc.collect()
    gc.disable()
    try:
        answer = middleware(tracked, handler.start_response)
        list(answer)
        if hasattr(answer, "close"):
            answer.close()
        del answer, tracked, handler
        assert [reference() for reference in there] == [None, None]
    finally:
        gc.enable()


@pytest.mark.pitfall(12)
@pytest.mark.parametrize("place", ["call", "body"])
def test_nothing_of_an_exception_is_kept(place, watch, environ):
    """A kept traceback would keep every local variable of the app."""

    class Local:
        pass

    there = []

    def fail():
        local = Local()
        there.append(weakref.ref(local))
        raise AppError(local)

    def app(environ, start_response):
        return fail() if place == "call" else (fail() for _ in [1])

    middleware = watch(app)
    gc.collect()
    gc.disable()
    try:
        request = environ()
        try:
            answer = middleware(request, lambda status, headers: None)
            next(answer)
        except AppError:
            pass
        answer = None
        assert there[0]() is None
    finally:
        gc.enable()


def test_an_error_that_cannot_be_looked_at_passes_all_the_same(watch, books, serve):
    """Whatever its class answers when we ask for its name: the server gets the app's error, and the request is counted."""

    class Strange(type):
        @property
        def __mro__(cls):
            raise LookupError("ask somebody else")

    class StrangeError(Exception, metaclass=Strange):
        pass

    error = StrangeError("x")

    def app(environ, start_response):
        raise error

    with pytest.raises(StrangeError) as caught:
        serve(watch(app))

    assert caught.value is error
    assert sum(books.requests.values()) == 1
    assert books.running == 0
