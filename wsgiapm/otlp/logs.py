# SPDX-License-Identifier: Apache-2.0
"""The OTLP logs messages. Source: opentelemetry-proto, logs/v1/logs.proto (field numbers)."""

from __future__ import annotations

from collections.abc import Iterable

from wsgiapm.otlp.protobuf import Pairs, attributes, fixed, message, number, signal_request, text

INFO, WARN, ERROR = 9, 13, 17
"""Severity numbers."""


def log_record(time: int, severity: int, body: str, event: str, pairs: Pairs) -> bytes:
    """Return a LogRecord that is an event: `time` in Unix nanoseconds, `event` its name."""
    return b"".join(
        (
            fixed(1, time),
            number(2, severity),
            message(5, text(1, body)),
            attributes(6, pairs),
            fixed(11, time),
            text(12, event),
        )
    )


def logs_request(resource: Pairs, scope: str, version: str, records: Iterable[bytes]) -> bytes:
    """Return an ExportLogsServiceRequest with one resource and one scope."""
    return signal_request(resource, scope, version, ([record] for record in records))
