# SPDX-License-Identifier: Apache-2.0
"""Servers that are Python objects: each takes its app in one method and keeps it in one attribute."""

from __future__ import annotations

from functools import partial, wraps
from types import ModuleType
from typing import Any

from wsgiapm.entry.arrivals import Arrival
from wsgiapm.entry.gate import guarded
from wsgiapm.named_tuple import NamedTuple


class Server(NamedTuple):
    """Where a server takes its app: after `method` of `kind` the app is in `attribute`."""

    module: str
    kind: str
    method: str
    attribute: str


SERVERS = (
    # Django's runserver and Bottle's and Pyramid's default are this one.
    Server("wsgiref.simple_server", "WSGIServer", "set_app", "application"),
    Server("werkzeug.serving", "BaseWSGIServer", "__init__", "app"),
    Server("waitress.server", "BaseWSGIServer", "__init__", "application"),
    Server("cheroot.wsgi", "Server", "__init__", "wsgi_app"),
    Server("gevent.pywsgi", "WSGIServer", "__init__", "application"),
    Server("tornado.wsgi", "WSGIContainer", "__init__", "wsgi_application"),
)


def _attend(server: Server, module: ModuleType) -> None:
    kind = getattr(module, server.kind)
    taking = getattr(kind, server.method)

    @wraps(taking)
    def take(instance: Any, *args: Any, **kwargs: Any) -> Any:
        result = taking(instance, *args, **kwargs)
        guarded(_enclose, instance, server.attribute)
        return result

    setattr(kind, server.method, take)


def _enclose(instance: Any, attribute: str) -> None:
    from wsgiapm.enclosing import enclose  # noqa: PLC0415  # the agent is loaded where there is an app to record

    app = getattr(instance, attribute, None)
    if callable(app):
        setattr(instance, attribute, enclose(app))


ARRIVALS: dict[str, Arrival] = {server.module: partial(_attend, server) for server in SERVERS}
