# SPDX-License-Identifier: Apache-2.0
"""OTLP messages to and from bytes, as protobuf and as JSON.

Source: the OTLP specification, "OTLP/HTTP", "Binary Protobuf Encoding" and "JSON Protobuf Encoding".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from wsgiapm.collector.body import BrokenBodyError

if TYPE_CHECKING:
    from collections.abc import Callable

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
_M = TypeVar("_M", bound="Message")
_VARINT_MORE = 0x80


def decode(body: bytes, content_type: str, make: Callable[[], _M]) -> _M:
    """Return the message in a body.

    Args:
        body: the bytes.
        content_type: PROTOBUF or JSON.
        make: the message's class.

    Raises:
        BrokenBodyError: the bytes are no such message.
    """
    message = make()
    if content_type == PROTOBUF:
        try:
            message.ParseFromString(body)
        except DecodeError as failure:
            msg = f"the body is not a protobuf {message.DESCRIPTOR.name}: {failure}"
            raise BrokenBodyError(msg) from failure
        return message
    try:
        tree = json.loads(body, object_pairs_hook=_without_bytes)
    except (ValueError, RecursionError) as failure:
        msg = f"the body is not JSON: {failure}"
        raise BrokenBodyError(msg) from failure
    if not isinstance(tree, dict):
        msg = f"the body is JSON, but not the object that a {message.DESCRIPTOR.name} is"
        raise BrokenBodyError(msg)
    try:
        json_format.ParseDict(tree, message, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as failure:
        msg = f"the body is not the JSON form of a {message.DESCRIPTOR.name}: {failure}"
        raise BrokenBodyError(msg) from failure
    return message


def encode(message: Message, content_type: str) -> bytes:
    """Return the bytes of an answer, in the encoding of the request."""
    if content_type == PROTOBUF:
        return bytes(message.SerializeToString())
    return json.dumps(json_format.MessageToDict(message)).encode()


def encode_status(code: int, text: str, content_type: str) -> bytes:
    """Return a google.rpc.Status: ``int32 code = 1; string message = 2``."""
    if content_type == JSON:
        return json.dumps({"code": code, "message": text}).encode()
    raw = text.encode("utf-8", "replace")
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(raw)) + raw


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= _VARINT_MORE:
        out.append(number & 0x7F | _VARINT_MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


# OTLP's JSON writes ids in hexadecimal where protobuf's JSON has base64: they would be misread, and nothing here needs
# them. Nothing stored comes in bytes, so attribute values of that kind are dropped as well.
_BYTES = frozenset(
    ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id", "bytesValue", "bytes_value")
)


def _without_bytes(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in _BYTES}
