# SPDX-License-Identifier: Apache-2.0
"""Opening the file: ours is used, anything else is left alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing

import pytest

from wsgiapm.errors import StoreError
from wsgiapm.store import database_file
from wsgiapm.store.schema import APPLICATION_ID, VERSION
from wsgiapm.store.sqlite import SqliteStore

DAY = 86400


def pragma(path, name):
    """Read a pragma of a file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_new_file_is_ours_and_private(tmp_path):
    """It carries our mark and version, keeps a write-ahead log, and nobody else can read it."""
    path = str(tmp_path / "new.db")

    SqliteStore(path, DAY).close()

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert pragma(path, "application_id") == APPLICATION_ID
    assert pragma(path, "user_version") == VERSION
    assert pragma(path, "journal_mode") == "wal"
    assert pragma(path, "auto_vacuum") == 2


def test_an_empty_file_is_taken(tmp_path):
    """As `mktemp` or a packager makes it."""
    path = tmp_path / "empty.db"
    path.touch()

    SqliteStore(str(path), DAY).close()

    assert pragma(path, "user_version") == VERSION


def test_opening_again_changes_nothing(tmp_path):
    """The second start finds what the first one kept."""
    path = str(tmp_path / "x.db")
    store = SqliteStore(path, DAY)
    with store.writing() as writer:
        writer.app("shop", "prod")
    store.close()

    again = SqliteStore(path, DAY)
    with again.writing() as writer:
        assert writer.app("shop", "prod") == 1
    again.close()


@pytest.mark.parametrize("content", [b"SQLite format 2", b"hello\n" * 1000, b"\0" * 4096])
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content):
    """Whoever mistypes --store loses nothing."""
    path = tmp_path / "notes.txt"
    path.write_bytes(content)

    with pytest.raises(StoreError, match="not a database"):
        SqliteStore(str(path), DAY)

    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_the_database_of_another_program_is_left_alone(tmp_path):
    """A Django project's db.sqlite3 must not get our tables."""
    path = tmp_path / "db.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE django_migrations (id INTEGER)")
    before = path.read_bytes()

    with pytest.raises(StoreError, match="another program"):
        SqliteStore(str(path), DAY)

    assert path.read_bytes() == before


def test_a_newer_schema_is_left_alone(tmp_path):
    """After a downgrade, the message says which versions there are."""
    path = tmp_path / "x.db"
    SqliteStore(str(path), DAY).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()

    with pytest.raises(StoreError, match=f"schema {VERSION + 1}, this one knows {VERSION}"):
        SqliteStore(str(path), DAY)

    assert path.read_bytes() == before


def test_a_damaged_database_is_refused(tmp_path):
    """A header alone does not make a database."""
    path = tmp_path / "x.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)

    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(str(path), DAY)


@pytest.mark.parametrize("name", ["directory", "missing/x.db", "socket"])
def test_what_is_no_file_is_refused(tmp_path, name):
    """A directory, a place that does not exist, a special file."""
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "socket")

    with pytest.raises(StoreError, match="store"):
        SqliteStore(str(tmp_path / name), DAY)


def test_an_unwritable_file_is_refused(tmp_path, monkeypatch):
    """It is said at the start, not at the first report."""
    path = tmp_path / "x.db"
    SqliteStore(str(path), DAY).close()
    # Root may write anywhere, so the answer of the kernel is made up.
    monkeypatch.setattr(database_file.os, "access", lambda place, mode: str(place) != str(path))

    with pytest.raises(StoreError, match="cannot be written to"):
        SqliteStore(str(path), DAY)
