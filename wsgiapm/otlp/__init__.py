# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry protocol as bytes, and the names of the wire that both ends share.

Everything here takes plain values and returns bytes, so that the protobuf runtime never enters the user's process.

Source: OTLP/HTTP specification.
"""

from __future__ import annotations

from wsgiapm.otlp.answers import fields, partial_success, status_message
from wsgiapm.otlp.logs import log_record, logs_request
from wsgiapm.otlp.metrics import (
    EXPONENTIAL_ATTRIBUTES,
    HISTOGRAM_ATTRIBUTES,
    NUMBER_ATTRIBUTES,
    cumulative_sum,
    exponential_histogram,
    exponential_point,
    gauge,
    histogram,
    histogram_point,
    metric,
    metrics_request,
    number_point,
    span_of_time,
)
from wsgiapm.otlp.protobuf import SCHEMA_URL, attributes, key_value, message, text, varint

PROTOBUF_TYPE = "application/x-protobuf"
JSON_TYPE = "application/json"
METRICS_PATH = "/v1/metrics"
TRACES_PATH = "/v1/traces"
LOGS_PATH = "/v1/logs"

__all__ = [
    "EXPONENTIAL_ATTRIBUTES",
    "HISTOGRAM_ATTRIBUTES",
    "JSON_TYPE",
    "LOGS_PATH",
    "METRICS_PATH",
    "NUMBER_ATTRIBUTES",
    "PROTOBUF_TYPE",
    "SCHEMA_URL",
    "TRACES_PATH",
    "attributes",
    "cumulative_sum",
    "exponential_histogram",
    "exponential_point",
    "fields",
    "gauge",
    "histogram",
    "histogram_point",
    "key_value",
    "log_record",
    "logs_request",
    "message",
    "metric",
    "metrics_request",
    "number_point",
    "partial_success",
    "span_of_time",
    "status_message",
    "text",
    "varint",
]
