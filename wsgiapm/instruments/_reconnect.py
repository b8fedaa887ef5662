# SPDX-License-Identifier: Apache-2.0
"""How to make another connection like one that an app has made, by what the connection itself knows of that.

Only asked for when a statement was slow and its plan is wanted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from wsgiapm.slow_statements import Statement, hand_over, is_wanted
from wsgiapm.span import Operation

Connect = Callable[[], Any]
_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 10
_READ_ONLY = f"-c statement_timeout={_READ_SECONDS * 1000} -c default_transaction_read_only=on"


def _sqlite(_connection: Any, database: str) -> Connect | None:
    if not database or ":memory:" in database or "mode=memory" in database:
        return None  # another connection would find another database
    if not database.startswith("file:"):
        database = f"file:{quote(database)}"
    if "mode=" not in database:  # else a file that is gone would be made anew
        database += "&mode=ro" if "?" in database else "?mode=ro"
    return partial(sys.modules["sqlite3"].connect, database, timeout=_CONNECT_SECONDS, uri=True)


def _psycopg2(connection: Any, _: str) -> Connect:
    return _libpq(sys.modules["psycopg2"].connect, connection.info.dsn_parameters, connection.info.password)


def _psycopg(connection: Any, _: str) -> Connect:
    return _libpq(sys.modules["psycopg"].connect, connection.info.get_parameters(), connection.info.password)


def _libpq(connect: Callable[..., Any], parameters: dict[str, str], password: str) -> Connect:
    options = f"{parameters.get('options', '')} {_READ_ONLY}".strip()
    more = {"connect_timeout": _CONNECT_SECONDS, "options": options, "password": password or None}
    return partial(connect, **{**parameters, **more})


def _pymysql(connection: Any, _: str) -> Connect:
    given = {name: getattr(connection, name, None) for name in ("host", "port", "user", "password", "unix_socket")}
    given["database"] = connection.db
    if not given["unix_socket"] and getattr(connection, "_secure", False):
        given["ssl"] = getattr(connection, "ctx", None)
    texts = {name: each.decode() if isinstance(each, bytes) else each for name, each in given.items() if each}
    waits = {"connect_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS, "write_timeout": _READ_SECONDS}
    return partial(connection.__class__, **texts, **waits)


def _mysqlclient(connection: Any, _: str) -> Connect | None:
    made = getattr(connection, "_wsgiapm_made", None)  # it does not keep the password itself
    if made is None:
        return None
    args, kwargs = made
    kwargs = {name: value for name, value in kwargs.items() if name not in ("cursorclass", "conv")}
    kind: Callable[..., Any] = connection.__class__
    return partial(kind, *args, **{**kwargs, "connect_timeout": _CONNECT_SECONDS, "read_timeout": _READ_SECONDS})


def _mysql_connector(connection: Any, _: str) -> Connect:
    names = ("host", "port", "user", "password", "database", "unix_socket")
    given = {name: getattr(connection, f"_{name}", None) for name in names}
    known = {name: value for name, value in given.items() if value}
    return partial(sys.modules["mysql.connector"].connect, **known, connection_timeout=_READ_SECONDS)


_WAYS: Final[dict[str, Callable[[Any, str], Connect | None]]] = {
    "sqlite3": _sqlite,
    "psycopg2": _psycopg2,
    "psycopg": _psycopg,
    "pymysql": _pymysql,
    "MySQLdb": _mysqlclient,
    "mysql": _mysql_connector,
}


def reconnecting(connection: Any, namespace: str) -> Connect | None:
    """Return a function that makes another connection to the same database, None where nothing tells how.

    `namespace` is the `db.namespace` of the operations there.
    """
    for kind in connection.__class__.__mro__:  # not its type: some cursors keep a proxy of it
        way = _WAYS.get(kind.__module__.partition(".")[0])
        if way is not None:
            return way(connection, namespace)
    return None


def note_slow(operation: Operation, cursor: Any, statement: Any, parameters: Any) -> None:
    """Hand a slow statement of a cursor to who explains or logs them, if anybody does."""
    if not is_wanted():
        return
    text = statement.decode(errors="replace") if isinstance(statement, bytes) else statement
    if not isinstance(text, str):  # composed by the driver's own means
        return
    known = dict(operation.attributes)
    connection = getattr(cursor, "connection", None) or getattr(cursor, "_connection", None)
    connect = reconnecting(connection, str(known.get("db.namespace", "")))
    hand_over(operation, Statement(text, parameters, str(known.get("db.system.name", "")), connect))
