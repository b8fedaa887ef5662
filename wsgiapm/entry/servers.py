# SPDX-License-Identifier: Apache-2.0
"""Servers that are Python objects: each takes its app in one method and keeps it in one attribute."""

from __future__ import annotations

from functools import partial, wraps
from types import ModuleType

from wsgiapm.entry.arrivals import Arrival
from wsgiapm.entry.gate import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# The module and class of a server, and where it takes its app: after the method it is in the attribute.
Server = tuple[str, str, str, str]
SERVERS: tuple[Server, ...] = (
    # Django's runserver and Bottle's and Pyramid's default are this one.
    ("wsgiref.simple_server", "WSGIServer", "set_app", "application"),
    ("werkzeug.serving", "BaseWSGIServer", "__init__", "app"),
    ("waitress.server", "BaseWSGIServer", "__init__", "application"),
    ("cheroot.wsgi", "Server", "__init__", "wsgi_app"),
    ("gevent.pywsgi", "WSGIServer", "__init__", "application"),
    ("tornado.wsgi", "WSGIContainer", "__init__", "wsgi_application"),
)


def _attend(server: Server, module: ModuleType) -> None:
    _, name, method, attribute = server
    kind = getattr(module, name)
    taking = getattr(kind, method)

    @wraps(taking)
    def take(instance: Any, *args: Any, **kwargs: Any) -> Any:
        result = taking(instance, *args, **kwargs)
        guarded(_enclose, instance, attribute)
        return result

    setattr(kind, method, take)


def _enclose(instance: Any, attribute: str) -> None:
    from wsgiapm.enclosing import enclose  # noqa: PLC0415  # the agent is loaded where there is an app to record

    app = getattr(instance, attribute, None)
    if callable(app):
        setattr(instance, attribute, enclose(app))


ARRIVALS: dict[str, Arrival] = {server[0]: partial(_attend, server) for server in SERVERS}
