# SPDX-License-Identifier: Apache-2.0
"""The embedded store: one SQLite file, one writer at a time, a connection of its own for every reading thread."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wsgiapm.errors import StoreError
from wsgiapm.store import database_file
from wsgiapm.store.expiry import expire
from wsgiapm.store.model import tiers
from wsgiapm.store.reader import SqlReader
from wsgiapm.store.writer import SqliteWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsgiapm.store.model import Tier


class SqliteStore:
    """A store in one file. Not to be carried over a fork.

    Args:
        path: the database file; made if there is none.
        retention: how long to keep the coarsest tier, in seconds.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(self, path: str, retention: int) -> None:
        database_file.prepare(path)
        self._path = path
        self._tiers = tiers(retention)
        self._lock = threading.Lock()
        self._writer = database_file.connect(path)
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers, from fine to coarse."""
        return self._tiers

    @contextmanager
    def writing(self) -> Iterator[SqliteWriter]:
        """Hold the one write transaction.

        Raises:
            StoreError: the database could not take it (full disk, damaged file); nothing was kept.
        """
        with self._lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield SqliteWriter(self._writer)
                self._writer.execute("COMMIT")
            except sqlite3.Error as failure:
                self._roll_back()
                msg = f"store {self._path} cannot be written to: {failure}"
                raise StoreError(msg) from failure
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def reading(self) -> Iterator[SqlReader]:
        """Hold a view of one moment.

        Raises:
            StoreError: the database cannot be read.
        """
        try:
            connection = self._reader()
            connection.execute("BEGIN")
            try:
                yield SqlReader(connection.execute)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as failure:
            msg = f"store {self._path} cannot be read: {failure}"
            raise StoreError(msg) from failure

    def expire(self, now: int) -> int:
        """Delete what is older than its tier keeps it, a little at a time; return the number of rows.

        Args:
            now: epoch seconds.
        """
        try:
            return expire(self._writer, self._lock, self._tiers, now)
        except sqlite3.Error as failure:
            msg = f"store {self._path} cannot be cleaned: {failure}"
            raise StoreError(msg) from failure

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        with self._lock:
            for connection in (*self._readers, self._writer):
                connection.close()
            self._readers.clear()

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = database_file.connect(self._path, read_only=True)
            self._local.connection = connection
            with self._lock:
                self._readers.append(connection)
        return connection

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            try:
                self._writer.execute("ROLLBACK")
            except sqlite3.Error:
                return  # SQLite has rolled back by itself, as it does when the disk is full
