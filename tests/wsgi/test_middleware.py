# SPDX-License-Identifier: Apache-2.0
"""The middleware around an app: when it records, when it does not, and that it never harms."""

from __future__ import annotations

import sys

import pytest

from wsgiapm import APMMiddleware
from wsgiapm.middleware import KEY
from wsgiapm.transaction import current_transaction


def hello(environ, start_response):
    """An app."""
    start_response("200 OK", [])
    return [b"hello"]


@pytest.mark.pitfall(10)
def test_the_app_is_called_at_once(watch, environ):
    """Not when the body is first iterated."""
    called = []
    body = watch(lambda environ, start_response: called.append(1) or iter([]))(environ(), lambda *_: None)

    assert called == [1]
    body.close()


@pytest.mark.pitfall(25)
def test_the_app_can_be_found(watch):
    """By tools that unwrap."""
    assert watch(hello).__wrapped__ is hello


@pytest.mark.pitfall(17)
def test_environ_gets_one_key_and_nothing_else_is_touched(watch, environ):
    """No value is replaced, wsgi.input and wsgi.file_wrapper in particular."""
    values = environ()
    before = dict(values)
    watch(hello)(values, lambda *_: None)

    transaction = values.pop(KEY)
    assert transaction.status == 200
    assert values == before
    assert all(values[key] is before[key] for key in before)


def test_the_transaction_is_known_while_the_app_runs(watch, environ):
    """In environ and in the context, and no longer."""
    seen = []

    def app(environ, start_response):
        seen.append(current_transaction() is environ[KEY] is not None)
        start_response("200 OK", [])
        yield b"x"
        seen.append(current_transaction() is environ[KEY] is not None)

    body = watch(app)(environ(), lambda *_: None)
    assert list(body) == [b"x"]
    assert seen == [True, True]
    assert current_transaction() is None


def test_the_app_names_its_transaction(watch, books, serve):
    """A name given by the app is the route."""

    def app(environ, start_response):
        environ[KEY].name = "/named"
        return hello(environ, start_response)

    serve(watch(app), "/a/b/c")

    assert books.requests == {("/named", 200, None): 1}


def test_a_name_that_comes_after_the_end_is_not_written_anywhere(watch, books, environ):
    """The row may be somebody else's by then."""
    values = environ("/first")
    watch(hello)(values, lambda *_: None)
    seen = []

    def second(inner, start_response):
        values[KEY].name = "/late"
        seen.append(books.recorder.cells[inner[KEY].row + 1] == inner[KEY].place[1])
        return hello(inner, start_response)

    watch(second)(environ("/second"), lambda *_: None)

    assert seen == [True]
    assert books.requests == {("/first", 200, None): 1, ("/second", 200, None): 1}


@pytest.mark.parametrize("body", [[b"x"], iter([b"x"])], ids=["list", "iterator"])
def test_an_ignored_transaction_is_not_recorded(body, watch, books, serve):
    """As if it had not been."""

    def app(environ, start_response):
        environ[KEY].ignore()
        start_response("200 OK", [])
        return body

    serve(watch(app))

    assert (books.requests, books.running) == ({}, 0)


@pytest.mark.pitfall(27)
def test_a_disabled_agent_leaves_nothing_around_the_app(monkeypatch):
    """The app itself is what the server gets: no cost, and nothing that could go wrong."""
    assert APMMiddleware(hello, enabled=False) is hello
    monkeypatch.setenv("WSGIAPM_ENABLED", "false")
    assert APMMiddleware(hello) is hello


@pytest.mark.pitfall(19)
def test_nested_middlewares_record_once(watch, books, serve):
    """The outermost owns the request."""
    assert serve(watch(watch(watch(hello)))).body == b"hello"
    assert books.requests == {("/", 200, None): 1}


@pytest.mark.pitfall(19)
def test_a_request_passed_on_inside_is_no_second_one(watch, books, serve, environ):
    """Cascades and mounts call another wrapped app with a copy of the environ."""
    inner = watch(hello)

    def cascade(environ, start_response):
        return inner({**environ, "SCRIPT_NAME": "/mount"}, start_response)

    assert serve(watch(cascade), "/a").body == b"hello"
    assert books.requests == {("/a", 200, None): 1}


@pytest.mark.pitfall(19)
@pytest.mark.parametrize("streamed", [False, True], ids=["list", "iterator"])
def test_a_request_of_its_own_inside_another_leaves_the_outer_one_running(streamed, watch, books, serve, environ):
    """A test client within an app makes a new environ: it is a request of its own, and the outer one goes on after it."""
    inner = watch(lambda environ, start: (start("200 OK", []), iter([b"in"]) if streamed else [b"in"])[1])
    seen = []

    def outer(values, start_response):
        body = inner(environ("/inner"), lambda status, headers: None)
        list(body)
        if streamed:
            body.close()
        seen.append(current_transaction() is values[KEY])
        return hello(values, start_response)

    serve(watch(outer), "/outer")

    assert seen == [True]
    assert books.requests == {("/outer", 200, None): 1, ("/inner", 200, None): 1}


