# SPDX-License-Identifier: Apache-2.0
"""The receiving end of OTLP/HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgiapm.collector.failure import serialize_failure
from wsgiapm.collector.resource import LogsEndpoint, MetricsEndpoint, TracesEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    import falcon

    from wsgiapm.store.protocol import Store

__all__ = ["PATHS", "PREFIX", "add_routes", "serialize_failure"]

PREFIX = "/v1/"
# Path and what it is for.
PATHS = {
    "/v1/metrics": "OTLP metrics",
    "/v1/traces": "OTLP spans (read, and refused as not stored yet)",
    "/v1/logs": "OTLP log records: events are kept, others refused as not stored yet",
}


def add_routes(
    app: falcon.App[falcon.Request, falcon.Response], store: Store, token: str, time_ns: Callable[[], int]
) -> None:
    """Add the OTLP end points to an application.

    Args:
        app: the application.
        store: where metrics and events are kept.
        token: the ingest token.
        time_ns: the clock, Unix nanoseconds.
    """
    app.add_route("/v1/metrics", MetricsEndpoint(token, store, time_ns))
    app.add_route("/v1/traces", TracesEndpoint(token))
    app.add_route("/v1/logs", LogsEndpoint(token, store, time_ns))
