# SPDX-License-Identifier: Apache-2.0
"""The other service that the shop asks for recommendations: `python upstream.py [--port 8001] [--delay 0.01]`."""

from __future__ import annotations

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Recommender(BaseHTTPRequestHandler):
    """Answers `/similar/<product>` with three numbers."""

    delay = 0.01

    def do_GET(self) -> None:
        """Answer in a single write: with two, delayed acknowledgements would cost 40 ms."""
        time.sleep(self.delay)
        try:
            product = int(self.path.rpartition("/")[2])
        except ValueError:
            self._answer("404 Not Found", {"error": f"{self.path}: ask /similar/<number>"})
        else:
            self._answer("200 OK", {"similar": [product + 1, product + 2, product + 3]})

    def _answer(self, status: str, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        head = f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is given)
        """Say nothing."""


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--delay", type=float, default=0.01, help="seconds that an answer takes")
    arguments = parser.parse_args()
    Recommender.delay = arguments.delay
    ThreadingHTTPServer.request_queue_size = 128
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), Recommender) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
