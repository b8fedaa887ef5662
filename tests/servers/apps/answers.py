# SPDX-License-Identifier: Apache-2.0
"""An app for the tests of servers: every path answers in another way."""

from __future__ import annotations

import os
import sys
import time
from wsgiref.util import FileWrapper

from wsgiapm import APMMiddleware

BIG = b"x" * 100_000


def _json(environ, start_response):
    body = b'{"ok": true}'
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _pid(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def _stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(10):
        yield b"0123456789"


def _file(environ, start_response):
    wrapper = environ.get("wsgi.file_wrapper", FileWrapper)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(os.path.getsize(__file__)))])
    body = wrapper(open(__file__, "rb"))  # noqa: SIM115  # the server closes it
    environ["wsgi.errors"].write(f"file wrapper: {type(body).__module__}\n")
    return body


class _Telling:
    """A file that tells what is asked of it; a server that sends it by its number never reads it."""

    def __init__(self, file, *, numbered):
        self._file = file
        if numbered:
            self.fileno, self.tell = file.fileno, file.tell

    def read(self, *size):
        os.write(2, b"file: read\n")
        return self._file.read(*size)

    def close(self):
        os.write(2, b"file: closed\n")
        self._file.close()


def _sent(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(os.path.getsize(__file__)))])
    file = open(__file__, "rb")  # noqa: SIM115  # the server closes it
    return environ["wsgi.file_wrapper"](_Telling(file, numbered=environ["QUERY_STRING"] == "numbered"))


def _write(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"hel")
    write(b"lo")
    return []


def _error(environ, start_response):
    raise ValueError("on purpose")


def _cut(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    raise ValueError("on purpose, in mid-body")


def _exit(environ, start_response):
    sys.exit(0)


def _big(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    for _ in range(200):
        yield BIG


def _stuck(environ, start_response):
    _mark("stuck")
    time.sleep(60)
    return _json(environ, start_response)


def _busy(environ, start_response):
    _mark("busy")
    while True:  # a greenlet that never lets go of the loop
        pass


def _slow(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 0.2))
    return _json(environ, start_response)


def _mark(name):
    with open(os.path.join(os.environ["MARKS"], f"{name}-{os.getpid()}"), "w", encoding="ascii"):
        pass


_ANSWERS = {
    name[1:]: function for name, function in list(globals().items()) if name.startswith("_") and name[1:2] != "_"
}


def answer(environ, start_response):
    """Answer by the first part of the path."""
    name = environ["PATH_INFO"].split("/")[1]
    if name not in _ANSWERS:
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return []
    return _ANSWERS[name](environ, start_response)


application = APMMiddleware(answer)
