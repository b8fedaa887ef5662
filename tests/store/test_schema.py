# SPDX-License-Identifier: Apache-2.0
"""A file of an older version becomes one of this version, with everything that was in it."""

from __future__ import annotations

import itertools
import os
import sqlite3
from contextlib import closing

import pytest

from tests.collector.messages import Message
from wsgiapm.collector.ingest import ingest
from wsgiapm.errors import StoreError
from wsgiapm.store import schema
from wsgiapm.store.model import STEPS, Event, Selection
from wsgiapm.store.sqlite import SqliteStore

DAY = 86400
NOW = 1_800_000_000
VERSION_1 = os.path.join(os.path.dirname(__file__), "version_1.sql")
DURATION = "http.server.request.duration"


@pytest.fixture
def old_file(tmp_path):
    """The path of a database as version 1 of the schema left it: 50 requests of two routes by two instances."""
    path = str(tmp_path / "old.db")
    with closing(sqlite3.connect(path)) as connection, open(VERSION_1, encoding="utf-8") as script:
        connection.executescript(script.read())
    return path


def tables(path):
    """Return the definition of every table and index."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    return {name: " ".join((sql or "").replace('"', "").split()) for name, sql in rows}


def test_an_old_file_gets_the_tables_of_a_new_one(old_file, tmp_path):
    """And its version."""
    SqliteStore(old_file, 30 * DAY).close()
    SqliteStore(str(tmp_path / "new.db"), 30 * DAY).close()

    assert tables(old_file) == tables(str(tmp_path / "new.db"))
    with closing(sqlite3.connect(old_file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)


def test_nothing_of_an_old_file_is_lost(old_file):
    """Its numbers are read as before, and it takes events."""
    store = SqliteStore(old_file, 30 * DAY)
    with store.writing() as writer:
        writer.add_events(1, [Event(1, NOW * 10**9, "a", 9, "", "one", "{}")])

    with store.reading() as reader:
        for step, each in itertools.product(STEPS, (False, True)):
            selection = Selection(1, DURATION, None, step, 0, 1 << 33, each=each)
            (amount,) = reader.amounts(selection, step=0, by_series=False)
            cells = reader.cells(selection, step=0, by_series=False)
            assert (amount.n, {cell.bucket: cell.n for cell in cells}) == (48, {-27: 40, -20: 4, 15: 4})
        assert len(reader.events(1, start=0, end=1 << 33, limit=9)) == 1
    store.close()


def test_an_old_file_gets_its_totals(old_file):
    """Slot by slot what the transactions have together; later reports go on with the same ones."""
    store = SqliteStore(old_file, 30 * DAY)
    message = Message(start=NOW - 5, time=NOW + 80).requests({-27: 25, -20: 3}, route="/x/")
    assert ingest(store, message.request, (NOW + 80) * 10**9).count == 0

    for step, metric in itertools.product(STEPS, (DURATION, "wsgiapm.apdex.requests")):
        with store.reading() as reader:
            whole = Selection(1, metric, None, step, 0, 1 << 33)
            parts = whole._replace(each=True)
            assert reader.cells(whole, step=step, by_series=False) == reader.cells(parts, step=step, by_series=False)
            amounts = reader.amounts(whole, step=step, by_series=False)
            assert amounts == reader.amounts(parts, step=step, by_series=False)
            assert len({amount.series for amount in reader.amounts(whole, step=0, by_series=True)}) == 2
    assert sum(amount.late for amount in amounts) == 26
    store.close()


def test_what_needs_no_total_is_as_it_was(old_file):
    """Gauges, and what belongs to no transaction."""
    store = SqliteStore(old_file, 30 * DAY)
    with store.reading() as reader:
        for metric, amount in (("wsgiapm.worker.requests", 20), ("wsgiapm.apdex.threshold", 0.75e9)):
            (found,) = reader.amounts(Selection(1, metric, None, 10, 0, 1 << 33), step=0, by_series=False)
            assert found.total == amount
            assert len(reader.series(1, metric)) == 1
    store.close()


def test_an_update_that_fails_leaves_the_file_as_it_was(old_file, monkeypatch):
    """Either all steps are done or none."""
    before = tables(old_file)
    monkeypatch.setattr(
        schema, "_MIGRATIONS", (*schema._MIGRATIONS[:-1], (schema._script("CREATE TABLE a (b); CREATE TABLE a (b)"),))
    )

    with pytest.raises(StoreError, match="already exists"):
        SqliteStore(old_file, 30 * DAY)

    assert tables(old_file) == before


def test_operations_of_an_old_file_make_room(old_file):
    """Rows of what has tables of its own now, and was never shown, are not left where nothing would delete them."""
    with closing(sqlite3.connect(old_file)) as connection, connection:
        connection.execute("UPDATE series SET metric = 'db.client.operation.duration' WHERE metric = ?", (DURATION,))
    SqliteStore(old_file, 30 * DAY).close()

    with closing(sqlite3.connect(old_file)) as connection:
        for step in STEPS:
            assert connection.execute(f"SELECT count(*) FROM hist_{step}").fetchone() == (0,)
            assert connection.execute(f"SELECT count(*) FROM metric_{step}").fetchone() > (0,)
