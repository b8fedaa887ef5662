# SPDX-License-Identifier: Apache-2.0
"""Opening the SQLite file: nothing that is not ours is ever written to."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from urllib.parse import quote

from wsgiapm.errors import StoreError
from wsgiapm.store.packing import add_packed
from wsgiapm.store.schema import APPLICATION_ID, VERSION, migrate

_MAGIC = b"SQLite format 3\0"
_BUSY_TIMEOUT_MS = 10_000
# With WAL, NORMAL can lose the last transactions in a power cut, but rows and stream positions are lost together:
# the next cumulative report brings back what is missing, once.
_PRAGMAS = (
    f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA journal_size_limit = 67108864",
)


def prepare(path: str) -> None:
    """Make the file if there is none, check that it is ours, and bring its tables up to date.

    Raises:
        StoreError: the file cannot be used; it was not touched.
    """
    try:
        if not _create(path):
            _inspect(path)
        with closing(connect(path)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            migrate(connection)
    except OSError as failure:
        msg = f"store {path} cannot be opened: {failure.strerror}; give --store a file in a directory that you may write to"
        raise StoreError(msg) from failure
    except sqlite3.Error as failure:
        msg = f"store {path} cannot be opened: {failure}; move the file away to start anew, or give --store another"
        raise StoreError(msg) from failure


def connect(path: str, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection any thread may use, one at a time; transactions are begun by hand."""
    mode = "ro" if read_only else "rw"
    connection = sqlite3.connect(
        f"file:{quote(path)}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.create_function("add_packed", 2, add_packed, deterministic=True)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _create(path: str) -> bool:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        return False
    return True


def _inspect(path: str) -> None:
    if not stat.S_ISREG(os.stat(path).st_mode):
        msg = f"store {path} is not a file; give --store the path of a database file, it may be a new one"
        raise StoreError(msg)
    # Not opened for writing: a pipe in its place or a wrong path must stay as it was.
    with open(path, "rb") as file:
        magic = file.read(len(_MAGIC))
    if not os.access(path, os.W_OK) or not os.access(os.path.dirname(path), os.W_OK):
        msg = f"store {path} cannot be written to by user {os.geteuid()}; the file and its directory must be writable"
        raise StoreError(msg)
    if magic and magic != _MAGIC:
        msg = f"store {path} is not a database; it was left as it is, give --store another file"
        raise StoreError(msg)
    if magic:
        _check_owner(path)


def _check_owner(path: str) -> None:
    with closing(connect(path, read_only=True)) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        msg = f"store {path} is a database of another program; it was left as it is, give --store another file"
        raise StoreError(msg)
    if version > VERSION:
        msg = (
            f"store {path} was written by a newer wsgiapm (schema {version}, this one knows {VERSION}); "
            "upgrade wsgiapm or give --store another file"
        )
        raise StoreError(msg)
