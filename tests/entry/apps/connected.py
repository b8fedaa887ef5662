# SPDX-License-Identifier: Apache-2.0
"""An app that knows nothing of wsgiapm and opens its connection while it is imported."""

from __future__ import annotations

import sqlite3

CONNECTION = sqlite3.connect(":memory:", check_same_thread=False)


def app(environ, start_response):
    """Make one statement."""
    CONNECTION.execute("SELECT 7").fetchall()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
