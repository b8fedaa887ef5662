# SPDX-License-Identifier: Apache-2.0
"""SQLite: every call is recorded once, and its classes stay what they were."""

from __future__ import annotations

import contextvars
import os
import sqlite3
import sys
import threading
import time
from collections import Counter
from sqlite3 import dbapi2

import pytest

from wsgiapm import instruments


@pytest.fixture
def connection(recording, tmp_path):
    """A connection with a table; what it took to make it is forgotten."""
    connection = sqlite3.connect(tmp_path / "walks.db")
    connection.execute("CREATE TABLE walks (name TEXT, length REAL)")
    connection.executemany("INSERT INTO walks VALUES (?, ?)", [("Ridge", 12.5), ("Valley", 8.0), ("Coast", 21.0)])
    connection.commit()
    recording.take()
    yield connection
    connection.close()


def test_every_kind_of_call_is_recorded(recording, tmp_path):
    """With what it did to which table of which database, and nothing else."""
    path = str(tmp_path / "walks.db")
    connection = sqlite3.connect(path)
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE walks (name TEXT)")
    cursor.executemany("INSERT INTO walks VALUES (?)", [("Ridge",), ("Valley",)])
    connection.commit()
    cursor.execute("SELECT name FROM walks WHERE name = 'Ridge'").fetchone()
    cursor.executescript("DELETE FROM walks; SELECT 1")
    connection.rollback()
    connection.close()

    calls = recording.take()
    assert [call.name for call in calls] == [
        "CONNECT", "CREATE walks", "INSERT walks", "COMMIT", "SELECT walks", "DELETE walks", "ROLLBACK",
    ]  # fmt: skip
    select = calls[4].attributes
    assert len(str(select.pop("wsgiapm.operation"))) == 16
    assert select == {
        "db.system.name": "sqlite",
        "db.namespace": path,
        "db.operation.name": "SELECT",
        "db.collection.name": "walks",
        "db.query.text": "SELECT name FROM walks WHERE name = ?",
    }
    assert calls[0].attributes == {"db.system.name": "sqlite", "db.namespace": path, "db.operation.name": "CONNECT"}
    assert {call.operation.metric for call in calls} == {"db.client.operation.duration"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("?key=secret&mode=rwc", "?mode=rwc"),
        ("?mode=rwc&textkey=secret", "?mode=rwc&"),
        ("?mode=rwc&hexkey=5ec7e7&cache=private", "?mode=rwc&cache=private"),
    ],
)
def test_the_key_of_an_encrypted_database_is_not_recorded(given, kept, recording, tmp_path):
    """SQLCipher takes it in the URI; this SQLite passes over what it does not know."""
    sqlite3.connect(f"file:{tmp_path}/walks.db{given}", uri=True).close()

    [call] = recording.take()
    assert call.attributes["db.namespace"] == f"file:{tmp_path}/walks.db{kept}"


def test_the_connections_own_shortcuts_are_recorded(connection, recording):
    """The same statements, executed without a cursor of one's own."""
    rows = connection.execute("SELECT length FROM walks ORDER BY length").fetchall()
    connection.executemany("UPDATE walks SET length = ?", [(1.0,), (2.0,)])
    connection.executescript("DROP TABLE walks")

    assert rows == [(8.0,), (12.5,), (21.0,)]
    assert recording.names() == ["SELECT walks", "UPDATE walks", "DROP walks"]


def test_a_context_manager_commits_or_rolls_back(connection, recording):
    """By what happened within."""
    with connection:
        connection.execute("DELETE FROM walks")
    with pytest.raises(ZeroDivisionError), connection:
        raise ZeroDivisionError

    assert recording.names() == ["DELETE walks", "COMMIT", "ROLLBACK"]


def test_a_call_that_fails_is_counted_as_that(connection, recording):
    """With the type of the exception, which passes unchanged."""
    with pytest.raises(sqlite3.OperationalError, match="no such table: hills"):
        connection.execute("SELECT * FROM hills")

    [call] = recording.take()
    assert (call.name, call.error) == ("SELECT hills", "sqlite3.OperationalError")


