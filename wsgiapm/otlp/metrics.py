# SPDX-License-Identifier: Apache-2.0
"""The OTLP metrics messages. Source: opentelemetry-proto, metrics/v1/metrics.proto (field numbers)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct

from wsgiapm.otlp.protobuf import (
    FIXED64,
    INT64_MAX,
    INT64_MIN,
    Pairs,
    Parts,
    double,
    enclose,
    fixed,
    message,
    number,
    signal_request,
    tag,
    text,
    varint,
    zigzag,
)

_CUMULATIVE = 2  # AggregationTemporality
_POINTS_IN_A_PART = 200
_unsigned = Struct("<Q")
_signed = Struct("<q")
_real = Struct("<d")


def span_of_time(start: int, now: int) -> bytes:
    """Return start_time_unix_nano and time_unix_nano, which have the same numbers in every kind of data point."""
    return fixed(2, start) + fixed(3, now)


NUMBER_ATTRIBUTES = 7
HISTOGRAM_ATTRIBUTES = 9
EXPONENTIAL_ATTRIBUTES = 1


def number_point(labels: bytes, times: bytes, value: float) -> bytes:
    """Return a NumberDataPoint: integers as as_int, all else, and what does not fit 64 bits, as as_double."""
    if isinstance(value, int) and INT64_MIN <= value <= INT64_MAX:
        return times + tag(6, FIXED64) + _signed.pack(value) + labels
    return times + double(4, value) + labels


def histogram_point(labels: bytes, times: bytes, total: float, counts: Sequence[int], bounds: Sequence[float]) -> bytes:
    """Return a HistogramDataPoint. `counts` are not cumulative and one longer than `bounds`; `total` is the sum."""
    packed_counts = b"".join(map(_unsigned.pack, counts))
    packed_bounds = b"".join(map(_real.pack, bounds))
    return b"".join(
        (
            times,
            fixed(4, sum(counts)),
            double(5, total),
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
    buckets = zigzag(1, offset) + message(2, b"".join(map(varint, counts)))
    return b"".join(
        (
            labels,
            times,
            fixed(4, zero_count + sum(counts)),
            double(5, total),
            zigzag(6, scale),
            fixed(7, zero_count),
            message(8, buckets),
            double(14, zero_threshold),
        )
    )


def _enclosed(points: Iterable[bytes]) -> Parts:
    """Return the points as a Metric has them, some hundred to a part."""
    parts: Parts = []
    some: Parts = []
    for point in points:
        some.append(message(1, point))
        if len(some) == _POINTS_IN_A_PART:
            parts.append(b"".join(some))
            some.clear()
    return [*parts, *some]


def gauge(points: Iterable[bytes]) -> Parts:
    """Return a Metric's gauge field."""
    return enclose(5, _enclosed(points))


def cumulative_sum(points: Iterable[bytes], *, monotonic: bool) -> Parts:
    """Return a Metric's sum field, of cumulative temporality."""
    return enclose(7, [*_enclosed(points), number(2, _CUMULATIVE), number(3, monotonic)])


def histogram(points: Iterable[bytes]) -> Parts:
    """Return a Metric's histogram field, of cumulative temporality."""
    return enclose(9, [*_enclosed(points), number(2, _CUMULATIVE)])


def exponential_histogram(points: Iterable[bytes]) -> Parts:
    """Return a Metric's exponential_histogram field, of cumulative temporality."""
    return enclose(10, [*_enclosed(points), number(2, _CUMULATIVE)])


def metric(name: str, description: str, unit: str, data: Parts) -> Parts:
    """Return a Metric; `data` is what `gauge`, `cumulative_sum`, `histogram` or `exponential_histogram` returned."""
    return [text(1, name), text(2, description), text(3, unit), *data]


def metrics_request(resource: Pairs, scope: str, version: str, metrics: Iterable[Parts]) -> bytes:
    """Return an ExportMetricsServiceRequest with one resource and one scope."""
    return signal_request(resource, scope, version, metrics)
