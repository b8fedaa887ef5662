# SPDX-License-Identifier: Apache-2.0
"""python-oracledb, in both of its modes; tested against a stand-in, not against a server."""

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
    spanned,
)
from wsgiapm.instruments._patch import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgiapm.span import Operation

MODULE = "oracledb"
VERSIONS = ">=2"
RECORDS = "statements, procedures, commit, rollback, connect; rows fetched together are part of the time"

_SYSTEM = "oracle.db"


def _of_dsn(dsn: object) -> Place:
    """Return the place `host:port/service` names; other forms name it by themselves."""
    text = str(dsn or "").rpartition("@")[2].rpartition("//")[2]
    address, slash, service = text.partition("/")
    host, _, port = address.partition(":")
    if not slash or "(" in text:
        return place(_SYSTEM, text)
    return place(_SYSTEM, service.partition(":")[0].partition("?")[0], host, port or 1521)


def _locate(connection: Any) -> Place:
    return _of_dsn(connection.dsn)


_of_connection = place_of(_locate)
_of_cursor = place_of(_locate, "connection")


def _connects(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
    host = kwargs.get("host")
    if host:
        return place(_SYSTEM, kwargs.get("service_name"), host, kwargs.get("port") or 1521).verb("CONNECT")
    return _of_dsn(args[0] if args else kwargs.get("dsn")).verb("CONNECT")


def _make_connect(original: Any, failed: Callable[[], None]) -> Any:
    return spanned(original, _connects, failed)


_CONNECTION = {
    "commit": is_verb(_of_connection, "COMMIT"),
    "rollback": is_verb(_of_connection, "ROLLBACK"),
}
_CURSOR = {
    "execute": executes(_of_cursor, "statement"),
    "executemany": executes(_of_cursor, "statement"),
    "callproc": calls_procedure(_of_cursor, "name"),
    "callfunc": calls_procedure(_of_cursor, "name"),
    **dict.fromkeys(("fetchmany", "fetchall"), fetches(_of_cursor)),
}

PATCHES = (
    Exchange(MODULE, "connect", _make_connect),
    *calls(MODULE, "Connection", _CONNECTION),
    *calls(MODULE, "Cursor", _CURSOR),
)
