# SPDX-License-Identifier: Apache-2.0
"""A Flask app that knows nothing of wsgiapm, unless it is told to start it: then in one line."""

from __future__ import annotations

import os

import flask

app = flask.Flask(__name__)


@app.get("/walks/<int:pk>")
def walk(pk):
    """Return a page."""
    return f"walk {pk}"


if os.environ.get("START"):
    import wsgiapm

    wsgiapm.start()
