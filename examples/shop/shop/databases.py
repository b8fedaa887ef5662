# SPDX-License-Identifier: Apache-2.0
"""Where the shop keeps its goods: in a file of SQLite, or on a server."""

from __future__ import annotations

from typing import Any

import dj_database_url


def database(place: str) -> dict[str, Any]:
    """Return Django's settings for a path or the address of a database."""
    if "://" not in place:
        return _sqlite(place)
    if place.startswith("mysql"):
        # What gevent can wait for without stopping the worker. Loaded only here: the other two need no MySQL.
        import pymysql  # noqa: PLC0415

        pymysql.install_as_MySQLdb()
    return dict(dj_database_url.parse(place))


def _sqlite(path: str) -> dict[str, Any]:
    # Several workers write at once: readers and a writer do not block each other in WAL mode, and a writer takes its lock
    # when the transaction begins (IMMEDIATE), where SQLite waits for its turn instead of failing.
    options = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": options}
