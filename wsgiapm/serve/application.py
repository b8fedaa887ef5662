# SPDX-License-Identifier: Apache-2.0
"""One WSGI application out of the collector and the report."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import NamedTuple

import falcon

from wsgiapm import clock, collector, report
from wsgiapm.serve.guard import Guard
from wsgiapm.store.protocol import Store


class Tokens(NamedTuple):
    """Who may write and who may read."""

    ingest: str
    view: str


def build(
    store: Store, tokens: Tokens, hosts: Container[str], time_ns: Callable[[], int] = clock.time_ns
) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the application.

    Args:
        store: where the data are.
        tokens: for agents and for readers.
        hosts: the names the server may be called by.
        time_ns: the clock, Unix nanoseconds.
    """
    app = falcon.App(middleware=[Guard(hosts)])
    app.set_error_serializer(_serialize_failure)
    collector.add_routes(app, store, tokens.ingest, time_ns)
    report.add_routes(app, store, tokens.view, lambda: time_ns() / 1e9, otlp=collector.PATHS)
    return app


def _serialize_failure(req: falcon.Request, resp: falcon.Response, failure: falcon.HTTPError) -> None:
    if req.path.startswith(collector.PREFIX):
        collector.serialize_failure(req, resp, failure)
    else:
        report.serialize_failure(req, resp, failure)
