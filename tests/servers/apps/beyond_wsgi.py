# SPDX-License-Identifier: Apache-2.0
"""Apps for what gunicorn does besides WSGI: an ASGI app with a WSGI app inside, and one that asks dirty workers."""

from __future__ import annotations

from answers import answer
from asgiref.wsgi import WsgiToAsgi
from gunicorn.dirty.app import DirtyApp

from wsgiapm import APMMiddleware

inside = WsgiToAsgi(APMMiddleware(answer))


async def asgi(scope, receive, send):
    """Answer /async itself; the rest is for the WSGI app."""
    if scope["type"] == "http" and scope["path"] != "/async":
        await inside(scope, receive, send)
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"async"})


class Slow(DirtyApp):
    """Work that is given to dirty workers."""

    def double(self, number):
        """Return twice as much."""
        return 2 * number


def ask(environ, start_response):
    """Have a dirty worker do the work."""
    from gunicorn.dirty import get_dirty_client

    answer = get_dirty_client().execute("beyond_wsgi:Slow", "double", 21)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(answer).encode()]


asking = APMMiddleware(ask)
