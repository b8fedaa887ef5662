# SPDX-License-Identifier: Apache-2.0
"""Websockets as each server has them: `application` is watched, and says back what is said.

The path names who speaks with the client, the query how the app ends when that is over.
"""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask, request
from flask_sock import Sock

from wsgiapm import APMMiddleware

flask = Flask(__name__)
_PLAIN = [("Content-Type", "text/plain")]


@Sock(flask).route("/flask-sock")
def flask_sock(ws: Any) -> None:
    """On any server that hands out its socket."""
    while True:
        ws.send(f"you said {ws.receive()}")


@flask.route("/gevent-websocket", websocket=True)
def gevent_websocket() -> str:
    """A view of the server's websocket, as in many examples; what is returned goes nowhere."""
    _speak(request.environ["wsgi.websocket"])
    return "" if request.query_string == b"empty" else "bye"


def _speak(ws: Any) -> None:
    while (said := ws.receive()) is not None:
        ws.send(f"you said {said}")


def _gevent_websocket(environ: Any, start_response: Any) -> Any:
    if environ["QUERY_STRING"] in {"empty", "text"}:
        return flask(environ, start_response)
    if environ["QUERY_STRING"] == "later":
        return _speak_later(environ, start_response)
    _speak(environ["wsgi.websocket"])
    if environ["QUERY_STRING"] == "said":
        start_response("200 OK", _PLAIN)
    if environ["QUERY_STRING"] == "fails":
        raise ValueError("on purpose")
    return []


def _speak_later(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", _PLAIN)
    _speak(environ["wsgi.websocket"])
    yield b"bye"


def _uwsgi(environ: Any, start_response: Any) -> Any:
    import uwsgi

    uwsgi.websocket_handshake()
    try:
        while True:
            uwsgi.websocket_send(f"you said {uwsgi.websocket_recv().decode()}")
    except OSError:
        if environ["QUERY_STRING"] == "raises":
            raise
    return b""


def _eventlet(environ: Any, start_response: Any) -> Any:
    from eventlet.websocket import WebSocketWSGI

    def speak(ws: Any) -> None:
        while (said := ws.wait()) is not None:
            ws.send(f"you said {said}")

    return WebSocketWSGI(speak)(environ, start_response)


def _gunicorn(environ: Any, start_response: Any) -> Any:
    """Answer on the socket itself, and tell gunicorn so."""
    from gunicorn.workers.base_async import ALREADY_HANDLED

    environ["gunicorn.socket"].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    return ALREADY_HANDLED


_APPS = {
    "/flask-sock": flask,
    "/gevent-websocket": _gevent_websocket,
    "/uwsgi": _uwsgi,
    "/eventlet": _eventlet,
    "/gunicorn": _gunicorn,
}


def app(environ: Any, start_response: Any) -> Any:
    """Dispatch."""
    return _APPS[environ["PATH_INFO"]](environ, start_response)


application = APMMiddleware(app)


def main() -> None:
    """Serve with eventlet."""
    import eventlet.wsgi

    eventlet.wsgi.server(eventlet.listen(("127.0.0.1", int(sys.argv[1]))), application)


if __name__ == "__main__":
    main()
