# SPDX-License-Identifier: Apache-2.0
"""A stack in the manner of Pylons, and the raw protocol.

The stack: a registry per request, a cascade, error documents by a second request, bodies that do their work in `close()`.
The protocol: write, exc_info, a late, a missing and an odd start_response, failures everywhere.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

LOG = "pylons.stack"


class ClosingIterator:
    """As paste has it: what is to happen at the end happens in `close`."""

    def __init__(self, body: Any, close: Any) -> None:
        self._body = body
        self._iterator = iter(body)
        self._close = close

    def __iter__(self) -> ClosingIterator:
        return self

    def __next__(self) -> bytes:
        return next(self._iterator)

    def close(self) -> None:
        """Close what is inside, then do what was to be done."""
        if hasattr(self._body, "close"):
            self._body.close()
        self._close()


class Registry:
    """Pushes an object for each request, and pops it when the response is over."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.stack: list[Any] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.stack.append(environ["PATH_INFO"])
        environ["paste.registry"] = self.stack
        return ClosingIterator(self.app(environ, start_response), self._pop)

    def _pop(self) -> None:
        logging.getLogger(LOG).warning("schließt %s", self.stack.pop())


class Cascade:
    """Asks one app after the other until one knows the path."""

    def __init__(self, *apps: Any) -> None:
        self.apps = apps

    def __call__(self, environ: Any, start_response: Any) -> Any:
        for app in self.apps[:-1]:
            answers: list[Any] = []
            body = app(dict(environ), lambda *args, answers=answers: answers.append(args) or (lambda data: None))
            if answers and not answers[0][0].startswith("404"):
                start_response(*answers[0])
                return body
            if hasattr(body, "close"):
                body.close()
        return self.apps[-1](environ, start_response)


class ErrorDocuments:
    """Fetches another page of the same app when one is missing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        answers: list[Any] = []
        body = self.app(dict(environ), lambda *args: answers.append(args) or (lambda data: None))
        if answers and answers[0][0].startswith("404"):
            if hasattr(body, "close"):
                body.close()
            status = answers[0][0]
            again = {**environ, "PATH_INFO": "/error/document", "REQUEST_METHOD": "GET"}
            return self.app(again, lambda _, headers, *rest: start_response(status, headers, *rest))
        if answers:
            start_response(*answers[0])
        return body


def _text(start_response: Any, *chunks: bytes, status: str = "200 OK") -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain")])
    return list(chunks)


def controller(environ: Any, start_response: Any) -> Any:
    """The app inside."""
    path = environ["PATH_INFO"]
    if path == "/plain":
        return _text(start_response, b"hello ", path.encode())
    if path == "/error/document":
        return _text(start_response, b"sorry, not here")
    if path == "/upload":
        return _text(
            start_response, b"%d bytes" % len(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        )
    return _text(start_response, b"?", status="404 Not Found")


def static(environ: Any, start_response: Any) -> Any:
    """The app that is asked first, and knows one page."""
    if environ["PATH_INFO"] == "/first":
        return _text(start_response, b"the first knows")
    return _text(start_response, b"?", status="404 Not Found")


def raw(environ: Any, start_response: Any) -> Any:
    """The protocol as it is written down."""
    step = _RAW.get(environ["PATH_INFO"].removeprefix("/raw/"))
    if step is None:
        return _text(start_response, b"?", status="404 Not Found")
    return step(environ, start_response, [("Content-Type", "text/plain")])


def written(environ: Any, start_response: Any, headers: Any) -> Any:
    """Write before there is a body."""
    write = start_response("200 OK", headers)
    write(b"one ")
    write(b"two ")
    return [b"three"]


def changed(environ: Any, start_response: Any, headers: Any) -> Any:
    """Change one's mind."""
    start_response("200 OK", headers)
    try:
        int("changed")
    except ValueError:
        start_response("503 Not now", headers, sys.exc_info())
    return [b"changed"]


def never(environ: Any, start_response: Any, headers: Any) -> Any:
    """Forget start_response."""
    return [b"nobody called start_response"]


def odd(environ: Any, start_response: Any, headers: Any) -> Any:
    """A status line without a reason."""
    start_response("299 ", headers)
    return [b"odd"]


def broken(environ: Any, start_response: Any, headers: Any) -> Any:
    """Raise before anything is said."""
    raise RuntimeError("raw and broken")


def text(environ: Any, start_response: Any, headers: Any) -> Any:
    """Answer with what is no bytes."""
    start_response("200 OK", headers)
    return ["no bytes"]


def file(environ: Any, start_response: Any, headers: Any) -> Any:
    """Have the server send a file."""
    path = os.path.join(os.environ["CORPUS_FILES"], "large.bin")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(os.path.getsize(path)))])
    return environ["wsgi.file_wrapper"](open(path, "rb"), 65536)


def late(environ: Any, start_response: Any, headers: Any) -> Any:
    """Call start_response with the first chunk."""
    start_response("202 Late", headers)
    yield b"late "
    yield b""
    yield b"but there"


def broken_in_close(environ: Any, start_response: Any, headers: Any) -> Any:
    """Answer, and fail at the end."""
    start_response("200 OK", headers)

    def fail() -> None:
        raise RuntimeError("in close")

    return ClosingIterator([b"all of it"], fail)


_RAW = {
    "written": written,
    "changed": changed,
    "late": late,
    "never": never,
    "odd": odd,
    "broken": broken,
    "closing": broken_in_close,
    "text": text,
    "file": file,
}


def make(directory: str) -> Any:
    """Return the stack."""
    handler = logging.FileHandler(os.environ["CORPUS_LOG"] + "-pylons", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(name)s «%(message)s»"))
    logger = logging.getLogger(LOG)
    logger.addHandler(handler)
    logger.propagate = False
    stack = Cascade(static, Registry(ErrorDocuments(controller)))

    def app(environ: Any, start_response: Any) -> Any:
        return (raw if environ["PATH_INFO"].startswith("/raw/") else stack)(environ, start_response)

    return app
