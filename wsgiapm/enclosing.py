# SPDX-License-Identifier: Apache-2.0
"""Wrapping an app that does not wrap itself, where somebody else has it in his hands: a server, or a server's hook.

Never twice: once the app has made an APMMiddleware, or said that it wants none, that is how it is to be.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import Any

from wsgiapm import agent, instruments
from wsgiapm.agent import APMMiddleware
from wsgiapm.aggregate import layout
from wsgiapm.config import resolve
from wsgiapm.middleware import Middleware, WSGIApp

_given: dict[str, object] = {}


class Enclosure(APMMiddleware):
    """The middleware of an app that has none of its own."""


def start(**settings: object) -> None:
    """Start the agent in this process; a second call with the same settings does nothing.

    Keywords are settings; they also hold for apps that are wrapped by a server's hook or by `wsgiapm run-program`.
    Raises TypeError for one that is not.
    """
    agent.start(**settings)
    _given.clear()
    _given.update(settings)


def prepare() -> None:
    """Install the instruments, right before an app is loaded that will be enclosed: it may open connections meanwhile.

    The agent starts later, so only what the environment and the file of settings say is known. Not before gevent patches.
    """
    settings = resolve(_given).settings
    if settings.enabled:
        instruments.install_early(settings.disabled_instruments, partial(agent.failed, layout.INSTRUMENT_ERRORS))


def enclose(app: WSGIApp) -> Any:
    """Return the app as a server is to have it: recorded, by whoever does it already, else by us."""
    if "uwsgi" in sys.modules:
        import_module("wsgiapm.uwsgi")
    is_middleware = isinstance(getattr(app, "__self__", app), Middleware)  # APMMiddleware gives a bound method
    if APMMiddleware.made or is_middleware or _is_no_wsgi_app(app):
        return app
    return Enclosure(app, **_given)


def _is_no_wsgi_app(app: object) -> bool:
    # Tornado's own apps are handed to gunicorn's worker for them as if they were WSGI ones.
    return any(kind.__module__.startswith("tornado.") for kind in type(app).__mro__)
