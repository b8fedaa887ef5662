# SPDX-License-Identifier: Apache-2.0
"""A Flask app that knows nothing of wsgiapm and opens its connection while it is imported."""

from __future__ import annotations

import sqlite3

from flask import Flask

CONNECTION = sqlite3.connect(":memory:", check_same_thread=False)
app = Flask(__name__)


@app.get("/walks")
def walks():
    """Make one statement."""
    CONNECTION.execute("SELECT 7").fetchall()
    return "ok"
