# SPDX-License-Identifier: Apache-2.0
"""Events as OTLP log records, read by protobuf's own classes."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from wsgiapm import otlp
from wsgiapm.otlp.logs import WARN


def test_an_event_is_read_as_it_was_written() -> None:
    """Resource, scope, time, severity, name, body and attributes come out as they went in."""
    record = otlp.log_record(1_700_000_000_000_000_001, WARN, "worker 3 died", "wsgiapm.worker.died", [("worker", 3)])

    parsed = ExportLogsServiceRequest.FromString(
        otlp.logs_request([("service.name", "shop")], "wsgiapm", "1.0", [record, record])
    )

    (resource,) = parsed.resource_logs
    (scope,) = resource.scope_logs
    first, second = scope.log_records
    assert first == second
    assert resource.resource.attributes[0].value.string_value == "shop"
    assert (scope.scope.name, scope.scope.version) == ("wsgiapm", "1.0")
    assert resource.schema_url == scope.schema_url == otlp.SCHEMA_URL
    assert first.time_unix_nano == first.observed_time_unix_nano == 1_700_000_000_000_000_001
    assert first.severity_number == WARN
    assert first.body.string_value == "worker 3 died"
    assert first.event_name == "wsgiapm.worker.died"
    assert (first.attributes[0].key, first.attributes[0].value.int_value) == ("worker", 3)
