# SPDX-License-Identifier: Apache-2.0
"""Eighteen questions to whatever stands around a WSGI app, each answered by a run.

They are asked of our middleware and of nothing at all: the answers are to be the same. What they were for the agents of
others is in `PEERS`, found with these questions in releases of 2026.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

from gunicorn.http.wsgi import FileWrapper
from gunicorn.workers.base_async import ALREADY_HANDLED


class Body:
    """An iterable that makes its iterator, as the responses of frameworks do, and counts how often it is closed."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self.chunks = chunks
        self.closed = 0

    def __iter__(self) -> Any:
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def close(self) -> None:
        """Count."""
        self.closed += 1


def ask(wrap: Any, app: Any, start_response: Any = None, **more: Any) -> Any:
    """Call an app with something around it, and return the body."""
    from wsgiref.util import setup_testing_defaults

    environ = {"wsgi.file_wrapper": FileWrapper, **more}
    setup_testing_defaults(environ)
    return wrap(app)(environ, start_response or (lambda status, headers, exc_info=None: lambda data: None))


def returning(body: Any) -> Any:
    """Return an app with this body."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return body

    return app


def yes(answer: object) -> str:
    """Write a truth value down."""
    return "yes" if answer else "no"


def called_at_once(wrap: Any) -> str:
    """The app is called when the server calls, not when it iterates."""
    calls: list[int] = []
    ask(wrap, lambda environ, start_response: calls.append(1) or iter(()))
    return yes(calls)


def _file(wrap: Any) -> tuple[Any, Any]:
    made = FileWrapper(io.BytesIO(b"x"))
    return made, ask(wrap, returning(made))


def file_wrapper_class(wrap: Any) -> str:
    """Gunicorn recognises its file wrapper, and uses sendfile."""
    return yes(isinstance(_file(wrap)[1], FileWrapper))


def file_wrapper_identity(wrap: Any) -> str:
    """It is the same object, which uwsgi asks for."""
    made, returned = _file(wrap)
    return yes(made is returned)


def length(wrap: Any) -> str:
    """A list keeps its length, from which servers make a Content-Length."""
    body = ask(wrap, returning([b"x"]))
    return str(len(body)) if hasattr(body, "__len__") else "no"


def closed_after_all(wrap: Any) -> str:
    """How often close() was called after all chunks."""
    body = Body(b"a", b"b")
    answer = ask(wrap, returning(body))
    list(answer)
    _close(answer)
    return str(body.closed)


def closed_after_some(wrap: Any) -> str:
    """How often close() was called when the client went away."""
    body = Body(b"a", b"b")
    answer = ask(wrap, returning(body))
    next(iter(answer))
    _close(answer)
    return str(body.closed)


def closed_after_none(wrap: Any) -> str:
    """How often close() was called of a body that nobody iterated."""
    body = Body(b"a", b"b")
    _close(ask(wrap, returning(body)))
    return str(body.closed)


def closed_after_error(wrap: Any) -> str:
    """How often close() was called after an exception in the body."""
    body = Body(b"a", ValueError("x"))
    answer = ask(wrap, returning(body))
    with contextlib.suppress(ValueError):
        list(answer)
    _close(answer)
    return str(body.closed)


def _close(body: Any) -> None:
    if hasattr(body, "close"):
        body.close()


def _change_of_mind(*, keyword: bool) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        try:
            int("x")
        except ValueError:
            if keyword:
                start_response("500 Oops", [], exc_info=sys.exc_info())
            else:
                start_response("500 Oops", [], sys.exc_info())
        return [b""]

    return app


def exc_info_passed_on(wrap: Any) -> str:
    """A second start_response with exc_info reaches the server with it."""
    calls: list[Any] = []
    ask(wrap, _change_of_mind(keyword=False), lambda status, headers, exc_info=None: calls.append(exc_info))
    return yes(len(calls) == 2 and calls[1][0] is ValueError)


def exc_info_by_keyword(wrap: Any) -> str:
    """The same given by keyword."""
    calls: list[Any] = []
    try:
        ask(wrap, _change_of_mind(keyword=True), lambda status, headers, exc_info=None: calls.append(exc_info))
    except TypeError:
        return "TypeError"
    return yes(len(calls) == 2)


def two_arguments(wrap: Any) -> str:
    """A server whose start_response knows no exc_info is served."""
    try:
        list(ask(wrap, returning([b"x"]), lambda status, headers: None))
    except TypeError:
        return "TypeError"
    return "yes"


def write_works(wrap: Any) -> str:
    """What start_response returns can be called, and its bytes arrive."""
    written: list[bytes] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(b"x")
        return []

    ask(wrap, app, lambda status, headers, exc_info=None: written.append)
    return yes(written == [b"x"])


def generator_intact(wrap: Any) -> str:
    """The chunks of an app that is a generator arrive."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"a"
        yield b"b"

    return yes(b"".join(ask(wrap, app)) == b"ab")


