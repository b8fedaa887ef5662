# SPDX-License-Identifier: Apache-2.0
"""The report: its JSON API, its login and its pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from wsgiapm.report.access import Access, Login
from wsgiapm.report.api import Endpoint, table
from wsgiapm.report.assets import DIRECTORY, Pages
from wsgiapm.report.failure import serialize_failure
from wsgiapm.report.health import Health
from wsgiapm.store.protocol import Store

if TYPE_CHECKING:
    import falcon

__all__ = ["add_routes", "serialize_failure"]


def add_routes(
    app: falcon.App[falcon.Request, falcon.Response],
    store: Store,
    token: str,
    time: Callable[[], float],
    *,
    otlp: Mapping[str, str],
    directory: str = DIRECTORY,
) -> None:
    """Add the report to an application.

    Args:
        app: the application.
        store: where the data are.
        token: the view token.
        time: the clock, epoch seconds.
        otlp: the paths of the collector, and what each takes; for the description of the API.
        directory: where the user interface was built to.
    """
    access = Access(token)
    pages = Pages(access, directory)
    for route in table(otlp):
        app.add_route(route.path, Endpoint(route, store, access, time))
    app.add_route("/login", Login(access))
    app.add_route("/healthz", Health(store))
    app.add_route("/", pages)
    app.add_sink(pages.serve_file, "/")
