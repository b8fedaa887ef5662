# SPDX-License-Identifier: Apache-2.0
"""Datadog's ddtrace with its WSGI middleware; traces are encoded and thrown away instead of going to a local agent."""

# Not installed where types are checked.
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call"

from __future__ import annotations

import os
from typing import Any

for _name in ("INSTRUMENTATION_TELEMETRY", "REMOTE_CONFIGURATION", "CRASHTRACKING"):
    os.environ.setdefault(f"DD_{_name}_ENABLED", "false")

import ddtrace  # noqa: E402
from ddtrace.contrib.wsgi import DDWSGIMiddleware  # noqa: E402
from ddtrace.internal._encoding import MsgpackEncoderV04  # noqa: E402
from ddtrace.internal.writer import TraceWriter  # noqa: E402

_traces = 0
_queries = 0
_LARGEST = 8 * 2**20


class _Encoding(TraceWriter):
    def __init__(self) -> None:
        self._encoder = MsgpackEncoderV04(_LARGEST, _LARGEST)

    def recreate(self, **_: Any) -> _Encoding:
        return self

    def write(self, spans: Any = None) -> None:
        global _traces, _queries  # noqa: PLW0603
        if spans:
            _traces += 1
            _queries += sum(span.name == "sqlite.query" for span in spans)
            self._encoder.put(spans)
            self._encoder.encode()

    def stop(self, timeout: float | None = None) -> None:
        pass

    def flush_queue(self) -> None:
        pass


def wrap(app: Any) -> Any:
    ddtrace.tracer._span_aggregator.writer = _Encoding()  # noqa: SLF001
    ddtrace.patch(redis=True, sqlite3=True)
    return DDWSGIMiddleware(app)


def recorded() -> int:
    return _traces


def recorded_queries() -> int:
    return _queries
