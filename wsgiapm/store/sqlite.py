# SPDX-License-Identifier: Apache-2.0
"""The embedded store: one SQLite file, one writer at a time, a connection of its own for every reading thread."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from wsgiapm.errors import StoreError
from wsgiapm.store import database_file
from wsgiapm.store.expiry import expire
from wsgiapm.store.model import detail_tiers, tiers
from wsgiapm.store.reader import SqlReader
from wsgiapm.store.writer import SqliteWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsgiapm.store.model import Tier


_CLOSE_TIMEOUT_S = 1.0


class _Connection(NamedTuple):
    """A connection and the lock whoever uses it holds."""

    connection: sqlite3.Connection
    lock: threading.Lock


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
        self._tiers, self._detail_tiers = tiers(retention), detail_tiers(retention)
        self._lock = threading.Lock()
        self._writer = database_file.connect(path)
        self._local = threading.local()
        self._guard = threading.Lock()
        self._readers: list[_Connection] = []
        self._closed = False

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers, from fine to coarse."""
        return self._tiers

    @property
    def detail_tiers(self) -> tuple[Tier, ...]:
        """The tiers of details, from fine to coarse."""
        return self._detail_tiers

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
                msg = f"store {self._path} cannot be written to: {failure}"
                raise StoreError(msg) from failure
            finally:
                self._roll_back()  # unless it is committed

    @contextmanager
    def reading(self) -> Iterator[SqlReader]:
        """Hold a view of one moment.

        Raises:
            StoreError: the database cannot be read.
        """
        try:
            reader = self._reader()
            with reader.lock:
                reader.connection.execute("BEGIN")
                try:
                    yield SqlReader(reader.connection.execute)
                finally:
                    reader.connection.execute("ROLLBACK")
        except sqlite3.Error as failure:
            msg = f"store {self._path} cannot be read: {failure}"
            raise StoreError(msg) from failure

    def expire(self, now: int) -> int:
        """Delete what is older than its tier keeps it, a little at a time; return the number of rows.

        Args:
            now: epoch seconds.
        """
        try:
            return expire(self._writer, self._lock, self._tiers, self._detail_tiers, now)
        except sqlite3.Error as failure:
            msg = f"store {self._path} cannot be cleaned: {failure}"
            raise StoreError(msg) from failure

    def close(self) -> None:
        """Close every connection that is not in use; the last one folds the write-ahead log into the file."""
        with self._guard:
            for held in (*self._readers, _Connection(self._writer, self._lock)):
                # SQLite does not survive being closed under a thread that is using it.
                if held.lock.acquire(timeout=_CLOSE_TIMEOUT_S):
                    held.connection.close()
                    held.lock.release()
            self._readers.clear()
            self._closed = True

    def _reader(self) -> _Connection:
        reader: _Connection | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = _Connection(database_file.connect(self._path, read_only=True), threading.Lock())
            self._local.reader = reader
            with self._guard:
                if self._closed:
                    reader.connection.close()
                self._readers.append(reader)
        return reader

    def _roll_back(self) -> None:
        try:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except sqlite3.Error:
            return  # the store is closed, or SQLite has rolled back by itself, as it does when the disk is full
