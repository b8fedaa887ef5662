# SPDX-License-Identifier: Apache-2.0
"""Flask: pages, streams, files with ranges and tags, errors, hooks that run at the end of a response."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, Response, abort, redirect, request, send_file, stream_with_context


def make(directory: str) -> Any:
    """Return the app."""
    app = Flask(__name__, static_folder=directory, static_url_path="/static")

    @app.get("/plain")
    def plain() -> str:
        app.logger.warning("Flask sagt grüß: %s", request.path)
        return "hello " * 40

    @app.get("/streamed")
    def streamed() -> Response:
        @stream_with_context
        def chunks() -> Any:
            yield "one "
            yield ""
            yield request.args.get("name", "nobody")

        return Response(chunks())

    @app.get("/closing")
    def closing() -> Response:
        response = Response(iter([b"a", b"b"]), headers={"Content-Length": "2"})
        response.call_on_close(lambda: app.logger.warning("closed"))
        return response

    @app.get("/file/<name>")
    def file(name: str) -> Response:
        return send_file(os.path.join(directory, name), conditional=True)

    @app.post("/upload")
    def upload() -> str:
        data = request.get_data()
        return f"{len(data)} bytes, {sum(data) % 65521}"

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("käputt")

    @app.get("/away")
    def away() -> Any:
        return redirect("/flask/plain")

    @app.get("/teapot")
    def teapot() -> None:
        abort(418)

    return app
