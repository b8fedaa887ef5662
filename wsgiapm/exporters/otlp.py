# SPDX-License-Identifier: Apache-2.0
"""Snapshot to an OTLP ExportMetricsServiceRequest: cumulative sums, gauges, exponential and explicit histograms."""

from __future__ import annotations

from collections.abc import Iterator
from operator import add

from wsgiapm import otlp
from wsgiapm.aggregate.histogram import Cells, Exponential, exponential
from wsgiapm.aggregate.snapshot import (
    ExplicitHistogramPoint,
    Family,
    FamilyStream,
    HistogramPoint,
    NumberPoint,
    Snapshot,
    SnapshotStream,
)
from wsgiapm.pace import Pace, at_once
from wsgiapm.version import VERSION

AnyFamily = Family | FamilyStream

SCOPE = "wsgiapm"
MAX_BUCKETS = 160
"""What OpenTelemetry's own SDKs send at most, and what servers are therefore ready for."""
ZERO_THRESHOLD = 2.0**-20
"""Seconds. Durations up to this are in zero_count; it is the first bound of the cell table."""


def encode_metrics(snapshot: Snapshot | SnapshotStream, pace: Pace = at_once) -> bytes:
    """Return the protobuf body of a POST to /v1/metrics.

    A family without points is left out. Every sum and histogram point starts at the snapshot's start time.
    """
    metrics = [metric for family in snapshot.families for metric in _metrics(family, snapshot, pace)]
    return otlp.metrics_request(snapshot.resource, SCOPE, VERSION, metrics)


def fitted(cells: Cells, max_buckets: int = MAX_BUCKETS) -> Exponential:
    """Return the exponential histogram of `cells`, its scale lowered until it has at most `max_buckets` buckets.

    Lowering the scale by one joins the buckets 2i and 2i+1: no count moves across a bound that remains.
    """
    scale, zero_count, offset, counts = exponential(cells)
    while len(counts) > max_buckets:
        if offset & 1:
            counts = (0, *counts)
        counts = tuple(map(add, counts[::2], (*counts[1::2], 0)))
        offset >>= 1
        scale -= 1
    return Exponential(scale, zero_count, offset, counts)


def _metrics(family: AnyFamily, snapshot: Snapshot | SnapshotStream, pace: Pace) -> Iterator[list[bytes]]:
    start = 0 if family.kind == "gauge" else snapshot.start_time_unix_nano
    times = otlp.span_of_time(start, snapshot.time_unix_nano)
    numbers: list[bytes] = []
    exponentials: list[bytes] = []
    explicits: list[bytes] = []
    for point in pace(family.points):
        if isinstance(point, NumberPoint):
            numbers.append(_number(point, times))
        elif isinstance(point, HistogramPoint):
            exponentials.append(_exponential(point, times))
        else:
            explicits.append(_explicit(point, times))
    if numbers and family.kind == "gauge":
        yield _metric(family, otlp.gauge(pace(numbers)))
    elif numbers:
        yield _metric(family, otlp.cumulative_sum(pace(numbers), monotonic=family.kind == "sum"))
    if exponentials:
        yield _metric(family, otlp.exponential_histogram(pace(exponentials)))
    if explicits:
        yield _metric(family, otlp.histogram(pace(explicits)))


def _metric(family: AnyFamily, data: list[bytes]) -> list[bytes]:
    return otlp.metric(family.name, family.description, family.unit, data)


def _number(point: NumberPoint, times: bytes) -> bytes:
    return otlp.number_point(otlp.attributes(otlp.NUMBER_ATTRIBUTES, point.attributes), times, point.value)


def _explicit(point: ExplicitHistogramPoint, times: bytes) -> bytes:
    labels = otlp.attributes(otlp.HISTOGRAM_ATTRIBUTES, point.attributes)
    return otlp.histogram_point(labels, times, point.sum, point.counts, point.bounds)


def _exponential(point: HistogramPoint, times: bytes) -> bytes:
    buckets = fitted(point.cells)
    return otlp.exponential_point(
        otlp.attributes(otlp.EXPONENTIAL_ATTRIBUTES, point.attributes),
        times,
        point.sum,
        scale=buckets.scale,
        zero_count=buckets.zero_count,
        zero_threshold=ZERO_THRESHOLD,
        offset=buckets.offset,
        counts=buckets.counts,
    )
