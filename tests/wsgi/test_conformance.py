# SPDX-License-Identifier: Apache-2.0
"""The validators of the standard library and of werkzeug have nothing to say, outside the middleware and inside it."""

from __future__ import annotations

import io
import sys
import wsgiref.util
from wsgiref.handlers import SimpleHandler
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.lint import LintMiddleware

TEXT = ("Content-Type", "text/plain")


def simple(environ, start_response):
    """A list."""
    start_response("200 OK", [TEXT, ("Content-Length", "5")])
    return [b"hello"]


def streamed(environ, start_response):
    """A generator."""
    start_response("200 OK", [TEXT])
    yield b"hel"
    yield b"lo"


def written(environ, start_response):
    """The old way."""
    write = start_response("200 OK", [TEXT])
    write(b"hel")
    return [b"lo"]


def fail():
    """Fail."""
    raise ValueError("late")


def changed(environ, start_response):
    """A change of mind."""
    start_response("200 OK", [TEXT])
    try:
        fail()
    except ValueError:
        start_response("200 Fine", [TEXT], sys.exc_info())
    return iter([b"hello"])


def sent(environ, start_response):
    """A file."""
    start_response("200 OK", [TEXT])
    return wsgiref.util.FileWrapper(io.BytesIO(b"hello"))


def in_pieces(environ, start_response):
    """Empty chunks among the others, which are flushes."""
    start_response("200 OK", [TEXT])
    return iter([b"", b"hel", b"", b"lo", b""])


def indexed(environ, start_response):
    """A tuple."""
    start_response("200 OK", [TEXT])
    return (b"hel", b"lo")


def closed(environ, start_response):
    """An iterable with `close`, as frameworks have."""

    class Response:
        def __iter__(self):
            return iter([b"hel", b"lo"])

        def close(self):
            environ["closed"] = True

    start_response("200 OK", [TEXT])
    return Response()


def lint(app):
    """Return an app with werkzeug's validator around it."""
    return LintMiddleware(app)


APPS = [simple, streamed, changed, sent, in_pieces, indexed, closed]
CASES = [(check, app) for check in (validator, lint) for app in APPS]
CASES.append((validator, written))  # werkzeug's takes write() for a mistake


@pytest.mark.pitfall(26)
@pytest.mark.parametrize(("check", "app"), CASES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("place", ["outside", "inside", "both"])
def test_the_validators_have_nothing_to_say(app, place, check, watch, books, environ):
    """They check what the server gets of us, and what the app gets; a whole response passes through a real handler."""
    wrapped = watch(check(app) if place in ("inside", "both") else app)
    wrapped = check(wrapped) if place in ("outside", "both") else wrapped
    values = environ()
    values.pop("HTTP_HOST")
    output, errors = io.BytesIO(), io.StringIO()
    handler = SimpleHandler(io.BytesIO(), output, errors, values)
    handler.run(wrapped)

    assert errors.getvalue() == ""
    head, _, body = output.getvalue().partition(b"\r\n\r\n")
    assert head.splitlines()[0].split()[1] == b"200"
    assert body == b"hello"
    assert books.requests == {("/", 200, None): 1}
    assert books.failures == []


def of_status(status, *headers):
    """An app that answers without a body."""

    def app(environ, start_response):
        start_response(status, list(headers))
        return []

    app.__name__ = status
    return app


NO_CONTENT, UNCHANGED = of_status("204 No Content"), of_status("304 Not Modified", ("ETag", '"x"'))
# Werkzeug's asks for a Content-Length of 204, which HTTP forbids, and counts the bytes of answers to HEAD.
BODYLESS = [(validator, NO_CONTENT), (validator, UNCHANGED), (validator, simple), (lint, UNCHANGED)]


@pytest.mark.pitfall(16, 26)
@pytest.mark.parametrize(("check", "app"), BODYLESS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("place", ["outside", "inside"])
def test_the_validators_have_nothing_to_say_of_answers_without_a_body(app, place, check, watch, books, environ):
    """To HEAD, of statuses that have none: nothing is added, and nothing kept back."""
    method = "HEAD" if app is simple else "GET"

    def bodyless(environ, start_response):
        body = app(environ, start_response)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else body

    wrapped = watch(check(bodyless)) if place == "inside" else check(watch(bodyless))
    values = environ(REQUEST_METHOD=method)
    values.pop("HTTP_HOST")
    output, errors = io.BytesIO(), io.StringIO()
    SimpleHandler(io.BytesIO(), output, errors, values).run(wrapped)

    assert errors.getvalue() == ""
    assert output.getvalue().partition(b"\r\n\r\n")[2] == b""
    assert sum(books.requests.values()) == 1
    assert books.failures == []
