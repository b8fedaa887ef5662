# SPDX-License-Identifier: Apache-2.0
"""A middleware with a recorder of its own, a server that plays by PEP 3333, and what was recorded."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import alone
from wsgiapm.aggregate.merge import take_snapshot
from wsgiapm.aggregate.resource import Resource
from wsgiapm.middleware import Middleware
from wsgiapm.recorder import Recorder
from wsgiapm.transaction import CURRENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APDEX_T = 500_000_000


class Books:
    """The middleware's source: the recorder, what went wrong, and what was recorded."""

    def __init__(self) -> None:
        self.instance = alone(Identity("test", "", ""))
        self.instance.begin(APDEX_T)
        self.recorder: Recorder | None = Recorder(self.instance, max_series=2000, error_status=[(500, 599)])
        self.failures: list[BaseException | None] = []

    def start(self) -> Recorder | None:
        """See `wsgiapm.middleware.Source`."""
        return self.recorder

    def failed(self) -> None:
        """See `wsgiapm.middleware.Source`."""
        self.failures.append(sys.exc_info()[1])

    def points(self, family: str) -> list[Any]:
        """The points of a family as an exporter sees them."""
        families = {f.name: f.points for f in take_snapshot(self.instance, Resource()).families}
        return list(families.get(family, ()))

    @property
    def requests(self) -> Counter[tuple[Any, ...]]:
        """How many requests ended: by route, status and error."""
        found: Counter[tuple[Any, ...]] = Counter()
        for point in self.points("http.server.request.duration"):
            values = dict(point.attributes)
            key = tuple(values.get(name) for name in ("http.route", "http.response.status_code", "error.type"))
            found[key] += point.count
        return +found

    @property
    def methods(self) -> Counter[tuple[Any, ...]]:
        """How many requests ended: by method and scheme."""
        found: Counter[tuple[Any, ...]] = Counter()
        for point in self.points("http.server.request.duration"):
            values = dict(point.attributes)
            found[values["http.request.method"], values["url.scheme"] if point.count else ""] += point.count
        return +found

    @property
    def running(self) -> int:
        """How many requests are in flight."""
        return sum(int(point.value) for point in self.points("http.server.active_requests"))

    @property
    def disconnects(self) -> dict[str, int]:
        """How many clients went away, by route."""
        points = self.points("wsgiapm.client_disconnects")
        return {str(dict(point.attributes)["http.route"]): int(point.value) for point in points}

    @property
    def streams(self) -> Counter[tuple[Any, ...]]:
        """How many streams ended: by route and kind."""
        found: Counter[tuple[Any, ...]] = Counter()
        for point in self.points("wsgiapm.stream.duration"):
            values = dict(point.attributes)
            found[values["http.route"], values["kind"]] += point.count
        return found

    @property
    def stream_seconds(self) -> float:
        """The time all streams lasted."""
        return sum(float(point.sum) for point in self.points("wsgiapm.stream.duration"))

    @property
    def size(self) -> int:
        """The bytes of all responses."""
        return sum(int(point.value) for point in self.points("wsgiapm.response.size"))

    @property
    def seconds(self) -> float:
        """The time all requests took."""
        return sum(float(point.sum) for point in self.points("http.server.request.duration"))

    @property
    def first_byte_seconds(self) -> float:
        """The time to the first byte, of all requests."""
        return sum(float(point.value) for point in self.points("wsgiapm.response.first_byte.time"))


@pytest.fixture
def books() -> Iterator[Books]:
    """A recorder and what it has recorded; nothing may be left behind in this context."""
    books = Books()
    yield books
    left = CURRENT.get()
    CURRENT.set(None)
    assert left is None


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`seconds(1, 3, 6)`: what the clock shows, each time that a request looks at it."""

    def show(*times: int) -> None:
        clock = iter([1_000_000_000 * time for time in times])
        for module in ("body", "ending", "middleware", "request"):
            monkeypatch.setattr(f"wsgiapm.{module}.monotonic_ns", lambda: next(clock))

    return show


@pytest.fixture
def watch(books: Books) -> Callable[..., Middleware]:
    """`watch(app)` puts the middleware around an app; what it records is in `books`."""

    def wrap(app: Any, **options: Any) -> Middleware:
        return Middleware(app, books, **options)

    return wrap


@pytest.fixture
def environ() -> Callable[..., dict[str, Any]]:
    """`environ(path="/", **more)` returns the environ of a request, complete enough for the strictest validator."""
    from wsgiref.util import setup_testing_defaults

    def make(path: str = "/", **more: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "REQUEST_METHOD": "GET",
            **more,
        }
        setup_testing_defaults(values)
        values["wsgi.errors"] = sys.stderr
        return values

    return make


class Answer:
    """What a server got for one request."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.written: list[bytes] = []
        self.chunks: list[bytes] = []
        self.headers_sent = False

    def start_response(self, status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], None]:
        """The server's; it can be called anew only with the exception that is the reason."""
        if self.calls and not rest:
            raise AssertionError("start_response was called twice without exc_info")
        if rest and rest[0] and self.headers_sent:
            raise rest[0][1]
        self.calls.append((status, headers, *rest))
        return self.write

    def write(self, data: bytes) -> None:
        """The server's."""
        self.headers_sent = True
        self.written.append(data)

    @property
    def body(self) -> bytes:
        """Everything the client got."""
        return b"".join(self.written + self.chunks)


@pytest.fixture
def serve(environ: Callable[..., dict[str, Any]]) -> Callable[..., Answer]:
    """`serve(app, path="/", chunks=None, **environ)` plays the server: calls, iterates (up to some chunks), closes."""

    def run(app: Any, path: str = "/", chunks: int | None = None, **more: Any) -> Answer:
        answer = Answer()
        body = app(environ(path, **more), answer.start_response)
        try:
            iterator = iter(body)
            while chunks is None or len(answer.chunks) < chunks:
                try:
                    chunk = next(iterator)
                except StopIteration:
                    break
                answer.headers_sent = answer.headers_sent or bool(chunk)
                answer.chunks.append(chunk)
        finally:
            if hasattr(body, "close"):
                body.close()
        return answer

    return run


class Closing:
    """An app's iterable that knows whether it was closed, and how it fails."""

    def __init__(self, *chunks: bytes | BaseException, close_error: BaseException | None = None) -> None:
        self.chunks = chunks
        self.close_error = close_error
        self.closed = 0
        self.begun = 0

    def __iter__(self) -> Iterator[bytes]:
        self.begun += 1
        for chunk in self.chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    def close(self) -> None:
        """Count, and fail if that is wanted."""
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


@pytest.fixture
def closing() -> type[Closing]:
    """The class of an iterable that counts how often it is iterated and closed."""
    return Closing
