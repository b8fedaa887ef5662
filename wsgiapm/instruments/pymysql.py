# SPDX-License-Identifier: Apache-2.0
"""PyMySQL, also where it stands for MySQLdb: then its modules may be loaded a second time under those names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wsgiapm.instruments._dbapi import (
    Place,
    calls,
    calls_procedure,
    executes,
    fetches,
    is_verb,
    place,
    place_of,
)
from wsgiapm.instruments._patch import Describe, Exchange, traced

MODULE = "pymysql"
VERSIONS = ">=0.9,<2"
RECORDS = "statements, procedures, commit, rollback, connect; rows fetched from the server are part of the time"


def _locate(connection: Any) -> Place:
    if connection.unix_socket:
        return place("mysql", connection.db, connection.unix_socket)
    return place("mysql", connection.db, connection.host, connection.port)


_of_connection = place_of(_locate)
_of_cursor = place_of(_locate, "connection")

_CONNECTION = {
    "connect": is_verb(_of_connection, "CONNECT"),
    "begin": is_verb(_of_connection, "BEGIN"),
    "commit": is_verb(_of_connection, "COMMIT"),
    "rollback": is_verb(_of_connection, "ROLLBACK"),
}
_CURSOR = {
    "execute": executes(_of_cursor, "query"),
    "executemany": executes(_of_cursor, "query"),
    "callproc": calls_procedure(_of_cursor, "procname"),
}
_SERVER_CURSOR = dict.fromkeys(("fetchone", "fetchmany", "fetchall"), fetches(_of_cursor))


def _if_own(describe: Describe) -> Callable[[Any, Callable[[], None]], Any]:
    """Make a span only where `MySQLdb.cursors` is PyMySQL's: mysqlclient's methods are those of another class."""

    def make(original: Any, failed: Callable[[], None]) -> Any:
        if not original.__qualname__.startswith("Cursor."):
            raise AttributeError
        return traced(original, describe, failed)

    return make


PATCHES = (
    *calls("pymysql.connections", "Connection", _CONNECTION),
    *calls("pymysql.cursors", "Cursor", _CURSOR),
    *calls("pymysql.cursors", "SSCursor", _SERVER_CURSOR),
    *(Exchange("MySQLdb.cursors", f"Cursor.{name}", _if_own(describe)) for name, describe in _CURSOR.items()),
)
