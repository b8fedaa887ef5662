# SPDX-License-Identifier: Apache-2.0
"""A server with known numbers in the shapes of the JSON API, for tests of the pages alone; by hand: `python -m tests.browser.stub`."""

from __future__ import annotations

import http.server
import json
import os
import sys
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.browser.sample import APPS, operations_of, statements_of, summary_of, timeseries_of, transactions_of

STATIC = os.path.join(os.path.dirname(__file__), "..", "..", "wsgiapm", "report", "static")
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# The strictest that the pages have to live with.
POLICY = "default-src 'self'"
COOKIE = "view=yes"


@dataclass
class Stub:
    """What the server answers; a test changes it while the page is open."""

    token: str = ""
    apps: list[dict[str, object]] = field(default_factory=lambda: list(APPS))
    late: int = 0
    factor: int = 1
    calls: bool = True
    silent: bool = False
    address: str = ""
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, str]) -> dict[str, object] | None:
        """The JSON of an API path, or None if there is no such path."""
        name, start, end = query.get("transaction"), float(query.get("from", 0)), float(query.get("to", 0))
        nothing = {"statements": [], "count": 0, "seconds": 0}
        answers: dict[str, Callable[[], dict[str, object]]] = {
            "apps": lambda: {"apps": self.apps},
            "summary": lambda: summary_of(query["app"], name, start, end, factor=self.factor, late=self.late),
            "transactions": lambda: {"transactions": transactions_of(start, end, factor=self.factor)},
            "databases": lambda: {"operations": operations_of(end, factor=self.factor) if self.calls else []},
            "sql": lambda: statements_of(end, factor=self.factor) if self.calls else nothing,
            "timeseries": lambda: timeseries_of(query["metric"], name, start, end, late=bool(self.late)),
        }
        return answers[path]() if path in answers else None


class Handler(http.server.BaseHTTPRequestHandler):
    """Static files, the API, and the login."""

    protocol_version = "HTTP/1.1"
    stub: Stub

    def do_GET(self) -> None:
        """Answer a file or a JSON document."""
        path, _, query = self.path.partition("?")
        self.stub.asked.append(self.path)
        if self.stub.silent:
            self.close_connection = True
            return
        if not path.startswith("/api/v1/"):
            self.send_file("index.html" if path == "/" else path.lstrip("/"))
        elif self.stub.token and COOKIE not in self.headers.get("Cookie", ""):
            self.send_json(HTTPStatus.UNAUTHORIZED, {"error": {"status": 401, "message": "no view token"}})
        else:
            found = self.stub.answer(path.removeprefix("/api/v1/"), dict(urllib.parse.parse_qsl(query)))
            if found is None:
                self.send_json(HTTPStatus.NOT_FOUND, {"error": {"status": 404, "message": f"{path}: no such path"}})
            else:
                self.send_json(HTTPStatus.OK, found)

    def do_POST(self) -> None:
        """Take the view token."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/login" and body.get("token") == self.stub.token:
            self.send(HTTPStatus.NO_CONTENT, "", b"", {"Set-Cookie": f"{COOKIE}; HttpOnly; SameSite=Strict; Path=/"})
        else:
            self.send_json(HTTPStatus.UNAUTHORIZED, {"error": {"status": 401, "message": "wrong token"}})

    def send_file(self, name: str) -> None:
        """Answer a file of the built pages."""
        path = os.path.normpath(os.path.join(STATIC, name))
        if not path.startswith(os.path.normpath(STATIC)) or not os.path.isfile(path):
            self.send_json(HTTPStatus.NOT_FOUND, {"error": {"status": 404, "message": name}})
            return
        with open(path, "rb") as file:
            self.send(HTTPStatus.OK, TYPES[os.path.splitext(name)[1]], file.read(), {"Content-Security-Policy": POLICY})

    def send_json(self, status: HTTPStatus, document: dict[str, object]) -> None:
        """Answer a document."""
        self.send(status, "application/json", json.dumps(document).encode(), {})

    def send(self, status: HTTPStatus, content_type: str, body: bytes, headers: dict[str, str]) -> None:
        """Answer in one piece."""
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class Server(http.server.ThreadingHTTPServer):
    """Started on a free port; `with` ends it."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        self.stub = Stub()
        super().__init__(("127.0.0.1", port), type("BoundHandler", (Handler,), {"stub": self.stub}))
        self.stub.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A page that goes on to the next question drops the last one: no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def server_close(self) -> None:
        """Stop, and wait until it has."""
        self.shutdown()
        self.thread.join()
        super().server_close()


if __name__ == "__main__":
    with Server(int(sys.argv[1]) if sys.argv[1:] else 4319) as server:
        sys.stdout.write(f"listening on {server.stub.address}\n")
        server.thread.join()
