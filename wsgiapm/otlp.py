# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry protocol as bytes: a small protobuf writer and reader, the metrics messages, the names of the wire.

Everything here takes plain values and returns bytes, so that the protobuf runtime never enters the user's process.
A function named after a message returns that message's payload; whoever puts it into another adds the tag.

Sources: protobuf "Encoding"; opentelemetry-proto, metrics/v1/metrics.proto (field numbers); OTLP/HTTP specification.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from struct import Struct

PROTOBUF_TYPE = "application/x-protobuf"
JSON_TYPE = "application/json"
METRICS_PATH = "/v1/metrics"
TRACES_PATH = "/v1/traces"
LOGS_PATH = "/v1/logs"

SCHEMA_URL = "https://opentelemetry.io/schemas/1.37.0"
"""The semantic conventions our names and attributes are taken from."""

Pairs = Iterable[tuple[str, str | int]]

_CUMULATIVE = 2  # AggregationTemporality
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_UINT64 = 2**64 - 1
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_unsigned = Struct("<Q")
_signed = Struct("<q")
_real = Struct("<d")


# --- writing -----------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """Return `value` in groups of seven bits, the lowest first; a negative one as its 64-bit two's complement."""
    if 0 <= value < 0x80:
        return value.to_bytes(1, "little")
    value &= _UINT64
    groups = bytearray()
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


@lru_cache(maxsize=128)
def _tag(field: int, wire_type: int) -> bytes:
    return varint(field << 3 | wire_type)


def message(field: int, payload: bytes) -> bytes:
    """Return an embedded message or a byte string; an empty one is written too, since its presence can matter."""
    return _tag(field, _BYTES) + varint(len(payload)) + payload


def text(field: int, value: str) -> bytes:
    """Return a string; what cannot be UTF-8 (lone surrogates of undecodable bytes) becomes a question mark."""
    return message(field, value.encode("utf-8", "replace")) if value else b""


def _number(field: int, value: int) -> bytes:
    return _tag(field, _VARINT) + varint(value) if value else b""


def _zigzag(field: int, value: int) -> bytes:
    return _number(field, value << 1 if value >= 0 else (-value << 1) - 1)


def _fixed(field: int, value: int) -> bytes:
    return _tag(field, _FIXED64) + _unsigned.pack(value) if value else b""


def _double(field: int, value: float) -> bytes:
    return _tag(field, _FIXED64) + _real.pack(value)


# --- the metrics messages ----------------------------------------------------------------------------------------


def key_value(name: str, value: str | int) -> bytes:
    """Return a KeyValue. A value is a oneof, so its default is written out; an integer beyond 64 bits goes as text."""
    if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
        any_value = _tag(3, _VARINT) + varint(value)
    else:
        any_value = message(1, str(value).encode("utf-8", "replace"))
    return text(1, name) + message(2, any_value)


def attributes(field: int, pairs: Pairs) -> bytes:
    """Return `pairs` as repeated KeyValue of the message whose attributes have the number `field`."""
    return b"".join([message(field, key_value(name, value)) for name, value in pairs])


def span_of_time(start: int, now: int) -> bytes:
    """Return start_time_unix_nano and time_unix_nano, which have the same numbers in every kind of data point."""
    return _fixed(2, start) + _fixed(3, now)


NUMBER_ATTRIBUTES = 7
HISTOGRAM_ATTRIBUTES = 9
EXPONENTIAL_ATTRIBUTES = 1


def number_point(labels: bytes, times: bytes, value: float) -> bytes:
    """Return a NumberDataPoint: integers as as_int, all else, and what does not fit 64 bits, as as_double."""
    if isinstance(value, int) and _INT64_MIN <= value <= _INT64_MAX:
        return times + _tag(6, _FIXED64) + _signed.pack(value) + labels
    return times + _double(4, value) + labels


def histogram_point(labels: bytes, times: bytes, total: float, counts: Sequence[int], bounds: Sequence[float]) -> bytes:
    """Return a HistogramDataPoint. `counts` are not cumulative and one longer than `bounds`; `total` is the sum."""
    packed_counts = b"".join(map(_unsigned.pack, counts))
    packed_bounds = b"".join(map(_real.pack, bounds))
    return b"".join(
        (
            times,
            _fixed(4, sum(counts)),
            _double(5, total),
            message(6, packed_counts),
            message(7, packed_bounds),
            labels,
        )
    )


def exponential_point(
    labels: bytes,
    times: bytes,
    total: float,
    *,
    scale: int,
    zero_count: int,
    zero_threshold: float,
    offset: int,
    counts: Sequence[int],
) -> bytes:
    """Return an ExponentialHistogramDataPoint of positive values; its count is what the buckets and zero add up to."""
    buckets = _zigzag(1, offset) + message(2, b"".join(map(varint, counts)))
    return b"".join(
        (
            labels,
            times,
            _fixed(4, zero_count + sum(counts)),
            _double(5, total),
            _zigzag(6, scale),
            _fixed(7, zero_count),
            message(8, buckets),
            _double(14, zero_threshold),
        )
    )


def gauge(points: Iterable[bytes]) -> bytes:
    """Return a Metric's gauge field."""
    return message(5, b"".join([message(1, point) for point in points]))


def cumulative_sum(points: Iterable[bytes], *, monotonic: bool) -> bytes:
    """Return a Metric's sum field, of cumulative temporality."""
    return message(
        7, b"".join([message(1, point) for point in points]) + _number(2, _CUMULATIVE) + _number(3, monotonic)
    )


def histogram(points: Iterable[bytes]) -> bytes:
    """Return a Metric's histogram field, of cumulative temporality."""
    return message(9, b"".join([message(1, point) for point in points]) + _number(2, _CUMULATIVE))


def exponential_histogram(points: Iterable[bytes]) -> bytes:
    """Return a Metric's exponential_histogram field, of cumulative temporality."""
    return message(10, b"".join([message(1, point) for point in points]) + _number(2, _CUMULATIVE))


def metric(name: str, description: str, unit: str, data: bytes) -> bytes:
    """Return a Metric; `data` is what `gauge`, `cumulative_sum`, `histogram` or `exponential_histogram` returned."""
    return text(1, name) + text(2, description) + text(3, unit) + data


def metrics_request(resource: Pairs, scope: str, version: str, metrics: Iterable[bytes]) -> bytes:
    """Return an ExportMetricsServiceRequest with one resource and one scope, both of SCHEMA_URL."""
    schema = text(3, SCHEMA_URL)
    scope_metrics = b"".join(
        (message(1, text(1, scope) + text(2, version)), *[message(2, each) for each in metrics], schema)
    )
    return message(1, message(1, attributes(1, resource)) + message(2, scope_metrics) + schema)


# --- reading what a server answers -------------------------------------------------------------------------------


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field: an integer for a varint, the raw bytes for anything else.

    Raises:
        ValueError: `data` is not a protobuf message.
    """
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        wire_type = key & 7
        if wire_type == _VARINT:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if wire_type == _BYTES:
            size, at = _read_varint(data, at)
        elif wire_type in (_FIXED64, _FIXED32):
            size = 8 if wire_type == _FIXED64 else 4
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
            return value & _UINT64, at
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