def test_an_environ_that_is_used_again_is_a_new_request(watch, books, environ):
    """Test clients and some servers reuse theirs."""
    values, app = environ(), watch(hello)
    app(values, lambda *_: None)
    app(values, lambda *_: None)

    assert books.requests == {("/", 200, None): 2}


def test_special_paths_are_answered_in_place(watch, books, serve):
    """What the special function answers is not recorded; None means that it does not know the path."""

    def special(environ, start_response):
        if environ["PATH_INFO"] == "/special":
            start_response("200 OK", [])
            return [b"special"]
        return None

    app = watch(hello, special=special)

    assert [serve(app, path).body for path in ("/special", "/other")] == [b"special", b"hello"]
    assert books.requests == {("/other", 200, None): 1}


def test_without_a_recorder_the_app_is_called_as_if_we_were_not_there(watch, books, environ):
    """Same arguments, same object back."""
    books.recorder = None
    seen = []

    def app(values, start_response):
        seen.append((values, start_response))
        return body

    body, values = object(), environ()
    assert watch(app)(values, sys.exit) is body
    assert seen == [(values, sys.exit)]
    assert KEY not in values


class TroubleError(Exception):
    """Something in the agent."""


def trouble(*_):
    """Fail."""
    raise TroubleError


@pytest.mark.pitfall(7)
@pytest.mark.parametrize("step", ["begin", "finish", "forget"])
@pytest.mark.parametrize("streamed", [False, True], ids=["list", "iterator"])
def test_what_fails_in_the_agent_is_never_seen_by_the_app(step, streamed, watch, books, serve, monkeypatch):
    """The answer is the same, and the failure is counted."""
    monkeypatch.setattr(books.recorder, step, trouble)

    def app(environ, start_response):
        if step == "forget":
            environ[KEY].ignore()
        start_response("201 Made", [("X", "1")])
        return iter([b"a", b"b"]) if streamed else [b"a", b"b"]

    answer = serve(watch(app))

    assert answer.calls == [("201 Made", [("X", "1")])]
    assert answer.chunks == [b"a", b"b"]
    assert [type(failure) for failure in books.failures] == [TroubleError]
    assert current_transaction() is None


@pytest.mark.pitfall(7)
def test_an_error_of_the_app_passes_although_the_agent_fails(watch, books, serve, monkeypatch):
    """The app's error is the one that is seen."""
    monkeypatch.setattr(books.recorder, "finish", trouble)
    error = ValueError("app")

    def app(environ, start_response):
        raise error

    with pytest.raises(ValueError, match="app") as caught:
        serve(watch(app))

    assert caught.value is error
    assert error.__context__ is None
    assert [type(failure) for failure in books.failures] == [TroubleError]


def test_an_environ_without_the_usual_keys_is_served(watch, books):
    """A sloppy server's request may go unrecorded, but not unanswered."""
    assert watch(hello)({}, lambda *_: None) == [b"hello"]
    assert len(books.failures) == 1


@pytest.mark.parametrize(
    ("method", "name"), [("GET", "GET"), ("PATCH", "PATCH"), ("QUERY", "QUERY"), ("get", "_OTHER"), ("BREW", "_OTHER")]
)
def test_methods_that_are_not_known_are_one(method, name, watch, books, serve):
    """By the semantic conventions, so that nobody can invent series from outside."""
    serve(watch(hello), REQUEST_METHOD=method)

    assert books.methods == {(name, "http"): 1}


@pytest.mark.pitfall(18)
@pytest.mark.parametrize(
    ("script", "path", "route"),
    [
        ("", "/", "/"),
        ("", "", "/"),
        ("/app", "/a/7", "/app/a"),
        ("", "/orders/1234/lines/7", "/orders/*"),
        ("", "/caf\xc3\xa9/x", "/café/x"),
        ("", "/\xff/x", "/\ufffd/x"),
    ],
)
def test_the_route_without_a_framework_is_the_folded_path(script, path, route, watch, books, serve):
    """Of SCRIPT_NAME and PATH_INFO, which come as bytes in the clothes of latin-1."""
    serve(watch(hello), path, SCRIPT_NAME=script)

    assert books.requests == {(route, 200, None): 1}


@pytest.mark.pitfall(24)
@pytest.mark.parametrize("value", ["t=junk", "1700000000.\xb2", "\xb2", "t=", "9" * 30, "-1", "1e9", "t=1.2.3", "٣"])
def test_a_header_from_outside_cannot_keep_a_request_from_being_counted(value, watch, books, serve):
    """X-Request-Start comes from whoever sends it."""
    serve(watch(hello), HTTP_X_REQUEST_START=value)

    assert books.requests == {("/", 200, None): 1}
    assert books.failures == []
    assert books.points("wsgiapm.queue.time") == []
