# SPDX-License-Identifier: Apache-2.0
"""What the calls of an HTTP client are, whatever the client.

A request becomes an operation once for each method and place, and each status of its answers another one, so that a
call costs a few lookups. Of an address nothing is kept but host and port.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wsgiapm.span import EXTERNAL, Operation

if TYPE_CHECKING:
    from wsgiapm.span import Span

METRIC: Final = "http.client.request.duration"
OTHER: Final = "(other)"
HEADER: Final = "traceparent"

# An operation lives as long as the process, for its calls are counted under it.
_PLACES_AT_MOST = 200
_AUTHORITIES_AT_MOST = 1000
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
_OTHER_METHOD = "_OTHER"
_FAILED = 400
_PORTS = {"http": 80, "https": 443}
_LONGEST_ADDRESS = 255
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:[^/?#\\@]*@)*([^/?#\\]*)")
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]{0,5}))?")

BODY: Final = Operation("body", EXTERNAL)
"""What takes time without being a call of its own: a connection, a body sent or read later than its request."""


class Answer(Operation):
    """A request by the status of its answer; `error` is the `error.type` of one that says it failed."""

    __slots__ = ("error",)

    def __init__(self, request: Request, status: int) -> None:
        """`status` may be any number a server has sent."""
        attributes = (*request.attributes, ("http.response.status_code", status))
        super().__init__(request.name, EXTERNAL, METRIC, tuple(sorted(attributes)))
        self.error = str(status) if status >= _FAILED else None


class Request(Operation):
    """A request as it is sent, by method, host and port."""

    __slots__ = ("_answers",)

    def __init__(self, method: str, place: Place) -> None:
        """`method` is one of those that are told apart."""
        attributes: list[tuple[str, str | int]] = [("http.request.method", method), ("server.address", place.address)]
        if place.port:
            attributes.append(("server.port", place.port))
        super().__init__(f"{method} {place.address}", EXTERNAL, METRIC, tuple(sorted(attributes)))
        self._answers: dict[int, Answer] = {}

    def answer(self, status: int) -> Answer:
        """Return what the request is when it has been answered so."""
        answer = self._answers.get(status)
        if answer is None:
            answer = self._answers.setdefault(status, Answer(self, status))
        return answer


class Place:
    """A server, and the requests that are sent there; `port` is 0 for a unix socket, whose path is the address."""

    __slots__ = ("_requests", "address", "port")

    def __init__(self, address: str, port: int) -> None:
        """Nothing has been sent there yet."""
        self.address = address
        self.port = port
        self._requests: dict[str, Request] = {}

    def request(self, method: Any) -> Request:
        """Return the operation that a request is; a method that nobody knows is `_OTHER`."""
        request = self._requests.get(method)
        if request is None:
            name = str(method.decode("latin-1") if isinstance(method, bytes) else method).upper()
            name = name if name in _METHODS else _OTHER_METHOD
            request = self._requests.setdefault(name, Request(name, self))
        return request


_authorities: dict[tuple[str, str], Place] = {}
_places: dict[tuple[str, int], Place] = {}


def place(address: str, port: int) -> Place:
    """Return a server by its host and port, or by the path of a unix socket and 0; the same for the same."""
    found = _places.get((address, port))
    if found is None:
        address = address.lower() if port else address
        key = (address[:_LONGEST_ADDRESS], port)
        if key not in _places and len(_places) >= _PLACES_AT_MOST:
            key = (OTHER, 0)
        found = _places.setdefault(key, Place(*key))
    return found


def place_of(url: str) -> Place | None:
    """Return the server a URL leads to; None where it says none, which the client will tell."""
    parts = _URL.match(url)
    return None if parts is None else place_at(parts[1], parts[2])


def place_at(scheme: str, authority: str) -> Place | None:
    """Return a server by what stands in a URL; None when that is no address."""
    key = scheme, authority
    found = _authorities.get(key)
    if found is None:
        found = _read_place(scheme.lower(), authority)
        if found is not None:
            if len(_authorities) >= _AUTHORITIES_AT_MOST:
                _authorities.clear()
            _authorities[key] = found
    return found


def _read_place(scheme: str, authority: str) -> Place | None:
    if scheme.endswith("+unix") or scheme == "unix":
        from urllib.parse import unquote  # noqa: PLC0415  # who has such a URL has that loaded

        return place(unquote(authority), 0)
    parts = _AUTHORITY.fullmatch(authority)
    host = "" if parts is None else parts[1].strip("[]")
    if parts is None or not host:
        return None
    return place(host, int(parts[2] or 0) or _PORTS.get(scheme, 80))


def answered(span: Span, status: object, error: str | None) -> str | None:
    """Let a span be counted by the status of its answer, if there is one; returns its `error.type`."""
    request = span.operation
    if not isinstance(status, int) or not isinstance(request, Request) or not 100 <= status <= 999:
        return error
    span.operation = answer = request.answer(int(status))
    return error or answer.error


def by_status(name: str) -> Any:
    """Return what settles a call whose answer has its status in an attribute of this name."""

    def settle(span: Span, _client: Any, response: Any, error: str | None) -> str | None:
        return answered(span, getattr(response, name, None), error)

    return settle
