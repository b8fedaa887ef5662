# SPDX-License-Identifier: Apache-2.0
"""prometheus_client as an app with several workers uses it: a counter and a histogram, multi-process."""

# Not installed where types are checked.
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call"

from __future__ import annotations

import os
import time
from typing import Any

os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ["BENCH_DIRECTORY"]

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

_requests = Counter("requests", "Requests", ["method", "route", "status"])
_durations = Histogram("duration_seconds", "Durations", ["method", "route"])


def wrap(app: Any) -> Any:
    def wrapped(environ: Any, start_response: Any) -> Any:
        started = time.perf_counter()
        code = ""

        def respond(status: str, headers: Any, exc_info: Any = None) -> Any:
            nonlocal code
            code = status[:3]
            return start_response(status, headers, exc_info)

        try:
            return app(environ, respond)
        finally:
            method, route = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            _requests.labels(method, route, code).inc()
            _durations.labels(method, route).observe(time.perf_counter() - started)

    return wrapped


def recorded() -> int:
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return int(sum(s.value for m in registry.collect() for s in m.samples if s.name == "duration_seconds_count"))
