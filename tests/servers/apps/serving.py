# SPDX-License-Identifier: Apache-2.0
"""Run the app of these tests under a server that has no command of its own: `serving.py SERVER PORT`; APP names the module."""

from __future__ import annotations

import importlib
import os
import sys

application = importlib.import_module(os.environ.get("APP", "answers")).application


def wsgiref(port: int) -> None:
    """The standard library's."""
    from wsgiref.simple_server import make_server

    with make_server("127.0.0.1", port, application) as server:
        server.serve_forever()


def tornado(port: int) -> None:
    """The app runs on the event loop."""
    import asyncio

    from tornado.wsgi import WSGIContainer

    async def serve() -> None:
        from tornado.httpserver import HTTPServer

        HTTPServer(WSGIContainer(application)).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


def tornado_threads(port: int) -> None:
    """The app runs in threads."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from tornado.httpserver import HTTPServer
    from tornado.wsgi import WSGIContainer

    async def serve() -> None:
        HTTPServer(WSGIContainer(application, ThreadPoolExecutor(4))).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


def werkzeug(port: int, **options: bool) -> None:
    """Werkzeug's development server, as Flask's `app.run` starts it."""
    from werkzeug.serving import run_simple

    extra = [name for name in os.environ.get("WATCHED", "").split(":") if name]
    run_simple("127.0.0.1", port, application, extra_files=extra, reloader_type="stat", **options)


def werkzeug_threads(port: int) -> None:
    """A thread for each request."""
    werkzeug(port, threaded=True)


def werkzeug_reload(port: int) -> None:
    """A parent that starts a child anew when a file changes."""
    werkzeug(port, threaded=True, use_reloader=True)


def werkzeug_processes(port: int) -> None:
    """A process for each request."""
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", port, application, processes=4)


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]))
