# SPDX-License-Identifier: Apache-2.0
"""The load generator's books: what they count, and what they do not believe."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import traffic

PING = next(kind for kind in traffic.KINDS if kind.name == "ping")
CHECKOUT = next(kind for kind in traffic.KINDS if kind.name == "checkout")


class Shop(BaseHTTPRequestHandler):
    """Answers every request as the traffic expects it of the shop."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        """Give the status that belongs to the address, and the address as body."""
        body = self.path.encode()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(_expected_status(self.command, self.path))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 (the names are given)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _expected_status(method: str, path: str) -> int:
    if method == "POST":
        return 201
    if path.startswith("/products/"):
        return 404 if int(path.split("/")[2]) > traffic.PRODUCTS else 200
    return {"/broken/": 500}.get(path, 404 if path.startswith("/no/") else 200)


@pytest.fixture
def shop():
    """The address of a server that answers everything as the shop would."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def answering():
    """`answering(bytes)`: the address of a server that gives one connection these bytes and closes it."""
    threads = []

    def start(raw: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            with listener, listener.accept()[0] as connection:
                connection.recv(65_536)
                connection.sendall(raw)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join()


def send_one(url: str, kind: traffic.Kind = PING) -> traffic.Books:
    """The books after a single request."""
    sender = traffic.Sender(url, random.Random(0), timeout=5)
    sender.send(kind)
    sender.close()
    return sender.books


def test_every_answer_is_booked_under_its_route_and_status(shop):
    """The books add up: kinds, routes and statuses each give the number that was sent."""
    books = traffic.Traffic(shop, concurrency=3, seed=1).run(seconds=None, requests=200)

    summary = books.summary()
    assert summary["sent"] == 200
    assert summary["answered"] == 200
    assert sum(summary["kinds"].values()) == 200
    assert sum(sum(statuses.values()) for statuses in summary["routes"].values()) == 200
    assert set(summary["routes"]["/products/<int:pk>/"]) == {"200", "404"}
    assert (summary["unanswered"], summary["unexpected"]) == ([], [])


def test_the_same_seed_sends_the_same_requests(shop):
    """Two runs of one seed ask for the same pages, another seed for others."""
    first, second, third = (
        traffic.Traffic(shop, concurrency=2, seed=seed).run(seconds=None, requests=100).summary() for seed in (5, 5, 6)
    )

    assert first == second
    assert first["kinds"] != third["kinds"]


def test_every_kind_has_its_turn(shop):
    """A thousand requests, as the demo sends at least, contain every kind."""
    books = traffic.Traffic(shop, concurrency=4, seed=1).run(seconds=None, requests=1000)

    assert {kind.name for kind in traffic.KINDS} == set(books.answered)


def test_connections_can_be_used_again(shop):
    """With keep-alive, as without, every request is answered."""
    books = traffic.Traffic(shop, concurrency=2, seed=1, keep_alive=True).run(seconds=None, requests=50)

    assert books.answered.total() == 50


def test_traffic_ends_when_the_time_is_up(shop):
    """Without a number of requests the time is the limit, and what was sent is answered."""
    books = traffic.Traffic(shop, concurrency=2, seed=1).run(seconds=0.2, requests=None)

    assert books.sent.total() > 0
    assert books.sent == books.answered


def test_a_refused_connection_is_unanswered(free_port):
    """Nobody there: sent, but not answered."""
    books = send_one(f"http://127.0.0.1:{free_port()}")

    assert (books.sent.total(), books.answered.total()) == (1, 0)
    assert "ConnectionRefusedError" in books.unanswered[0]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "RemoteDisconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\n\r\nwho knows", "nothing tells whether the body is complete"),
        (b"hello\r\n\r\n", "BadStatusLine"),
    ],
    ids=["nothing", "short", "no-last-chunk", "no-length", "not-http"],
)
def test_an_answer_that_is_not_known_to_be_whole_does_not_count(answering, raw, reason):
    """Only a body whose end is known has been received in full."""
    books = send_one(answering(raw))

    assert books.answered.total() == 0
    assert reason in books.unanswered[0]


def test_an_unexpected_status_counts_and_is_listed(answering):
    """An answer is an answer: it is booked under the status it had, and named."""
    books = send_one(answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), CHECKOUT)

    assert books.summary()["routes"] == {"/checkout/": {"503": 1}}
    assert books.unexpected == ["POST /checkout/: 503 instead of 201"]


def test_the_command_writes_its_books(shop, tmp_path):
    """Run as a program it prints the books, writes them to the file, and ends well."""
    file = tmp_path / "sent.json"

    done = subprocess.run(
        [sys.executable, traffic.__file__, "--url", shop, "--requests", "30", "--json", str(file)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert json.loads(done.stdout) == json.loads(file.read_text())
    assert json.loads(done.stdout)["answered"] == 30
