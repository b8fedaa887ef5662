# SPDX-License-Identifier: Apache-2.0
"""All apps of the corpus behind one another, with our middleware around them if CORPUS_WATCHED says so.

`python -m tests.wsgi.corpus.site SERVER PORT` serves them on one thread, so that requests come one after the other;
gunicorn takes `application`.
"""

from __future__ import annotations

import itertools
import os
import sys
import uuid
from typing import Any

from tests.wsgi.corpus import django_app, flask_app, pylons_app, small_apps

# Django comes first: setting up its log silences the loggers that are there.
_MAKERS = {"django": django_app.make, "pylons": pylons_app.make, "flask": flask_app.make, **small_apps.MAKERS}

_numbers = itertools.count(1)
uuid.uuid4 = lambda: uuid.UUID(int=next(_numbers))  # type: ignore[assignment]  # the debug toolbar shows one
_FILES = os.environ["CORPUS_FILES"]
_apps = {name: make(_FILES) for name, make in _MAKERS.items()}


def dispatch(environ: Any, start_response: Any) -> Any:
    """Hand a request to the app its path begins with."""
    _, name, rest = f"{environ['PATH_INFO']}/".split("/", 2)
    if name not in _apps:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]
    environ["SCRIPT_NAME"] = f"/{name}"
    environ["PATH_INFO"] = f"/{rest[:-1]}"
    return _apps[name](environ, start_response)


def _write(line: str) -> None:
    with open(os.environ["CORPUS_LOG"] + "-calls", "a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _counted(app: Any) -> Any:
    def counted(environ: Any, start_response: Any) -> Any:
        _write(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        return app(environ, start_response)

    return counted


def _note_sendfile() -> None:
    """Write down what gunicorn sent by sendfile."""
    from gunicorn.http.wsgi import Response

    sendfile = Response.sendfile

    def noted(response: Any, body: Any) -> Any:
        done = sendfile(response, body)
        _write(f"sendfile: {bool(done)}")
        return done

    Response.sendfile = noted


def _make() -> Any:
    if not os.environ.get("CORPUS_WATCHED"):
        return _counted(dispatch)
    from wsgiapm import APMMiddleware

    return _counted(APMMiddleware(dispatch))


_note_sendfile()
application = _make()


def _waitress(port: int) -> None:
    import waitress

    waitress.serve(application, host="127.0.0.1", port=port, threads=1)


def _cheroot(port: int) -> None:
    from cheroot.wsgi import Server

    Server(("127.0.0.1", port), application, numthreads=1, server_name="corpus").start()


def _werkzeug(port: int) -> None:
    from werkzeug.serving import make_server

    make_server("127.0.0.1", port, application).serve_forever()


def _wsgiref(port: int) -> None:
    from wsgiref.simple_server import make_server

    make_server("127.0.0.1", port, application).serve_forever()


def _tornado(port: int) -> None:
    import asyncio

    from tornado.httpserver import HTTPServer
    from tornado.wsgi import WSGIContainer

    async def serve() -> None:
        HTTPServer(WSGIContainer(application)).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


_SERVERS = {
    "waitress": _waitress,
    "cheroot": _cheroot,
    "werkzeug": _werkzeug,
    "wsgiref": _wsgiref,
    "tornado": _tornado,
}

if __name__ == "__main__":
    _SERVERS[sys.argv[1]](int(sys.argv[2]))
