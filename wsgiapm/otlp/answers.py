# SPDX-License-Identifier: Apache-2.0
"""Reading what an OTLP server answers."""

from __future__ import annotations

from collections.abc import Iterator

from wsgiapm.otlp.protobuf import BYTES, FIXED32, FIXED64, UINT64, VARINT


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field: an integer for a varint, the raw bytes for anything else.

    Raises:
        ValueError: `data` is not a protobuf message.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        wire_type = key & 7
        if wire_type == VARINT:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if wire_type == BYTES:
            size, at = _read_varint(data, at)
        elif wire_type in (FIXED64, FIXED32):
            size = 8 if wire_type == FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type} at byte {at} of {len(data)}: not a protobuf message")
        if at + size > len(data):
            raise ValueError(f"field {key >> 3} ends at byte {at + size} of {len(data)}: not a whole protobuf message")
        yield key >> 3, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        group = data[at]
        at += 1
        value |= (group & 0x7F) << shift
        if group < 0x80:
            return value & UINT64, at
    raise ValueError(f"a number does not end at byte {at} of {len(data)}: not a protobuf message")


def partial_success(data: bytes) -> tuple[int, str]:
    """Return how many points the server refused, and its message, from an Export…ServiceResponse of any signal.

    Raises:
        ValueError: `data` is not a protobuf message.
    """
    refused, reason = 0, ""
    for number, value in fields(data):
        if number == 1 and isinstance(value, bytes):
            for inner, content in fields(value):
                if inner == 1 and isinstance(content, int):
                    refused = content
                elif inner == 2 and isinstance(content, bytes):
                    reason = content.decode("utf-8", "replace")
    return refused, reason


def status_message(data: bytes) -> str:
    """Return the message of a google.rpc.Status, the body of an OTLP error; empty when it has none.

    Raises:
        ValueError: `data` is not a protobuf message.
    """
    texts = [value for number, value in fields(data) if number == 2 and isinstance(value, bytes)]
    return texts[-1].decode("utf-8", "replace") if texts else ""