def test_classes_of_the_app_stay_what_they_are(recording):
    """Its own connections and cursors, also where they make cursors themselves, `isinstance`, and rows."""

    class Cursor(sqlite3.Cursor):
        def execute(self, sql, *parameters):
            return super().execute(sql.replace("HILLS", "walks"), *parameters)

    class Connection(sqlite3.Connection):
        def cursor(self, factory=Cursor):
            return super().cursor(factory)

    connection = sqlite3.connect(":memory:", factory=Connection)
    connection.row_factory = sqlite3.Row
    recording.take()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE walks (name)")
    cursor.execute("INSERT INTO HILLS VALUES ('Ridge')")
    rows = cursor.execute("SELECT name FROM HILLS").fetchall()

    assert isinstance(connection, Connection)
    assert isinstance(cursor, Cursor)
    assert cursor.connection is connection
    assert rows[0]["name"] == "Ridge"
    # What the app's own class was called with: its time is a part of the call, too.
    assert recording.counts() == Counter({"CREATE walks": 1, "INSERT HILLS": 1, "SELECT HILLS": 1})
    connection.close()


class _Refusing(type):
    def __new__(cls, name, bases, namespace):
        if any(isinstance(base, cls) for base in bases):
            msg = "final"
            raise RuntimeError(msg)
        return super().__new__(cls, name, bases, namespace)


def test_classes_that_are_not_to_have_others_below_them_work_as_ever(recording):
    """They keep lists of these, demand things, refuse them, allow no attributes or have an `__init__` of their own."""
    told = []

    class Telling(sqlite3.Connection):
        def __init_subclass__(cls, *, demanded):
            told.append(cls)

    class Final(sqlite3.Connection, metaclass=_Refusing):
        pass

    class FinalCursor(sqlite3.Cursor, metaclass=_Refusing):
        pass

    class Frozen(sqlite3.Connection):
        def __setattr__(self, name, value):
            raise ValueError(name)

    class Direct(sqlite3.Connection):
        def __init__(self, *args, **kwargs):
            sqlite3.Connection.__init__(self, *args, **kwargs)

    for factory in (Telling, Final, Frozen, Direct):
        connection = sqlite3.connect(":memory:", factory=factory)
        recording.take()
        assert isinstance(connection, factory)
        assert connection.cursor(FinalCursor).execute("SELECT 2").fetchone() == (2,)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.commit()
        assert recording.names() == ([] if factory is Final else ["SELECT", "COMMIT"])
        connection.close()
    assert told == []


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 warns of arguments by position")
def test_a_factory_may_be_given_by_position(recording):
    """The sixth argument, as the documentation has it."""

    class Connection(sqlite3.Connection):
        pass

    connection = sqlite3.connect(":memory:", 5.0, 0, "", True, Connection)
    connection.execute("SELECT 1")

    assert isinstance(connection, Connection)
    assert recording.names() == ["CONNECT", "SELECT"]
    connection.close()


def test_a_factory_that_is_no_class_is_left_alone(recording):
    """Whatever it returns is the app's."""

    def make(*args, **kwargs):
        return sqlite3.Connection(*args, **kwargs)

    connection = sqlite3.connect(":memory:", factory=make)

    assert connection.execute("SELECT 1").fetchone() == (1,)
    connection.close()


def test_what_a_statement_executes_itself_is_a_part_of_it(connection, recording):
    """A function of the app's that SQLite calls may ask a database: that is the statement's time, and no other call."""
    connection.create_function("longest", 0, lambda: inner.execute("SELECT 21.0", ()).fetchone()[0])
    inner = sqlite3.connect(":memory:")
    inner.execute("SELECT 21.0", ())
    recording.take()
    for _ in range(2):
        assert connection.execute("SELECT longest()", ()).fetchall() == [(21.0,)]

    assert recording.names() == ["SELECT"] * 2
    inner.close()


