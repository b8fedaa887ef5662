# SPDX-License-Identifier: Apache-2.0
"""The apps that are measured, and a request as gunicorn hands it to them."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
import threading
from typing import Any

_ANSWER = b'{"message": "Hello, World!"}'
_HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(_ANSWER)))]


def hello(_environ: Any, start_response: Any) -> list[bytes]:
    """JSON without any work."""
    start_response("200 OK", _HEADERS)
    return [_ANSWER]


class RowAndCache:
    """One row by its key from SQLite and one value from Redis, as JSON."""

    def __init__(self) -> None:
        import redis  # type: ignore[import-not-found, unused-ignore]

        self._cache = redis.Redis(port=int(os.environ["BENCH_REDIS_PORT"]))
        self._connections = threading.local()

    def __call__(self, _environ: Any, start_response: Any) -> list[bytes]:
        connection = getattr(self._connections, "one", None)
        if connection is None:
            connection = self._connections.one = make_database(":memory:")
        row = connection.execute("SELECT id, name FROM walk WHERE id = ?", (7,)).fetchone()
        cached = self._cache.get("walk:7") or b""
        body = json.dumps({"id": row[0], "name": row[1], "cached": cached.decode()}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


class Queries:
    """So many `queries` of one row from SQLite in each request, and a short answer."""

    def __init__(self, queries: int) -> None:
        self.queries = queries
        self._connection: sqlite3.Connection | None = None

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        if self._connection is None:
            self._connection = make_database(":memory:")
        for number in range(self.queries):
            cursor = self._connection.cursor()
            cursor.execute("SELECT id, name FROM walk WHERE id = ?", (number % 20 + 1,))
            cursor.fetchone()
            cursor.close()
        return hello(environ, start_response)


def make_database(path: str) -> sqlite3.Connection:
    """Return a connection to a database with a small table."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE walk (id INTEGER PRIMARY KEY, name TEXT)")
    connection.executemany("INSERT INTO walk (name) VALUES (?)", [(f"walk {n}",) for n in range(20)])
    return connection


def make_environ(path: str = "/api/hello") -> dict[str, Any]:
    """Return an environ with the 24 keys gunicorn gives for a plain request."""
    return {
        "wsgi.errors": sys.stderr,
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": io.BytesIO,
        "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
        "SERVER_SOFTWARE": "gunicorn",
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "",
        "RAW_URI": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "benchmark",
        "HTTP_ACCEPT": "*/*",
        "HTTP_CONNECTION": "keep-alive",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "51234",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
    }


def accept(_status: str, _headers: Any, _exc_info: Any = None) -> None:
    """A server's start_response that does nothing."""


def serve(app: Any, requests: int, environ: dict[str, Any]) -> None:
    """Call an app as a server does, without a network."""
    copy = environ.copy
    for _ in range(requests):
        body = app(copy(), accept)
        for _chunk in body:
            pass
        if hasattr(body, "close"):
            body.close()
