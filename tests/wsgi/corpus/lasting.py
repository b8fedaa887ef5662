# SPDX-License-Identifier: Apache-2.0
"""A server whose responses may last, and what is counted there."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from wsgiapm.aggregate.merge import merge
from wsgiapm.errors import SharedDirectoryError

if TYPE_CHECKING:
    from tests.conftest import Running


class Site:
    """A running server, and what was counted."""

    def __init__(self, running: Running, port: int, shared: str) -> None:
        self.running = running
        self.port = port
        self.shared = shared

    def points(self, family: str) -> Any:
        """The points of a family."""
        try:
            return {f.name: f.points for f in merge(self.shared).families}.get(family, ())
        except SharedDirectoryError:
            return ()

    @property
    def requests(self) -> dict[tuple[object, ...], int]:
        """How many requests ended: by route, status and error."""
        names = ("http.route", "http.response.status_code", "error.type")
        points = self.points("http.server.request.duration")
        found = {tuple(dict(p.attributes).get(name) for name in names): p.count for p in points}
        return {key: count for key, count in found.items() if key[0] != "/"}

    @property
    def seconds(self) -> float:
        """How long they took together, but those of `/`."""
        points = self.points("http.server.request.duration")
        return sum(p.sum for p in points if dict(p.attributes)["http.route"] != "/")

    @property
    def disconnects(self) -> dict[object, int]:
        """How many clients went away, by route."""
        return {dict(p.attributes)["http.route"]: p.value for p in self.points("wsgiapm.client_disconnects")}

    @property
    def streams(self) -> dict[object, int]:
        """How many streams there were, by kind."""
        return {dict(p.attributes)["kind"]: p.count for p in self.points("wsgiapm.stream.duration")}

    @property
    def in_flight(self) -> int:
        """How many requests are running."""
        return sum(p.value for p in self.points("http.server.active_requests"))

    def open(self, data: bytes) -> socket.socket:
        """Send the beginning of something."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        connection.sendall(data)
        return connection


def get(path: str, **headers: str) -> bytes:
    """Return the bytes of a request."""
    lines = [f"GET {path} HTTP/1.1", "Host: corpus.test", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"
