# SPDX-License-Identifier: Apache-2.0
"""Elastic APM. Its WSGI middleware records exceptions only, so this does what its Flask integration does."""

# Not installed where types are checked.
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call"

from __future__ import annotations

import time
from typing import Any

import elasticapm
from elasticapm.conf import constants
from elasticapm.transport.base import Transport

_transactions = 0
_queries = 0


class NullTransport(Transport):
    """Serialises and compresses as the real one does, and throws away."""

    def _process_event(self, event_type: Any, data: Any) -> Any:
        global _transactions, _queries  # noqa: PLW0603
        if event_type == constants.TRANSACTION:
            _transactions += 1
        elif event_type == constants.SPAN and data.get("subtype") == "sqlite":
            _queries += data.get("composite", {"count": 1})["count"]  # it makes one of calls that are the same
        return super()._process_event(event_type, data)

    def send(self, data: Any, forced_flush: bool = False) -> None:  # noqa: FBT001, FBT002
        pass


_client: Any = None


def wrap(app: Any) -> Any:
    global _client  # noqa: PLW0603
    _client = elasticapm.Client(
        service_name="benchmark",
        transport_class="benchmarks.peers.elastic.NullTransport",
        central_config=False,
        cloud_provider="none",
        metrics_interval="0s",
    )
    elasticapm.instrument()

    def wrapped(environ: Any, start_response: Any) -> Any:
        _client.begin_transaction("request")

        def respond(status: str, headers: Any, exc_info: Any = None) -> Any:
            code = int(status[:3])
            elasticapm.set_transaction_outcome(http_status_code=code, override=False)
            elasticapm.set_transaction_result(f"HTTP {code // 100}xx", override=False)
            elasticapm.set_context({"status_code": code}, "response")
            return start_response(status, headers, exc_info)

        try:
            return app(environ, respond)
        finally:
            name = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            elasticapm.set_context({"method": environ["REQUEST_METHOD"], "url": environ["PATH_INFO"]}, "request")
            _client.end_transaction(name)

    return wrapped


def recorded() -> int:
    _drain()
    return _transactions


def recorded_queries() -> int:
    _drain()
    return _queries


def _drain() -> None:
    last = -1
    while last != _transactions + _queries:  # its thread works off a queue
        last = _transactions + _queries
        time.sleep(0.3)
