# SPDX-License-Identifier: Apache-2.0
"""OTLP messages for tests, built with the official protobuf classes."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

SECOND = 10**9
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
DURATION = "http.server.request.duration"


def set_attributes(target, attributes):
    """Write a dictionary of strings, numbers and booleans as OTLP attributes."""
    for name, value in attributes.items():
        attribute = target.add()
        attribute.key = name
        if isinstance(value, str):
            attribute.value.string_value = value
        elif isinstance(value, bool):
            attribute.value.bool_value = value
        elif isinstance(value, float):
            attribute.value.double_value = value
        else:
            attribute.value.int_value = value


def set_resource(target, app, uid, environment):
    """Write who sends; what is empty is left out."""
    names = {"service.name": app, "service.instance.id": uid, "deployment.environment.name": environment}
    set_attributes(target.attributes, {name: text for name, text in names.items() if text})


class LogMessage:
    """A logs request of one instance."""

    def __init__(self, *, app="shop", uid="one", environment="prod"):
        self.request = ExportLogsServiceRequest()
        logs = self.request.resource_logs.add()
        set_resource(logs.resource, app, uid, environment)
        self.records = logs.scope_logs.add().log_records

    def record(self, name, *, body="", time=1_799_999_999, severity=13, **attributes):
        """Add a log record, an event if it has a name; dots in attribute names are written as __."""
        record = self.records.add(event_name=name, severity_number=severity, time_unix_nano=round(time * SECOND))
        record.body.string_value = body
        set_attributes(record.attributes, {key.replace("__", "."): value for key, value in attributes.items()})
        return self

    def encode(self):
        """Return the protobuf bytes."""
        return self.request.SerializeToString()


class Message:
    """A metrics request of one instance, with points of one start and one time (seconds)."""

    def __init__(self, *, start, time, app="shop", uid="one", environment="prod", temporality=CUMULATIVE):
        self.request = ExportMetricsServiceRequest()
        self._resource_metrics = self.request.resource_metrics.add()
        set_resource(self._resource_metrics.resource, app, uid, environment)
        self._metrics = self._resource_metrics.scope_metrics.add().metrics
        self._start, self._time, self._temporality = start, time, temporality

    def _point(self, points, attributes):
        point = points.add()
        point.start_time_unix_nano = round(self._start * SECOND)
        point.time_unix_nano = round(self._time * SECOND)
        set_attributes(point.attributes, attributes)
        return point

    def histogram(self, cells, *, total=None, name=DURATION, unit="s", scale=3, zero=0, **attributes):
        """Add an exponential histogram point; ``cells`` is {index: count}; dots in attribute names are written as __."""
        metric = self._metrics.add(name=name, unit=unit)
        metric.exponential_histogram.aggregation_temporality = self._temporality
        names = {key.replace("__", "."): value for key, value in attributes.items()}
        point = self._point(metric.exponential_histogram.data_points, names)
        point.scale, point.zero_count = scale, zero
        if cells:
            point.positive.offset = min(cells)
            point.positive.bucket_counts.extend(cells.get(i, 0) for i in range(min(cells), max(cells) + 1))
        point.count = sum(cells.values()) + zero
        base = 2.0 ** (2.0**-scale)
        point.sum = sum(base ** (i + 0.5) * count for i, count in cells.items()) if total is None else total
        return self

    def requests(self, cells, *, route="/x/", status=200, method="GET", error="", **more):
        """Add requests of the duration metric."""
        attributes = {"http__route": route, "http__request__method": method, "http__response__status_code": status}
        if error:
            attributes["error__type"] = error
        return self.histogram(cells, **attributes, **more)

    def sum(self, value, *, name, unit="{request}", monotonic=True, **attributes):
        """Add a sum point, an integer or a double by the value's type."""
        metric = self._metrics.add(name=name, unit=unit)
        metric.sum.aggregation_temporality = self._temporality
        metric.sum.is_monotonic = monotonic
        names = {key.replace("__", "."): given for key, given in attributes.items()}
        self._set(self._point(metric.sum.data_points, names), value)
        return self

    def gauge(self, value, *, name, unit="1", **attributes):
        """Add a gauge point."""
        metric = self._metrics.add(name=name, unit=unit)
        names = {key.replace("__", "."): given for key, given in attributes.items()}
        self._set(self._point(metric.gauge.data_points, names), value)
        return self

    @staticmethod
    def _set(point, value):
        if isinstance(value, int):
            point.as_int = value
        else:
            point.as_double = value

    def encode(self):
        """Return the protobuf bytes."""
        return self.request.SerializeToString()
