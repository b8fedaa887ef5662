# SPDX-License-Identifier: Apache-2.0
"""The http.client module of the standard library, which requests, urllib3 and urllib stand upon.

A call is what lies between the headers and the status line. Bodies that are sent or read apart take time without being
counted. `traceparent` is sent from here, after all other headers, so that nobody's objects are changed for it.
"""

from __future__ import annotations

from socket import AF_UNIX
from typing import TYPE_CHECKING, Any

from wsgiapm.clock import monotonic_ns
from wsgiapm.instruments._http import BODY, HEADER, OTHER, Place, answered, place, place_of
from wsgiapm.instruments._patch import Before, Call, Outgoing

if TYPE_CHECKING:
    from wsgiapm.span import Operation, Span

MODULE = "http.client"
VERSIONS = ">=3.10,<3.14"
RECORDS = "requests by method, host, port and status; bodies are part of the time; sends `traceparent`"

_HEADER = HEADER.encode()
_HTTPS = 443


def _note(transaction: Any, connection: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
    """Note when a request begins, and send `traceparent` with it unless the app does so itself."""
    lines = connection._buffer  # noqa: SLF001
    if not lines:  # no request has been begun: the library will say so
        return
    connection._wsgiapm_sent = monotonic_ns(), lines[0]  # noqa: SLF001
    if b"\r\n" + _HEADER + b":" not in b"\r\n".join(lines).lower():
        lines.append(b"%b: %b" % (_HEADER, transaction.traceparent().encode()))


def _sent(connection: Any) -> tuple[int, bytes]:
    return getattr(connection, "_wsgiapm_sent", None) or (0, b"")


def _place(connection: Any, target: bytes) -> Place | None:
    sock = connection.sock
    if getattr(sock, "family", None) == AF_UNIX:
        return place(_peer(sock), 0)
    if not target.startswith(b"/"):  # by way of a proxy, which is what `host` says then
        found = place_of(target.decode("latin-1"))
        if found is not None:
            return found
    host = connection._tunnel_host  # noqa: SLF001
    if host:
        return place(host, int(connection._tunnel_port or _HTTPS))  # noqa: SLF001
    return place(connection.host, int(connection.port)) if connection.host else None


def _peer(sock: Any) -> str:
    try:
        return str(sock.getpeername())
    except OSError:  # the other side has gone
        return OTHER


def _request(connection: Any) -> Operation | None:
    _, line = _sent(connection)
    method, _, rest = line.partition(b" ")
    found = _place(connection, rest)
    return None if found is None else found.request(method.decode("latin-1") or connection._method)  # noqa: SLF001


def _describe(connection: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
    return _request(connection)


def _settle(span: Span, connection: Any, response: Any, error: str | None) -> str | None:
    start, _ = _sent(connection)
    if start:
        span.start = start
        connection._wsgiapm_sent = None  # noqa: SLF001
    return answered(span, getattr(response, "status", None), error)


def _part(_instance: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
    return BODY


def _settle_sending(span: Span, connection: Any, _result: None, error: str | None) -> str | None:
    """Count a request that could not be sent; one that could is counted when it has been answered."""
    start, _ = _sent(connection)
    if error is not None and start:
        request = _request(connection)
        if request is not None:
            span.start, span.operation = start, request
            connection._wsgiapm_sent = None  # noqa: SLF001
    return error


def _settle_reading(_span: Span, _response: Any, _result: Any, error: str | None) -> str | None:
    return error


PATCHES = (
    Outgoing("http.client", "HTTPConnection.getresponse", _describe, _settle),
    Before("http.client", "HTTPConnection.endheaders", _note),
    Outgoing("http.client", "HTTPConnection.send", _part, _settle_sending),
    Call("http.client", "HTTPConnection.connect", _part),
    *(
        Outgoing("http.client", f"HTTPResponse.{name}", _part, _settle_reading)
        for name in ("read", "read1", "readinto", "readline", "peek")
    ),
)
