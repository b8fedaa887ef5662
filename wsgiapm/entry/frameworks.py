# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm.start()`: one line in the app's own code, wherever it stands, and the requests of its framework are recorded.

The app is not at hand there and may be made already, so its class is what is changed.
"""

from __future__ import annotations

from functools import partial, wraps
from types import ModuleType
from typing import Any

from wsgiapm import enclosing
from wsgiapm.entry import jobs, tornado
from wsgiapm.entry.arrivals import Arrival, watch_for
from wsgiapm.entry.gate import guarded

_APPS = {
    "django.core.handlers.wsgi": "WSGIHandler",
    "flask.app": "Flask",
    "bottle": "Bottle",
    "pyramid.router": "Router",
}
_KEPT = "_wsgiapm_enclosure"


def start(**settings: object) -> None:
    """Start the agent in this process; record the requests of its Django, Flask, Bottle, Pyramid and Tornado apps, and jobs.

    Jobs are those of RQ and Celery. Keywords are settings. A second call with the same ones does nothing. An app that makes an APMMiddleware is recorded as
    that one says. Raises TypeError for a keyword that is no setting.
    """
    enclosing.start(**settings)
    watch_for({module: _ARRIVALS.pop(module) for module in list(_ARRIVALS)})


def _attend(name: str, module: ModuleType) -> None:
    kind = getattr(module, name)
    serve = kind.__call__

    @wraps(serve)
    def call(app: Any, environ: dict[str, Any], start_response: Any) -> Any:
        enclosed = vars(app).get(_KEPT)
        if enclosed is None:
            enclosed = guarded(enclosing.enclose, partial(serve, app)) or partial(serve, app)
            vars(app)[_KEPT] = enclosed
        return enclosed(environ, start_response)

    kind.__call__ = call


_ARRIVALS: dict[str, Arrival] = {
    **{module: partial(_attend, name) for module, name in _APPS.items()},
    **jobs.ARRIVALS,
    **tornado.ARRIVALS,
}
