# SPDX-License-Identifier: Apache-2.0
"""A small protobuf writer, and the messages all OTLP signals have in common.

A function named after a message returns that message's payload; whoever puts it into another adds the tag. A large
message is a list of parts until the end: joined anew at every level, megabytes would be copied again and again, and
each time every thread would wait.

Sources: protobuf "Encoding"; opentelemetry-proto, common/v1/common.proto (field numbers).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct

Pairs = Iterable[tuple[str, str | int]]
Parts = list[bytes]

SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0"
"""The semantic conventions our names and attributes are taken from."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The wire types."""
UINT64 = 2**64 - 1
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_unsigned = Struct("<Q")
_real = Struct("<d")


def varint(value: int) -> bytes:
    """Return `value` in groups of seven bits, the lowest first; a negative one as its 64-bit two's complement."""
    if 0 <= value < 0x80:
        return value.to_bytes(1, "little")
    value &= UINT64
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


@lru_cache(maxsize=128)
def tag(field: int, wire_type: int) -> bytes:
    """Return the tag of a field."""
    return varint(field << 3 | wire_type)


def message(field: int, payload: bytes) -> bytes:
    """Return an embedded message or a byte string; an empty one is written too, since its presence can matter."""
    return tag(field, BYTES) + varint(len(payload)) + payload


def enclose(field: int, parts: Parts) -> Parts:
    """Return an embedded message whose payload is in parts."""
    return [tag(field, BYTES) + varint(sum(map(len, parts))), *parts]


def text(field: int, value: str) -> bytes:
    """Return a string; what cannot be UTF-8 (lone surrogates of undecodable bytes) becomes a question mark."""
    return message(field, value.encode("utf-8", "replace")) if value else b""


def number(field: int, value: int) -> bytes:
    """Return an unsigned integer, a boolean or an enum; the default is left out."""
    return tag(field, VARINT) + varint(value) if value else b""


def zigzag(field: int, value: int) -> bytes:
    """Return a signed integer (sint32); the default is left out."""
    return number(field, value << 1 if value >= 0 else (-value << 1) - 1)


def fixed(field: int, value: int) -> bytes:
    """Return a fixed64; the default is left out."""
    return tag(field, FIXED64) + _unsigned.pack(value) if value else b""


def double(field: int, value: float) -> bytes:
    """Return a double, the default too."""
    return tag(field, FIXED64) + _real.pack(value)


def key_value(name: str, value: str | int) -> bytes:
    """Return a KeyValue. A value is a oneof, so its default is written out; an integer beyond 64 bits goes as text."""
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        any_value = tag(3, VARINT) + varint(value)
    else:
        any_value = message(1, str(value).encode("utf-8", "replace"))
    return text(1, name) + message(2, any_value)


def attributes(field: int, pairs: Pairs) -> bytes:
    """Return `pairs` as repeated KeyValue of the message whose attributes have the number `field`."""
    return b"".join([message(field, key_value(name, value)) for name, value in pairs])


def signal_request(resource: Pairs, scope: str, version: str, records: Iterable[Parts]) -> bytes:
    """Return an Export…ServiceRequest with one resource and one scope, both of SCHEMA_URL; each record is in parts.

    The requests of metrics, logs and traces have the same numbers down to the records.
    """
    schema = text(3, SCHEMA_URL)
    scope_records = [message(1, text(1, scope) + text(2, version))]
    for record in records:
        scope_records += enclose(2, record)
    scope_records.append(schema)
    return b"".join(enclose(1, [message(1, attributes(1, resource)), *enclose(2, scope_records), schema]))
