# SPDX-License-Identifier: Apache-2.0
"""Reads a request's body within bounds, compressed or not: a bomb is refused before it is inflated."""

from __future__ import annotations

import zlib
from typing import Protocol

from wsgiapm.errors import WsgiapmError

MAX_COMPRESSED = 8 * 1024 * 1024
MAX_DECOMPRESSED = 32 * 1024 * 1024
_CHUNK = 64 * 1024
_GZIP = zlib.MAX_WBITS | 16


class Stream(Protocol):
    """Where a body comes from."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; none at the end."""


class BodyTooLargeError(WsgiapmError):
    """The body is larger than is taken; the message says which limit."""


class BrokenBodyError(WsgiapmError):
    """The body is not what its headers say it is."""


def read_body(stream: Stream, encoding: str, length: int | None = None) -> bytes:
    """Return the whole body, inflated.

    Args:
        stream: the request's input; it must end where the body ends.
        encoding: the Content-Encoding; empty, ``identity`` or ``gzip``.
        length: the Content-Length in bytes, if there is one.

    Raises:
        BodyTooLargeError: it is larger than MAX_COMPRESSED, or than MAX_DECOMPRESSED when inflated.
        BrokenBodyError: it is not gzip although it claims to be, or it is cut off.
    """
    raw = _read(stream)
    if length is not None and len(raw) != length:
        msg = f"the body ends after {len(raw)} of {length} bytes"
        raise BrokenBodyError(msg)
    return _inflate(raw) if encoding == "gzip" else raw


def _read(stream: Stream) -> bytes:
    raw = bytearray()
    try:
        while chunk := stream.read(_CHUNK):
            raw += chunk
            if len(raw) > MAX_COMPRESSED:
                msg = f"the body is larger than {MAX_COMPRESSED} bytes; send smaller batches"
                raise BodyTooLargeError(msg)
    except OSError as failure:
        msg = f"the body stopped arriving after {len(raw)} bytes: {failure}"
        raise BrokenBodyError(msg) from failure
    return bytes(raw)


def _inflate(raw: bytes) -> bytes:
    parts: list[bytes] = []
    room = MAX_DECOMPRESSED
    while raw:  # a gzip body may consist of several members
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(raw, room + 1)
        except zlib.error as failure:
            msg = f"the body is not gzip although Content-Encoding says so: {failure}"
            raise BrokenBodyError(msg) from failure
        room -= len(part)
        if room < 0:
            msg = f"the body inflates to more than {MAX_DECOMPRESSED} bytes; send smaller batches"
            raise BodyTooLargeError(msg)
        if not member.eof:
            msg = "the gzip body is cut off"
            raise BrokenBodyError(msg)
        parts.append(part)
        raw = member.unused_data
    return b"".join(parts)
