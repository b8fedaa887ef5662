# SPDX-License-Identifier: Apache-2.0
"""A Bottle app that knows nothing of wsgiapm."""

from __future__ import annotations

import bottle

application = app = bottle.Bottle()


@app.get("/walks/<pk:int>")
def walk(pk):
    """Return a page."""
    return f"walk {pk}"
