# SPDX-License-Identifier: Apache-2.0
"""mysqlclient, the driver whose module is MySQLdb: classes in Python around a connection in C."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import wraps
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
from wsgiapm.instruments._patch import Exchange, traced

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "MySQLdb"
DISTRIBUTION = "mysqlclient"
VERSIONS = ">=1.4,<3"
RECORDS = "statements, procedures, commit, rollback, connect; rows fetched from the server are part of the time"

_ARGUMENTS = ("host", "user", "password", "database", "port", "unix_socket")


def _asked_for(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    asked = {**dict(zip(_ARGUMENTS, args, strict=False)), **kwargs}
    asked["database"] = asked.get("database") or asked.get("db")
    return asked


def _connects(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
    asked = _asked_for(args, kwargs)
    if asked.get("unix_socket"):
        return place("mysql", asked["database"], asked["unix_socket"]).verb("CONNECT")
    return place("mysql", asked["database"], asked.get("host"), asked.get("port") or 3306).verb("CONNECT")


def _make_init(original: Any, failed: Callable[[], None]) -> Any:
    call = traced(original, _connects, failed)

    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        asked = _asked_for(args, kwargs)
        self._wsgiapm_made = args, kwargs  # for another one like it, see `_reconnect`
        self._wsgiapm_asked = asked["database"], asked.get("unix_socket")  # it keeps neither itself
        call(self, *args, **kwargs)

    return __init__


def _locate(connection: Any) -> Place:
    database, path = getattr(connection, "_wsgiapm_asked", (getattr(connection, "db", None), None))
    host, _, way = connection.get_host_info().partition(" via ")
    if "UNIX" in way.upper():
        return place("mysql", database, path or _socket_of(connection) or host)
    return place("mysql", database, host, connection.port)


def _socket_of(connection: Any) -> str:
    """Return the path of the client library's default socket, which only the socket itself tells."""
    if not hasattr(connection, "fileno"):
        return ""
    with socket.socket(socket.AF_UNIX, fileno=os.dup(connection.fileno())) as copy:
        return str(copy.getpeername())


_of_connection = place_of(_locate)
_of_cursor = place_of(_locate, "connection")

_CONNECTION = {
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

PATCHES = (
    Exchange("MySQLdb.connections", "Connection.__init__", _make_init),
    *calls("MySQLdb.connections", "Connection", _CONNECTION),
    *calls("MySQLdb.cursors", "BaseCursor", _CURSOR),
    *calls("MySQLdb.cursors", "CursorUseResultMixIn", _SERVER_CURSOR),
)
