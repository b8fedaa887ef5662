# SPDX-License-Identifier: Apache-2.0
"""An app that opens its connection while it is imported, as a pool does; KEYWORDS are settings of its middleware."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import warnings

if os.environ.get("PATCH_LATE"):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from gevent import monkey

        monkey.patch_all()
    for warning in caught:
        sys.stderr.write(f"gevent warns: {warning.message}\n")

from wsgiapm import APMMiddleware

CONNECTION = sqlite3.connect(":memory:", check_same_thread=False)
CONNECTION.execute("CREATE TABLE walks (pk INTEGER)")


def plain(environ, start_response):
    """Make two statements; say of what class a connection is that is opened now."""
    CONNECTION.execute("INSERT INTO walks VALUES (?)", (7,))
    CONNECTION.execute("SELECT count(*) FROM walks").fetchall()
    fresh = sqlite3.connect(":memory:")
    fresh.close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"patched" if type(fresh) is not sqlite3.Connection else b"as it was"]


keywords = json.loads(os.environ.get("KEYWORDS", "null"))
application = plain if keywords is None else APMMiddleware(plain, **keywords)
