# SPDX-License-Identifier: Apache-2.0
"""Bottle, Pyramid, CherryPy, Falcon, WebOb and WhiteNoise: what each does in its own way."""

from __future__ import annotations

import io
import logging
import os
from typing import Any


def make_bottle(directory: str) -> Any:
    """Bottle: its static files, a generator, an error."""
    import bottle

    app = bottle.Bottle()
    app.route("/plain")(lambda: "hello " * 40)
    app.route("/generated")(lambda: (piece for piece in ("one ", "two ", "drei ü")))
    app.route("/file/<name>")(lambda name: bottle.static_file(name, root=directory))
    app.route("/open")(lambda: open(os.path.join(directory, "small.txt"), "rb"))  # noqa: SIM115  # the server closes it
    app.route("/upload", method="POST")(lambda: f"{len(bottle.request.body.read())} bytes")
    app.route("/broken")(lambda: 1 / 0)
    return app


def make_pyramid(directory: str) -> Any:
    """Pyramid: responses of WebOb, a static view, tweens, an app_iter."""
    from pyramid.config import Configurator
    from pyramid.response import FileResponse, Response

    def add(config: Any, name: str, view: Any) -> None:
        config.add_route(name, f"/{name}")
        config.add_view(view, route_name=name)

    def broken(request: Any) -> Any:
        raise RuntimeError("käputt")

    with Configurator() as config:
        config.add_static_view("static", directory)
        add(config, "plain", lambda request: Response("hello " * 40))
        add(config, "iterated", lambda request: Response(app_iter=iter([b"one ", b"", b"two"])))
        add(config, "file", lambda request: FileResponse(os.path.join(directory, "large.bin"), request=request))
        add(config, "upload", lambda request: Response(f"{len(request.body)} bytes"))
        add(config, "broken", broken)
        return config.make_wsgi_app()


def make_cherrypy(directory: str) -> Any:
    """CherryPy: its static tool, a stream, its own error pages, hooks at the end of a request."""
    import cherrypy

    class Root:
        @cherrypy.expose
        def plain(self) -> str:
            cherrypy.log("CherryPy: grüß")
            return "hello " * 40

        @cherrypy.expose
        def streamed(self) -> Any:
            yield "one "
            yield ""
            yield "two"

        streamed._cp_config = {"response.stream": True}  # noqa: RUF012  # CherryPy's form

        @cherrypy.expose
        def upload(self) -> str:
            return f"{len(cherrypy.request.body.read())} bytes"

        @cherrypy.expose
        def broken(self) -> str:
            raise RuntimeError("broken")

    cherrypy.config.update(
        {
            "environment": "embedded",
            "log.screen": False,
            "request.show_tracebacks": True,
            "log.error_file": os.environ["CORPUS_LOG"] + "-cherrypy",
        }
    )
    handler = cherrypy.log.error_log.handlers[-1]
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    cherrypy.log.time = lambda: "[then]"
    static = {"tools.staticdir.on": True, "tools.staticdir.dir": directory}
    return cherrypy.Application(
        Root(),
        script_name=None,
        config={"/static": static, "/plain": {"tools.etags.on": True, "tools.etags.autotags": True}},
    )


def make_falcon(directory: str) -> Any:
    """Falcon: media, streams, a static route, HTTP errors."""
    import falcon

    class Plain:
        def on_get(self, request: Any, response: Any) -> None:
            response.media = {"message": "hällo", "name": request.get_param("name")}

        def on_post(self, request: Any, response: Any) -> None:
            response.text = f"{len(request.bounded_stream.read())} bytes"

    class Stream:
        def on_get(self, request: Any, response: Any) -> None:
            response.stream = io.BytesIO(b"stream " * 5000)

    class Broken:
        def on_get(self, request: Any, response: Any) -> None:
            raise falcon.HTTPServiceUnavailable(title="nö", retry_after=30)

    app = falcon.App()
    app.add_route("/plain", Plain())
    app.add_route("/upload", Plain())
    app.add_route("/stream", Stream())
    app.add_route("/broken", Broken())
    app.add_static_route("/static", directory)
    return app


def make_webob(directory: str) -> Any:
    """WebOb: conditional answers, ranges of an app_iter, its own file app, HTTP exceptions."""
    from webob import Response, exc
    from webob.dec import wsgify
    from webob.static import DirectoryApp, FileApp

    @wsgify
    def app(request: Any) -> Any:
        name = request.path_info_pop()
        if name == "plain":
            return Response("hello " * 40, etag="tag", conditional_response=True)
        if name == "iterated":
            return Response(app_iter=iter([b"one ", b"", b"two"]))
        if name == "file":
            return FileApp(os.path.join(directory, "large.bin"))
        if name == "static":
            return DirectoryApp(directory)
        if name == "upload":
            return Response(f"{len(request.body)} bytes")
        raise exc.HTTPNotFound("nothing")

    return app


def make_whitenoise(directory: str) -> Any:
    """WhiteNoise in front of an app that knows nothing of it."""
    from whitenoise import WhiteNoise

    def behind(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
        return [b"behind"]

    return WhiteNoise(behind, root=directory, prefix="static/")


MAKERS = {
    "bottle": make_bottle,
    "pyramid": make_pyramid,
    "cherrypy": make_cherrypy,
    "falcon": make_falcon,
    "webob": make_webob,
    "whitenoise": make_whitenoise,
}