def test_arguments_that_a_method_does_not_take_are_refused_as_ever(connection, recording):
    """In SQLite's own words, of statements that are known already, too."""
    cursor = connection.cursor()
    for _ in range(2):
        cursor.execute("SELECT 1")
    for args, kwargs in (
        (("SELECT 1",), {"parameters": ()}),
        (("SELECT 1", (), 3), {}),
        ((), {}),
        (("SELECT 1", (1, 2)), {}),
    ):
        with pytest.raises((TypeError, sqlite3.ProgrammingError)) as ours:
            cursor.execute(*args, **kwargs)
        with pytest.raises(ours.type) as plain:
            sqlite3.Cursor.execute(cursor, *args, **kwargs)
        assert str(ours.value) == str(plain.value)


def test_wrong_calls_fail_as_ever(connection, recording):
    """With the driver's own exceptions, and nothing goes wrong in us."""
    with pytest.raises(TypeError):
        sqlite3.connect()
    with pytest.raises(TypeError):
        connection.execute()
    with pytest.raises(TypeError):
        connection.cursor(3)
    with pytest.raises(TypeError):
        connection.cursor().execute(3)
    cursor = connection.cursor()
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        cursor.execute("SELECT 1")


def test_the_time_of_a_call_is_its_time(connection, recording):
    """And that of rows fetched together is the database's time, too."""
    connection.create_function("sleep", 1, lambda seconds: time.sleep(seconds) or 0)
    cursor = connection.cursor()
    with recording.transaction() as transaction:
        before = time.perf_counter_ns()
        cursor.execute("SELECT sleep(0.02) FROM walks")
        executed = time.perf_counter_ns() - before
        cursor.fetchall()
        took = time.perf_counter_ns() - before
    begin = transaction.start
    components = transaction.breakdown.components(begin, begin + 10 * took)

    [call] = recording.take()
    assert call.nanoseconds == pytest.approx(executed, rel=0.05)
    assert call.nanoseconds >= 20e6
    assert components[2] == pytest.approx(took, rel=0.05)  # the database's
    assert components[2] >= 60e6


def test_without_a_transaction_nothing_is_recorded(connection, recording):
    """A script uses the same library."""
    contextvars.Context().run(connection.execute, "SELECT 1")

    assert recording.take() == []


def test_threads_record_for_the_transaction_of_their_context(recording, tmp_path):
    """Each with a connection of its own."""
    path = tmp_path / "walks.db"

    def work():
        connection = sqlite3.connect(path)
        for _ in range(50):
            connection.execute("SELECT 1").fetchall()
        connection.close()

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert recording.counts() == Counter({"SELECT": 200, "CONNECT": 4})


def test_a_forked_child_goes_on(connection, recording):
    """With classes and operations that were made before."""
    connection.execute("SELECT 1")
    recording.take()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            fresh = sqlite3.connect(":memory:")
            fresh.execute("SELECT 1").fetchall()
            status = 0 if recording.names() == ["CONNECT", "SELECT"] else 1
        finally:
            os._exit(status)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_both_names_of_the_function_are_recorded(recording):
    """Django takes the one, most others the other."""
    for connect in (sqlite3.connect, dbapi2.connect):
        connect(database=":memory:").close()

    assert recording.names() == ["CONNECT", "CONNECT"]


def test_what_is_there_stays_when_the_instrument_goes(connection, recording):
    """Connections made before go on working, and new ones are the library's own again."""
    instruments.uninstall()

    assert len(connection.execute("SELECT * FROM walks").fetchall()) == 3
    fresh = sqlite3.connect(":memory:")
    assert type(fresh) is sqlite3.Connection
    fresh.close()


@pytest.mark.parametrize(
    ("record_sql", "text"),
    [("off", None), ("obfuscated", "SELECT ? FROM walks"), ("raw", "SELECT 'secret' FROM walks")],
)
def test_what_is_kept_of_a_statement_is_a_setting(recording, record_sql, text):
    """Nothing of it, its shape, or all of it; the strictest of several agents has its way."""
    instruments.uninstall()
    for setting in ("raw", record_sql, "raw"):
        instruments.install((), sys.exit, setting)
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE walks (name)")
    recording.take()
    connection.execute("SELECT 'secret' FROM walks")

    assert recording.take()[0].attributes.get("db.query.text") == text
    connection.close()
