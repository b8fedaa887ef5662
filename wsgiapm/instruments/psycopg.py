# SPDX-License-Identifier: Apache-2.0
"""psycopg 3; what is asynchronous is not recorded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from wsgiapm.instruments._dbapi import Place, calls, executes, fetches, is_verb, place_of, spanned
from wsgiapm.instruments._libpq import place_asked_for, place_of_info
from wsgiapm.instruments._patch import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsgiapm.span import Operation

MODULE = "psycopg"
VERSIONS = ">=3.1,<4"
RECORDS = "statements, transactions, connect; rows fetched from the server are part of the time"


def _locate(connection: Any) -> Place:
    return place_of_info(connection.info)


_IDLE = 0  # of libpq's PQtransactionStatus

_of_connection = place_of(_locate)
_of_cursor = place_of(_locate, "_conn")
_of_transaction = _of_cursor


def _connects(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operation:
    conninfo = args[0] if args else kwargs.get("conninfo", "")
    return place_asked_for({**sys.modules["psycopg.conninfo"].conninfo_to_dict(conninfo), **kwargs}).verb("CONNECT")


def _enters(transaction: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
    found = _of_transaction(transaction)
    return None if found is None else found.verb("SAVEPOINT" if _is_inner(transaction) else "BEGIN")


def _leaves(transaction: Any, args: tuple[Any, ...], _kwargs: dict[str, Any]) -> Operation | None:
    found = _of_transaction(transaction)
    if found is None:
        return None
    if transaction.force_rollback or (args and args[0] is not None):
        return found.verb("ROLLBACK")
    return found.verb("RELEASE" if transaction.savepoint_name and not transaction._outer_transaction else "COMMIT")  # noqa: SLF001


def _is_inner(transaction: Any) -> bool:
    return int(transaction._conn.pgconn.transaction_status) != _IDLE  # noqa: SLF001


_CONNECTION = {
    "connect": _connects,
    "commit": is_verb(_of_connection, "COMMIT"),
    "rollback": is_verb(_of_connection, "ROLLBACK"),
}
_TRANSACTION = {"__enter__": _enters, "__exit__": _leaves}
_EXECUTES = executes(_of_cursor, "query")
_SERVER_CURSOR = {
    "execute": _EXECUTES,
    **dict.fromkeys(("fetchone", "fetchmany", "fetchall", "__next__"), fetches(_of_cursor)),
}


def _make_connect(original: Any, failed: Callable[[], None]) -> Any:
    return spanned(original, _connects, failed)


PATCHES = (
    Exchange(MODULE, "connect", _make_connect),  # the class method, as it was when the library was imported
    *calls(MODULE, "Connection", _CONNECTION),
    *calls(MODULE, "Transaction", _TRANSACTION),
    *calls(MODULE, "Cursor", dict.fromkeys(("execute", "executemany", "stream"), _EXECUTES)),
    *calls(MODULE, "ServerCursor", _SERVER_CURSOR),
)
