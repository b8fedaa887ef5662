# SPDX-License-Identifier: Apache-2.0
"""SQLite in the standard library. Its classes are written in C: connections are made of subclasses.

A row that is fetched alone takes no span: the first one has been found by `execute`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from functools import update_wrapper, wraps
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._dbapi import executes, fetches, in_front_of, is_verb, place, spanned, subclass, subclasses
from wsgiapm.instruments._leaves import traced_execute, traced_leaf
from wsgiapm.instruments._patch import Describe, Exchange

if TYPE_CHECKING:
    from wsgiapm.instruments._dbapi import Place
    from wsgiapm.span import Operation

MODULE = "sqlite3"
VERSIONS = ">=3.10,<3.14"
RECORDS = "statements, commit, rollback, connect; rows fetched together are part of the time"

# How encrypting builds of SQLite are given a password in a URI.
_KEY = re.compile(r"([?&])(?:text|hex)?key=[^&#]*&?")
_FACTORY = 5  # its place among the arguments of connect
_of_connection = attrgetter("_wsgiapm_place")
_of_cursor = attrgetter("connection._wsgiapm_place")

_executes = executes(_of_cursor, "sql")

_CURSOR = {
    "execute": _executes,
    "executemany": executes(_of_cursor, "sql"),
    "executescript": executes(_of_cursor, "sql_script"),
    "fetchmany": fetches(_of_cursor),
    "fetchall": fetches(_of_cursor),
}


def _traced(original: Any, describe: Describe, failed: Callable[[], None]) -> Any:
    return (traced_execute if describe is _executes else traced_leaf)(original, describe, failed)


def _leaves(connection: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation:
    found: Place = _of_connection(connection)
    return found.verb("ROLLBACK" if args and args[0] is not None else "COMMIT")


_CONNECTION = {
    "commit": is_verb(_of_connection, "COMMIT"),
    "rollback": is_verb(_of_connection, "ROLLBACK"),
    "__exit__": _leaves,
}


def _database(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    database = os.fspath(args[0] if args else kwargs["database"])
    if isinstance(database, str) and database.startswith("file:") and "key=" in database:
        return _KEY.sub(r"\1", database)
    return database


def _connects(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation | None:
    if not args and "database" not in kwargs:
        return None
    return place("sqlite", _database(args, kwargs)).verb("CONNECT")


def _connection_class(library: Any, failed: Callable[[], None]) -> Any:
    base: Any = library.Connection
    make, plain = base.cursor, library.Cursor
    cursors = subclasses(_CURSOR, failed, _traced)
    ours = cursors(plain)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        base.__init__(self, *args, **kwargs)
        object.__setattr__(self, "_wsgiapm_place", place("sqlite", _database(args, kwargs)))  # past the app's own

    def cursor(self: Any, factory: Any = plain) -> Any:
        return make(self, ours if factory is plain else cursors(factory))

    # The place of those whose own class does not come by ours when it is made.
    more: dict[str, Any] = {"__init__": __init__, "cursor": cursor, "_wsgiapm_place": place("sqlite")}
    if sys.version_info >= (3, 11):  # before, these made their cursor by the method
        for name in ("execute", "executemany", "executescript"):
            more[name] = _shortcut(getattr(base, name), cursor, name)
    return subclass(base, _CONNECTION, failed, trace=_traced, **more)


def _shortcut(original: Any, cursor: Callable[[Any], Any], name: str) -> Any:
    @wraps(original)
    def execute(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(cursor(self), name)(*args, **kwargs)

    return execute


def _make(original: Any, failed: Callable[[], None]) -> Any:
    library: Any = sys.modules[MODULE]
    ours = _connection_class(library, failed)
    call = spanned(original, _connects, failed)

    below = in_front_of(ours)

    def replaced(factory: Any) -> Any:
        if factory is library.Connection:
            return ours
        return below(factory) if isinstance(factory, type) and issubclass(factory, library.Connection) else factory

    def connect(*args: Any, **kwargs: Any) -> Any:
        if len(args) > _FACTORY:
            args = (*args[:_FACTORY], replaced(args[_FACTORY]), *args[_FACTORY + 1 :])
        else:
            kwargs["factory"] = replaced(kwargs.get("factory", library.Connection))
        return call(*args, **kwargs)

    return update_wrapper(connect, original)


# Both names of one function, once all of it has been imported.
PATCHES = (Exchange(MODULE, "connect", _make), Exchange(MODULE, "dbapi2.connect", _make))