def empty_chunks(wrap: Any) -> str:
    """How many of four chunks arrive, two of them empty."""
    return str(len(list(ask(wrap, returning(iter([b"", b"a", b"", b"b"]))))))


def forwarded_at_once(wrap: Any) -> str:
    """The server's start_response is called when the app calls it."""
    calls: list[int] = []
    ask(wrap, returning(iter([b"x"])), lambda status, headers, exc_info=None: calls.append(1))
    return yes(calls)


def no_reason(wrap: Any) -> str:
    """A status line without a reason is passed on."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200", [])
        return [b"x"]

    try:
        list(ask(wrap, app))
    except ValueError:
        return "ValueError"
    return "yes"


def environ_kept(wrap: Any) -> str:
    """Which values of the environ the app sees replaced."""
    given = {"wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.file_wrapper": FileWrapper}
    seen: dict[str, Any] = {}
    ask(wrap, lambda environ, start_response: seen.update(environ) or [], **given)
    return ", ".join(f"`{name}`" for name, value in given.items() if seen[name] is not value) or "none"


def sentinel(wrap: Any) -> str:
    """Gunicorn's ALREADY_HANDLED comes back as itself."""
    return yes(ask(wrap, lambda environ, start_response: ALREADY_HANDLED) is ALREADY_HANDLED)


CHECKS = {
    "the app is called at once": called_at_once,
    "a file wrapper's class is known": file_wrapper_class,
    "a file wrapper is the same object": file_wrapper_identity,
    '`len([b"x"])`': length,
    "`close()` calls: all iterated": closed_after_all,
    "`close()` calls: some iterated": closed_after_some,
    "`close()` calls: never iterated": closed_after_none,
    "`close()` calls: exception in the body": closed_after_error,
    "a second call with `exc_info` is passed on": exc_info_passed_on,
    "a `start_response` with two parameters": two_arguments,
    "`exc_info=` by keyword": exc_info_by_keyword,
    "`write()` works": write_works,
    "a generator's body is intact": generator_intact,
    "chunks kept of four, two empty": empty_chunks,
    "`start_response` is passed on at once": forwarded_at_once,
    "a status without a reason": no_reason,
    "values of `environ` replaced": environ_kept,
    "a sentinel passes": sentinel,
}

# Name and version, and the answers in the order of CHECKS. "yes" stands for what a server expects.
PEERS: dict[str, str] = {
    "sentry-sdk 2.75.0": "yes|no¹|no¹|no|1|1|1|1|yes|yes|yes|yes|yes|4|yes|yes|none|no",
    "elastic-apm 6.26.2": "no|no|no|no|0|0|0|0|yes|yes|yes|yes|yes|4|no|yes|none|no",
    "opentelemetry 0.66b2": "yes|no|no|no|1|1|0|1|yes|yes|yes|yes|yes|4|yes|ValueError|none|no",
    "ddtrace 4.16.0": "yes|yes|no|no|0|0|0|0|yes|TypeError|yes|yes|yes|4|yes|yes|none|no",
    "ddtrace 4.16.0, `app_is_iterator`": "yes|yes|no|0²|1|1|1|1|yes|TypeError|yes|yes|no²|0²|yes|yes|none|no",
    "newrelic 14.1.0": "yes|no|no|no|1|1|1|1|yes|yes|TypeError|yes|yes|2|no|yes|`wsgi.input`|no",
    "newrelic 14.1.0, no browser part": "yes|no|no|no|1|1|1|1|yes|yes|TypeError|yes|yes|4|yes|yes|`wsgi.input`|no",
    "tingyun 1.3.6": "no|no|no|no|0|0|0|0|yes|yes|TypeError|yes|yes|4|no|yes|none³|no",
}
