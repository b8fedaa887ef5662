# SPDX-License-Identifier: Apache-2.0
"""Reads an OTLP metrics request into reports; what cannot be stored is counted with its reason."""

from __future__ import annotations

import math
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags

from wsgiapm.collector.cells import explicit_cells, exponential_cells
from wsgiapm.collector.identity import LONGEST_NAME, bounded_json, identify, read_attributes
from wsgiapm.collector.point import Point, Report
from wsgiapm.collector.refusal import RefusedError
from wsgiapm.store.model import NANOSECONDS, Series
from wsgiapm.store.series import TEXT, scope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.metrics.v1.metrics_pb2 import (
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        Metric,
        NumberDataPoint,
        ResourceMetrics,
    )

    from wsgiapm.collector.refusal import Refusals

    _DataPoint = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint

_D = TypeVar("_D", "NumberDataPoint", "HistogramDataPoint", "ExponentialHistogramDataPoint")

# Far beyond anything real, and small enough that a few of them can be added in 64 bits.
_LARGEST = 1 << 61
_LATEST = 1 << 63
_CALLS = "{call}"
# Of a longer statement the beginning is kept (characters).
_LONGEST_TEXT = 16 * 1024


def read_reports(request: ExportMetricsServiceRequest, refusals: Refusals) -> Iterator[Report]:
    """Yield the reports in a request.

    Args:
        request: the decoded message.
        refusals: counts what is left out.
    """
    for resource_metrics in request.resource_metrics:
        points = list(_points(resource_metrics, refusals))
        try:
            identity = identify(resource_metrics.resource)
        except RefusedError as refusal:
            refusals.add(str(refusal), len(points))
            continue
        if points:
            yield Report(identity, points)


def _points(resource_metrics: ResourceMetrics, refusals: Refusals) -> Iterator[Point]:
    for scope_metrics in resource_metrics.scope_metrics:
        for metric in scope_metrics.metrics:
            yield from _points_of(metric, refusals)


def _points_of(metric: Metric, refusals: Refusals) -> Iterator[Point]:
    form = metric.WhichOneof("data")
    if form is None:
        return
    try:
        kind = _kind(metric, form)
    except RefusedError as refusal:
        refusals.add(str(refusal), len(getattr(metric, form).data_points))
        return
    if form == "gauge":
        yield from _read(metric.gauge.data_points, partial(_number, metric, kind), refusals)
    elif form == "sum":
        yield from _read(metric.sum.data_points, partial(_number, metric, kind), refusals)
    elif form == "histogram":
        yield from _read(metric.histogram.data_points, partial(_explicit, metric), refusals)
    else:
        yield from _read(metric.exponential_histogram.data_points, partial(_exponential, metric), refusals)


def _kind(metric: Metric, form: str) -> str:
    if not metric.name or len(metric.name) > LONGEST_NAME:
        msg = f"a metric's name is empty or longer than {LONGEST_NAME} characters"
        raise RefusedError(msg)
    if form == "gauge":
        return "gauge"
    if form == "summary":
        msg = "a metric is a summary; send a histogram"
        raise RefusedError(msg)
    data = getattr(metric, form)
    if data.aggregation_temporality != AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE:
        msg = "a metric's temporality is not cumulative; set the exporter's preference to cumulative"
        raise RefusedError(msg)
    if form == "sum":
        # What goes up and down is worth its value, not its change.
        return "sum" if metric.sum.is_monotonic else "gauge"
    return "histogram"


def _read(data_points: Iterable[_D], read: Callable[[_D], Point], refusals: Refusals) -> Iterator[Point]:
    for data_point in data_points:
        if data_point.flags & DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK:
            continue
        try:
            yield read(data_point)
        except RefusedError as refusal:
            refusals.add(str(refusal))


def _number(metric: Metric, kind: str, point: NumberDataPoint) -> Point:
    form = point.WhichOneof("value")
    if form is None:
        msg = "a data point has no value"
        raise RefusedError(msg)
    total = _amount(point.as_int if form == "as_int" else point.as_double, metric.unit)
    series, text = _series(metric, kind, point)
    if kind == "gauge":
        return Point(series, *_times(point, needs_start=False), 1, total, {}, text=text)
    return Point(series, *_times(point, needs_start=True), 0, total, {}, text=text)


def _explicit(metric: Metric, point: HistogramDataPoint) -> Point:
    times, total = _times(point, needs_start=True), _amount(point.sum, metric.unit)
    series, text = _series(metric, "histogram", point)
    return Point(series, *times, _count(point), total, explicit_cells(point), text=text)


def _exponential(metric: Metric, point: ExponentialHistogramDataPoint) -> Point:
    times, total = _times(point, needs_start=True), _amount(point.sum, metric.unit)
    cells = exponential_cells(point)
    series, text = _series(metric, "histogram", point)
    return Point(series, *times, _count(point), total, cells, point.scale, text)


def _series(metric: Metric, kind: str, point: _DataPoint) -> tuple[Series, str]:
    """Return the series of a point, and the statement that stands in it by its digest: many series may be of one."""
    attributes = read_attributes(point.attributes)
    text = str(attributes.get(TEXT, ""))
    if text:
        attributes[TEXT] = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return Series(metric.name, kind, metric.unit, scope_of(attributes), bounded_json(attributes)), text[:_LONGEST_TEXT]


def _times(point: _DataPoint, *, needs_start: bool) -> tuple[int, int]:
    start, time = point.start_time_unix_nano, point.time_unix_nano
    if not time or time >= _LATEST:
        msg = "a data point has no time, or an impossible one"
    elif needs_start and not start:
        msg = "a data point has no start time, so a reset could not be told from a loss"
    elif start > time:
        msg = "a data point starts after its time"
    else:
        return start, time
    raise RefusedError(msg)


def _count(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> int:
    if point.count >= _LARGEST:
        msg = "a histogram's count is implausibly large"
        raise RefusedError(msg)
    return point.count


def _amount(value: float, unit: str) -> float:
    if math.isfinite(value) and abs(value) < _LARGEST:
        # What is counted may have been sent as a double: as an integer it can be divided exactly.
        amount = round(value * NANOSECONDS) if unit == "s" else int(value) if unit == _CALLS else value
        if abs(amount) < _LARGEST:
            return amount
    msg = "a value is not a finite number of plausible size"
    raise RefusedError(msg)
