# SPDX-License-Identifier: Apache-2.0
"""The lines that would have a service monitored."""

from __future__ import annotations

from typing import Final

from wsgiapm.discovery.programs import Program

_WRAP: Final = "in the WSGI module: from wsgiapm import APMMiddleware; application = APMMiddleware(application)"
_MORE: Final = {
    "gunicorn": "gunicorn -c python:wsgiapm.gunicorn_hooks {app}",
    "uwsgi": "in uwsgi's ini: import = wsgiapm.uwsgi",
}
_INSTEAD: Final = {
    "celery": "wsgiapm run-program celery -A {app} worker",
    "rq": "wsgiapm run-program rq worker",
    "flask": "in the app's module: from wsgiapm import APMMiddleware; app.wsgi_app = APMMiddleware(app.wsgi_app)",
}


def advise(program: Program, state: str, user: str) -> tuple[str, ...]:
    """Return what to add or to run, none where there is nothing to do."""
    app = program.app or "APP"
    if state == "unknown":
        return (f"sudo -u {user} wsgiapm discover" if user != "?" else "sudo wsgiapm discover",)
    if state == "alone":
        return ("wsgiapm doctor",)
    if program.kind == "asgi" or state == "partly":
        return ()
    if program.kind in _INSTEAD:
        return (_INSTEAD[program.kind].format(app=app),)
    more = () if program.hooked or program.kind not in _MORE else (_MORE[program.kind].format(app=app),)
    return (_WRAP, *more)
