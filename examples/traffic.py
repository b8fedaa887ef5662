# SPDX-License-Identifier: Apache-2.0
"""Sends the example shop a mix of requests, and keeps exact books on what it sent and what it got.

An answer counts when it came in full: its status line, its headers and every byte of its body (as long as Content-Length says,
or up to the last chunk). Every request has a connection of its own unless `--keep-alive` is given: a worker that is being
recycled may close an idle connection just when it is used again, and then nobody knows whether the request was handled.

    python traffic.py --url http://127.0.0.1:8000 --seconds 30 --concurrency 8 --seed 1 --json sent.json

Ends after `--seconds`, after `--requests`, or at SIGTERM or SIGINT; what has been sent is always waited for.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import signal
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

PRODUCTS = 400
WORDS = ("light", "sturdy", "waterproof", "folding", "warm", "green", "companion", "none such")
TIMEOUT = 30.0


class Kind(NamedTuple):
    """One sort of request: what is sent, and what a monitor should call it."""

    name: str
    method: str
    route: str
    status: int
    weight: int
    path: Callable[[random.Random], str]
    body: Callable[[random.Random], dict[str, object]] | None = None


def _number(chance: random.Random) -> int:
    return chance.randint(1, PRODUCTS)


KINDS = (
    Kind("ping", "GET", "/api/ping", 200, 20, lambda _: "/api/ping"),
    Kind("stock", "GET", "/api/stock/<int:pk>/", 200, 20, lambda chance: f"/api/stock/{_number(chance)}/"),
    Kind("list", "GET", "/", 200, 12, lambda chance: f"/?page={chance.randint(1, 16)}"),
    Kind("detail", "GET", "/products/<int:pk>/", 200, 15, lambda chance: f"/products/{_number(chance)}/"),
    Kind("gone", "GET", "/products/<int:pk>/", 404, 2, lambda chance: f"/products/{PRODUCTS + _number(chance)}/"),
    Kind("search", "GET", "/search", 200, 8, lambda chance: f"/search?q={urllib.parse.quote(chance.choice(WORDS))}"),
    Kind(
        "checkout",
        "POST",
        "/checkout/",
        201,
        8,
        lambda _: "/checkout/",
        lambda chance: {"product": _number(chance), "quantity": chance.randint(1, 3)},
    ),
    Kind("recommendations", "GET", "/recommendations/", 200, 5, lambda c: f"/recommendations/?product={_number(c)}"),
    Kind("export", "GET", "/export.csv", 200, 2, lambda _: "/export.csv"),
    Kind("manual", "GET", "/manual.pdf", 200, 2, lambda _: "/manual.pdf"),
    Kind("slow", "GET", "/slow/", 200, 1, lambda chance: f"/slow/?seconds={chance.uniform(0.3, 0.6):.3f}"),
    Kind("broken", "GET", "/broken/", 500, 2, lambda _: "/broken/"),
    Kind("unknown", "GET", "(not found)", 404, 3, lambda chance: f"/no/such/page/{_number(chance)}"),
)


@dataclass
class Books:
    """What was sent and what came back. One per thread, added up at the end."""

    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    body_bytes: int = 0
    unanswered: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def add(self, other: Books) -> None:
        """Take over the numbers of another thread."""
        self.sent.update(other.sent)
        self.answered.update(other.answered)
        self.outcomes.update(other.outcomes)
        self.body_bytes += other.body_bytes
        self.unanswered += other.unanswered
        self.unexpected += other.unexpected

    def summary(self) -> dict[str, Any]:
        """The books as plain data; keys in order, so that two runs can be compared by eye."""
        return {
            "sent": self.sent.total(),
            "answered": self.answered.total(),
            "body_bytes": self.body_bytes,
            "kinds": dict(sorted(self.sent.items())),
            "routes": self._by_route(),
            "unanswered": self.unanswered,
            "unexpected": self.unexpected,
        }

    def _by_route(self) -> dict[str, dict[str, int]]:
        routes: dict[str, dict[str, int]] = {}
        for (route, status), count in sorted(self.outcomes.items()):
            routes.setdefault(route, {})[status] = count
        return routes


class Sender:
    """One thread's connection and books."""

    def __init__(self, url: str, chance: random.Random, *, keep_alive: bool = False, timeout: float = TIMEOUT) -> None:
        self.books = Books()
        self._chance = chance
        self._keep_alive = keep_alive
        address = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=timeout)

    def send(self, kind: Kind) -> None:
        """Send one request and write down how it ended."""
        path = kind.path(self._chance)
        body = json.dumps(kind.body(self._chance)) if kind.body else None
        headers = {"Connection": "keep-alive" if self._keep_alive else "close"}
        headers |= {"Content-Type": "application/json"} if body else {}
        self.books.sent[kind.name] += 1
        try:
            self._connection.request(kind.method, path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.books.unanswered.append(f"{kind.method} {path}: {type(error).__name__}: {error}")
            return
        if not self._keep_alive:
            self._connection.close()
        self._book(kind, path, answer, content)

    def close(self) -> None:
        """Close the connection, if one is still open."""
        self._connection.close()

    def _book(self, kind: Kind, path: str, answer: http.client.HTTPResponse, content: bytes) -> None:
        if not (answer.chunked or answer.headers.get("Content-Length")):
            self.books.unanswered.append(f"{kind.method} {path}: nothing tells whether the body is complete")
            return
        self.books.answered[kind.name] += 1
        self.books.outcomes[kind.route, str(answer.status)] += 1
        self.books.body_bytes += len(content)
        if answer.status != kind.status:
            self.books.unexpected.append(f"{kind.method} {path}: {answer.status} instead of {kind.status}")


class Traffic:
    """Several senders at once, until the time is up, the number is reached or somebody says stop."""

    def __init__(self, url: str, *, concurrency: int, seed: int, keep_alive: bool = False, pause: float = 0.0) -> None:
        self.stopped = threading.Event()
        self._senders = [
            Sender(url, random.Random(f"{seed}/{number}"), keep_alive=keep_alive) for number in range(concurrency)
        ]
        self._chances = [random.Random(f"{seed}/{number}/kinds") for number in range(concurrency)]
        self._pause = pause

    def run(self, seconds: float | None, requests: int | None) -> Books:
        """Send until one of the limits is reached; return the books of all senders together."""
        shares = _shares(requests, len(self._senders))
        threads = [
            threading.Thread(target=self._run_sender, args=arguments)
            for arguments in zip(self._senders, self._chances, shares, strict=True)
        ]
        for thread in threads:
            thread.start()
        alarm = threading.Timer(seconds, self.stopped.set) if seconds is not None else None
        if alarm:
            alarm.start()
        _join_all(threads)
        if alarm:
            alarm.cancel()
        books = Books()
        for sender in self._senders:
            books.add(sender.books)
        return books

    def _run_sender(self, sender: Sender, chance: random.Random, share: int | None) -> None:
        weights = [kind.weight for kind in KINDS]
        while share != 0 and not self.stopped.wait(self._pause):
            sender.send(chance.choices(KINDS, weights)[0])
            share = None if share is None else share - 1
        sender.close()


def _shares(requests: int | None, parts: int) -> list[int | None]:
    if requests is None:
        return [None] * parts
    return [requests // parts + (number < requests % parts) for number in range(parts)]


def _join_all(threads: list[threading.Thread]) -> None:
    """Wait in small steps: a signal must be able to get in between."""
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)


def main() -> int:
    """Send, print the books, and say by the exit status whether every request was answered as expected."""
    arguments = _parse()
    traffic = Traffic(
        arguments.url,
        concurrency=arguments.concurrency,
        seed=arguments.seed,
        keep_alive=arguments.keep_alive,
        pause=arguments.pause,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: traffic.stopped.set())
    started = time.monotonic()
    books = traffic.run(arguments.seconds, arguments.requests)
    summary = {**books.summary(), "seconds": round(time.monotonic() - started, 3)}
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(summary, file, indent=1)
    json.dump(summary, sys.stdout, indent=1)
    print()
    return 1 if books.unanswered or books.unexpected else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the shop is (default: %(default)s)")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--requests", type=int, help="stop after this many requests")
    parser.add_argument("--concurrency", type=int, default=8, help="requests at once (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two requests of one sender")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same requests")
    parser.add_argument("--keep-alive", action="store_true", help="use connections again")
    parser.add_argument("--json", metavar="FILE", help="also write the books there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
