# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry: the SDK, the WSGI instrumentation and OTLP encoding; what is encoded is thrown away."""

# Not installed where types are checked.
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call"

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

_QUEUE = 65536
_spans = 0
_queries = 0


class _Spans(SpanExporter):
    def export(self, spans: Any) -> Any:
        global _spans, _queries  # noqa: PLW0603
        encode_spans(spans).SerializeToString()
        _spans += len(spans)
        _queries += sum(span.kind is SpanKind.CLIENT for span in spans)
        return SpanExportResult.SUCCESS


class _Metrics(MetricExporter):
    def export(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> Any:
        encode_metrics(metrics_data).SerializeToString()
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        pass


_provider = TracerProvider()


def wrap(app: Any) -> Any:
    _provider.add_span_processor(BatchSpanProcessor(_Spans(), max_queue_size=_QUEUE, schedule_delay_millis=1000))
    trace.set_tracer_provider(_provider)
    metrics.set_meter_provider(
        MeterProvider([PeriodicExportingMetricReader(_Metrics(), export_interval_millis=10_000)])
    )
    for instrumentor in _instrumentors():
        instrumentor().instrument()
    return OpenTelemetryMiddleware(app)


def _instrumentors() -> list[Any]:
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

    return [RedisInstrumentor, SQLite3Instrumentor]


def recorded() -> int:
    _provider.force_flush()
    return _spans


def recorded_queries() -> int:
    _provider.force_flush()
    return _queries
