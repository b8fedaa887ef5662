# SPDX-License-Identifier: Apache-2.0
"""What is measured: one module for each peer, imported only in the peer's own environment and process.

A module has `wrap(app)`, which returns the WSGI app with everything recorded, and `recorded()`, which returns how many
requests have been recorded so far. Nothing is sent anywhere: what a peer would send, it encodes (where it lets us) and
throws away, so that sending comes on top in real life. Files shared by workers lie in the directory $BENCH_DIRECTORY.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple, Protocol


class Peer(NamedTuple):
    """`environment` is where it is installed, `shown` its name in tables, `distribution` what its version is of."""

    name: str
    environment: str
    shown: str
    distribution: str = ""


class PeerError(Exception):
    """A peer does not work, or does not record."""


class PeerModule(Protocol):
    """What each module of this package has."""

    def wrap(self, app: Any) -> Any: ...

    def recorded(self) -> int: ...


BARE = Peer("bare", "ours", "nothing")
BARE_AGAIN = Peer("bare", "ours", "nothing, again (A/A control)")
PASS_THROUGH = Peer("pass_through", "ours", "a wrapper that does nothing")
OURS = Peer("ours", "ours", "**wsgiapm**")
PROMETHEUS = Peer("prometheus", "prometheus", "prometheus_client, multi-process", "prometheus_client")
AGENTS = (
    Peer("otel", "opentelemetry", "OpenTelemetry, traces and metrics", "opentelemetry-sdk"),
    Peer("elastic", "elastic", "Elastic APM", "elastic-apm"),
    Peer("datadog", "datadog", "Datadog", "ddtrace"),
    Peer("new_relic", "newrelic", "New Relic", "newrelic"),
    Peer("sentry", "sentry", "Sentry, every request traced", "sentry-sdk"),
)


def load(name: str) -> PeerModule:
    """Return a peer's module; only in a process of its environment."""
    module: Any = import_module(f"benchmarks.peers.{name}")
    return module  # type: ignore[no-any-return]
