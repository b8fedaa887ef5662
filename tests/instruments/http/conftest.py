# SPDX-License-Identifier: Apache-2.0
"""A real server on 127.0.0.1 that answers as its paths say, and keeps the headers it was sent."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Handler(BaseHTTPRequestHandler):
    """`/status/404` answers so, `/redirect/2` redirects twice, `/slow` waits before the second half of its body."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append((self.command, self.path, dict(self.headers)))  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind, _, value = self.path.partition("?")[0].strip("/").partition("/")
        if kind == "redirect" and int(value):
            self.answer(302, b"", Location=f"/redirect/{int(value) - 1}")
        elif kind == "hang":
            time.sleep(2)
            self.answer(200, b"late")
        elif kind == "slow":
            self.send_response(200)
            self.send_header("Content-Length", "8")
            self.end_headers()
            self.wfile.write(b"half")
            time.sleep(0.2)
            self.wfile.write(b"half")
        else:
            self.answer(int(value) if kind == "status" else 200, b"answer")

    do_POST = do_PUT = do_DELETE = do_BREW = do_GET  # noqa: N815  # as http.server looks for them

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """Send one answer."""
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves in a thread of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that went away is no error."""


@pytest.fixture
def server() -> Iterator[Server]:
    """The server."""
    server = Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
