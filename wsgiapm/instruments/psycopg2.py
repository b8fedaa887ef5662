# SPDX-License-Identifier: Apache-2.0
"""psycopg2, written in C: connections are made of a subclass, and they make subclasses of the cursors asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._dbapi import (
    Place,
    calls_procedure,
    executes,
    fetches,
    in_front_of,
    is_verb,
    place_of,
    spanned,
    subclass,
    subclasses,
)
from wsgiapm.instruments._libpq import place_asked_for, place_of_info
from wsgiapm.instruments._patch import Exchange

if TYPE_CHECKING:
    from wsgiapm.span import Operation

MODULE = "psycopg2"
DISTRIBUTION = "psycopg2-binary"
VERSIONS = ">=2.8,<3"
RECORDS = "statements, procedures, COPY, commit, rollback, connect; rows fetched from the server are part of the time"


def _locate(connection: Any) -> Place:
    return place_of_info(connection.info)


_of_connection = place_of(_locate)
_of_cursor = place_of(_locate, "connection")


def _copies(cursor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    found = _of_cursor(cursor)
    return None if found is None else found.statement(f"COPY {args[1] if len(args) > 1 else kwargs.get('table')}")


_CONNECTION = {
    "commit": is_verb(_of_connection, "COMMIT"),
    "rollback": is_verb(_of_connection, "ROLLBACK"),
}
_CURSOR = {
    "execute": executes(_of_cursor, "query"),
    "executemany": executes(_of_cursor, "query"),
    "callproc": calls_procedure(_of_cursor, "procname"),
    "copy_expert": executes(_of_cursor, "sql"),
    "copy_from": _copies,
    "copy_to": _copies,
}
# A cursor with a name is the server's.
_SERVER_CURSOR = {**_CURSOR, **dict.fromkeys(("fetchone", "fetchmany", "fetchall", "__next__"), fetches(_of_cursor))}


def _connects(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
    dsn = args[0] if args else kwargs["dsn"]
    return place_asked_for(sys.modules["psycopg2.extensions"].parse_dsn(dsn)).verb("CONNECT")


def _connection_class(base: Any, cursor_class: Any, failed: Callable[[], None]) -> Any:
    cursors, server_cursors = subclasses(_CURSOR, failed), subclasses(_SERVER_CURSOR, failed)

    def cursor(self: Any, name: Any = None, cursor_factory: Any = None, *args: Any, **kwargs: Any) -> Any:
        factory = cursor_factory or self.cursor_factory or cursor_class
        make = cursors if name is None else server_cursors
        return base.cursor(self, name, make(factory), *args, **kwargs)

    return subclass(base, _CONNECTION, failed, cursor=cursor)


def _make(original: Any, failed: Callable[[], None]) -> Any:
    extensions: Any = sys.modules["psycopg2.extensions"]
    base = extensions.connection
    ours = _connection_class(base, extensions.cursor, failed)
    call = spanned(original, _connects, failed)

    below = in_front_of(ours)

    def connect(dsn: Any, connection_factory: Any = None, *args: Any, **kwargs: Any) -> Any:
        if connection_factory is None or connection_factory is base:
            connection_factory = ours
        elif isinstance(connection_factory, type) and issubclass(connection_factory, base):
            connection_factory = below(connection_factory)
        return call(dsn, connection_factory, *args, **kwargs)

    return update_wrapper(connect, original)


# What psycopg2.connect calls, so that whoever has imported that by name before is recorded, too.
PATCHES = (Exchange(MODULE, "_connect", _make),)
