# SPDX-License-Identifier: Apache-2.0
"""An app that knows nothing of wsgiapm, under two names."""

from __future__ import annotations


def application(environ, start_response):
    """Answer any path with 200, /missing with 404."""
    status = "404 Not Found" if environ["PATH_INFO"] == "/missing" else "200 OK"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def make_app():
    """Return the app, as a factory does."""
    return application


app = application
