# SPDX-License-Identifier: Apache-2.0
"""MySQL Connector/Python: two sets of classes, one in pure Python and one around C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from wsgiapm.instruments._patch import Call

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "mysql.connector"
DISTRIBUTION = "mysql-connector-python"
VERSIONS = ">=8.0"
RECORDS = "statements, procedures, commit, rollback, connect; rows fetched from the server are part of the time"


def _locate(connection: Any) -> Place:
    if connection._unix_socket:  # noqa: SLF001
        return place("mysql", connection._database, connection._unix_socket)  # noqa: SLF001
    return place("mysql", connection._database, connection._host, connection._port)  # noqa: SLF001


def _connects(connection: Any, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
    if not kwargs:  # once more, as it is
        return _locate(connection).verb("CONNECT")
    database = kwargs.get("database") or kwargs.get("db")
    if kwargs.get("unix_socket"):
        return place("mysql", database, kwargs["unix_socket"]).verb("CONNECT")
    return place("mysql", database, kwargs.get("host") or "127.0.0.1", kwargs.get("port") or 3306).verb("CONNECT")


_of_connection = place_of(_locate)
_of_cursor = place_of(_locate, "_connection")

_CONNECTION = {
    "commit": is_verb(_of_connection, "COMMIT"),
    "rollback": is_verb(_of_connection, "ROLLBACK"),
}
_CURSOR = {
    "execute": executes(_of_cursor, "operation"),
    "executemany": executes(_of_cursor, "operation"),
    "callproc": calls_procedure(_of_cursor, "procname"),
}
# Not buffered unless asked for: rows come from the server as they are fetched.
_FETCHES = dict.fromkeys(("fetchmany", "fetchall"), fetches(_of_cursor))

PATCHES = (
    Call("mysql.connector.abstracts", "MySQLConnectionAbstract.connect", _connects),
    *calls("mysql.connector.connection", "MySQLConnection", _CONNECTION),
    *calls("mysql.connector.connection_cext", "CMySQLConnection", _CONNECTION),
    *calls("mysql.connector.cursor", "MySQLCursor", {**_CURSOR, **_FETCHES}),
    *calls("mysql.connector.cursor", "MySQLCursorPrepared", {**_CURSOR, **_FETCHES}),
    *calls("mysql.connector.cursor_cext", "CMySQLCursor", {**_CURSOR, **_FETCHES}),
    *calls("mysql.connector.cursor_cext", "CMySQLCursorPrepared", {**_CURSOR, **_FETCHES}),
)
