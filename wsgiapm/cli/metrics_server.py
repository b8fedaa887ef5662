# SPDX-License-Identifier: Apache-2.0
"""The small HTTP server of `wsgiapm metrics --listen`: one page, computed for each request."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn

from wsgiapm.errors import WsgiapmError
from wsgiapm.exporters.prometheus import CONTENT_TYPE

_PATH = "/metrics"
_PATIENCE = 5.0  # seconds a client may take to send its request or to take the answer
_TEXT = "text/plain; charset=utf-8"


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], compute: Callable[[], bytes]) -> None:
        self.compute = compute
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  # socketserver calls it
        """A client that went away or was too slow is not worth a traceback; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE
    server_version = "wsgiapm"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the metrics."""
        if self.path.partition("?")[0] != _PATH:
            self._answer(404, _TEXT, f"there is only {_PATH} here\n".encode())
            return
        try:
            text = self.server.compute()
        except (WsgiapmError, OSError) as error:
            self._answer(503, _TEXT, f"{error}\n".encode())
            return
        self._answer(200, CONTENT_TYPE, text)

    do_HEAD = do_GET  # noqa: N815  # the same

    def _refuse(self) -> None:
        self._answer(405, _TEXT, b"only GET and HEAD are answered here\n", allow="GET, HEAD")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815  # the same

    def _answer(self, status: int, content_type: str, body: bytes, *, allow: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if allow:
            self.send_header("Allow", allow)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name of the method it replaces
        """A scrape every few seconds is no news."""


def serve(address: tuple[str, int], compute: Callable[[], bytes]) -> int:
    """Serve the text until SIGTERM, after which the requests under way are still answered.

    Args:
        address: host and port; port 0 for any that is free.
        compute: makes the text; its WsgiapmError or OSError becomes the sentence of a 503.

    Returns:
        The exit status.

    Raises:
        WsgiapmError: the address cannot be listened on.
    """
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    try:
        server = _Server(address, compute)
    except OSError as error:
        raise WsgiapmError(f"cannot listen on {shown}:{port}: {error.strerror}; choose another --listen") from None
    with server:
        # shutdown() waits for the loop, which this very thread runs: hence another one.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        print(f"listening on http://{shown}:{server.server_address[1]}{_PATH}", flush=True)
        server.serve_forever()
    return 0
