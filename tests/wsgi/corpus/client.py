# SPDX-License-Identifier: Apache-2.0
"""A client that sends bytes and returns bytes: nothing is parsed, nothing put right."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

from tests.wsgi.corpus.paths import PATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DATE = re.compile(rb"\r\ndate: [^\r]*GMT(?=\r\n)", re.IGNORECASE)
_CHUNKED_BODY = b"5\r\nhello\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n" + b"0\r\n\r\n"


def talk(port: int, data: bytes, *, leave: bool = False) -> bytes:
    """Send, and return everything up to the end of the connection but the dates; `leave`: close our side first."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(data)
        if leave:
            connection.shutdown(socket.SHUT_WR)
        received = []
        try:
            while piece := connection.recv(1 << 16):
                received.append(piece)
        except ConnectionResetError:
            received.append(b"(reset)")
    return _DATE.sub(b"", b"".join(received))


NO_ANSWER = b"(no answer)"


def ask_in_vain(port: int, data: bytes, wait: Callable[[], object]) -> bytes:
    """Send what the server will not answer, wait, and return what has come all the same."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(data)
        wait()
        connection.setblocking(False)
        try:
            return connection.recv(1 << 16)
        except BlockingIOError:
            return NO_ANSWER


def request(path: str, method: str = "GET", body: bytes = b"", version: str = "1.1", **headers: str) -> bytes:
    """Return the bytes of a request; it is the last one of its connection unless `connection` is among the headers."""
    fields = {
        "Host": "corpus.test",
        "Connection": "close",
        **{k.replace("_", "-").title(): v for k, v in headers.items()},
    }
    lines = [f"{method} /{path} HTTP/{version}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _of_path(path: str) -> Iterator[tuple[str, bytes]]:
    if path.endswith("upload"):
        yield "sized", request(path, "POST", b"abc" * 50, content_length="150")
        yield "empty", request(path, "POST", content_length="0")
        yield "chunked", request(path, "POST", _CHUNKED_BODY, transfer_encoding="chunked")
        yield "expecting", request(path, "POST", b"hello", content_length="5", expect="100-continue")
        return
    yield "get", request(path)
    yield "head", request(path, "HEAD")
    yield "old", request(path, version="1.0")
    if "file" in path or "static" in path or "conditional" in path or "plain" in path:
        yield "range", request(path, range="bytes=100-299")
        yield "tail", request(path, range="bytes=-50")
        yield "beyond", request(path, range="bytes=99999999-")
        yield "unmodified", request(path, if_modified_since="Fri, 01 Jan 2100 00:00:00 GMT")
        yield "any tag", request(path, if_none_match='*, "fixed"')
    if path.startswith("django"):
        yield "packed", request(path, accept_encoding="gzip")


def conversations() -> Iterator[tuple[str, bytes]]:
    """Return what is said on one connection each: a label and the bytes."""
    for app, paths in PATHS.items():
        for path in paths:
            for label, data in _of_path(f"{app}/{path}"):
                yield f"{app}/{path} {label}", data
        kept = [request(f"{app}/{path}", connection="keep-alive") for path in paths[:3] if "upload" not in path]
        yield f"{app} pipelined", b"".join(kept) + request(f"{app}/nowhere")
        yield f"{app} odd method", request(f"{app}/{paths[0]}", "BREW")


def broken_off() -> Iterator[tuple[str, bytes]]:
    """Return uploads that end before their end."""
    for app, paths in PATHS.items():
        if "upload" in paths:
            yield f"{app} cut short", request(f"{app}/upload", "POST", b"hel", content_length="5000")
            yield f"{app} cut in a chunk", request(f"{app}/upload", "POST", b"400\r\nxxx", transfer_encoding="chunked")
