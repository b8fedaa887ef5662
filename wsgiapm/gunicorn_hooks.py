# SPDX-License-Identifier: Apache-2.0
"""gunicorn's server hooks, under gunicorn's own names.

Import them into `gunicorn.conf.py` by name, or load this module whole: `gunicorn -c python:wsgiapm.gunicorn_hooks
app:app`. gunicorn then takes every public name of the module that is a setting's name, so the hooks are the only ones.

What the order of things allows: `on_starting`, `post_fork` and `child_exit` run before gevent has patched, or in the
master, so nothing is started there; `post_fork` runs before the worker gives up root. The instruments are installed
right before the worker loads the app, which may open connections meanwhile. The agent starts in `post_worker_init`, or at
the first request.

The app need not be wrapped: the hook does it, unless the app has made an APMMiddleware itself.
"""

import os as _os
import sys as _sys
from collections.abc import Callable as _Callable
from typing import Any as _Any

from wsgiapm import log as _log
from wsgiapm.agent import find_exit_statuses_by as _find_exit_statuses_by
from wsgiapm.agent import harvest_last as _harvest_last
from wsgiapm.agent import known_settings as _known_settings
from wsgiapm.agent import start_all as _start_all
from wsgiapm.aggregate.directory import create_directory as _create_directory
from wsgiapm.config import shared_directory as _shared_directory
from wsgiapm.enclosing import enclose as _enclose
from wsgiapm.enclosing import prepare as _prepare
from wsgiapm.errors import WsgiapmError as _WsgiapmError
from wsgiapm.exit_statuses import ExitStatuses as _ExitStatuses
from wsgiapm.parting import end_all as _end_all
from wsgiapm.parting import note_timeout as _note_timeout
from wsgiapm.parting import promise_farewell as _promise_farewell
from wsgiapm.surroundings import serves_asgi as _serves_asgi

_LAST_HARVEST_SECONDS = 2.0
_NO_ASGI = (
    "gunicorn: this worker speaks ASGI, whose requests are not recorded; a WSGI app inside is, when it is wrapped "
    "before it is made an ASGI one: WsgiToAsgi(APMMiddleware(app))"
)
_exit_statuses = _ExitStatuses()
_find_exit_statuses_by(_exit_statuses.find)


def on_starting(server: _Any) -> None:
    """In the master, before the first worker: make the shared directory for the workers' user."""
    if getattr(server.cfg, "dirty_apps", None) and getattr(server.cfg, "dirty_workers", 0):
        _log.info("gunicorn: requests are recorded, what the dirty workers do for them is not")
    uid = server.cfg.uid
    if uid == _os.geteuid():
        return  # the workers can make it themselves
    for settings in _known_settings():
        if settings.enabled:
            try:
                _create_directory(_shared_directory(settings, uid), uid)
            except (_WsgiapmError, OSError) as error:
                _log.error("gunicorn on_starting: %s", error)


def post_fork(server: _Any, worker: _Any) -> None:
    """In the worker, where gevent has not patched yet and we may still be root: see that we are told before the app is loaded."""
    load = getattr(worker, "load_wsgi", None)  # when it is called, both is done
    if callable(load):
        worker.load_wsgi = _prepared(load)


def _prepared(load: _Callable[[], _Any]) -> _Callable[[], _Any]:
    def load_wsgi() -> _Any:
        _prepare()
        return load()

    return load_wsgi


def post_worker_init(worker: _Any) -> None:
    """In the worker, after its app is loaded: wrap it, unless it has done so itself, and start the agent."""
    if _serves_asgi():
        _log.once("asgi", "WARNING", _NO_ASGI)
    elif callable(getattr(worker, "wsgi", None)):
        worker.wsgi = _enclose(worker.wsgi)
    _start_all()
    _promise_farewell()


def worker_abort(worker: _Any) -> None:
    """In a worker that gunicorn ends because it took too long: note why, for whoever finds what it was doing."""
    _note_timeout()


def worker_exit(server: _Any, worker: _Any) -> None:
    """In a worker that ends: write its last gauges, and tell what ends it unless that is the server's wish.

    gunicorn also calls this in the master, for a worker that had ended before it could be signalled.
    """
    if worker.pid == _os.getpid():
        _end_all(_sys.exc_info()[1], booted=worker.booted)


def child_exit(server: _Any, worker: _Any) -> None:
    """In the master, after a worker ended, however: note how, for whoever finds what it was doing.

    gunicorn does not hand the exit status on; it stands in the frame of gunicorn's that calls this, or who calls this.
    """
    frame: _Any = _sys._getframe(1)  # noqa: SLF001
    while frame is not None and not isinstance(frame.f_locals.get("status"), int):
        frame = frame.f_back
    if frame is not None:
        _exit_statuses.note(worker.pid, frame.f_locals["status"])


def on_exit(server: _Any) -> None:
    """In the master, before it ends: upload what the workers counted in their last seconds, in a moment or not at all."""
    _harvest_last(_LAST_HARVEST_SECONDS)
