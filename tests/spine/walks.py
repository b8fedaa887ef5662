# SPDX-License-Identifier: Apache-2.0
"""What two apps without an ORM do with a database: they open a connection for each request, ask, write and fail."""

from __future__ import annotations

import contextlib
import os
import urllib.parse
from collections.abc import Iterator
from typing import Any

import psycopg
import pymysql
from meter import measured

LIST = "SELECT name, length FROM walks WHERE length > %s ORDER BY name"
ADD = "INSERT INTO walks (name, length) VALUES (%s, %s)"
FAIL = "SELECT nothing FROM no_such_walks WHERE length = %s"


def _connect() -> Any:
    place = urllib.parse.urlsplit(os.environ["WALKS_DATABASE"])
    kind: Any = pymysql if place.scheme == "mysql" else psycopg
    name = "database" if kind is pymysql else "dbname"
    return kind.connect(
        host=place.hostname, port=place.port, user=place.username, password=place.password, **{name: place.path[1:]}
    )


@contextlib.contextmanager
def _cursor() -> Iterator[Any]:
    connection = _connect()
    try:
        yield connection.cursor()
        connection.commit()
    finally:
        connection.close()


def _run(cursor: Any, statement: str, values: tuple[Any, ...]) -> Any:
    with measured(statement):
        cursor.execute(statement, values)
    return cursor


def make_table() -> None:
    """Begin with an empty table; for the test, not for the apps."""
    with _cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS walks")
        cursor.execute("CREATE TABLE walks (name VARCHAR(40), length INTEGER)")


def longer_than(length: int) -> str:
    """Return the names of some walks."""
    with _cursor() as cursor:
        return ", ".join(name for name, _ in _run(cursor, LIST, (length,)).fetchall())


def add(name: str, lengths: list[int]) -> str:
    """Add one walk of each length, as an app does that does not know executemany."""
    with _cursor() as cursor:
        for length in lengths:
            _run(cursor, ADD, (name, length))
    return name


def fail() -> str:
    """Ask for a table that is not there."""
    with _cursor() as cursor, contextlib.suppress(pymysql.Error, psycopg.Error):
        _run(cursor, FAIL, (1,))
    return "failed"
