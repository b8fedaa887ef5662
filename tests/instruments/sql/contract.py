# SPDX-License-Identifier: Apache-2.0
"""What holds for the instrument of every driver, against a real server."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections import Counter

import pytest

from wsgiapm import instruments
from wsgiapm.span import DB


class DriverContract:
    """The tests; a driver's class says by fixtures what it connects with.

    `connect(**more)` returns a new connection, by TCP unless `more` says so. `by_socket()` one by the unix socket.
    `library` is the driver's module, `database` the server, `system` its name, `sleep` a statement that sleeps for 50 ms.
    """

    system: str
    sleep: str
    error_type: str

    @pytest.fixture
    def walks(self, recording, connect):
        """A connection, and a table with three rows."""
        connection = connect()
        cursor = connection.cursor()
        cursor.execute("DROP TABLE IF EXISTS walks")
        cursor.execute("CREATE TABLE walks (name VARCHAR(20), length INTEGER)")
        cursor.executemany("INSERT INTO walks VALUES (%s, %s)", [("Ridge", 12), ("Valley", 8), ("Coast", 21)])
        connection.commit()
        recording.take()
        yield connection
        with contextlib.suppress(self.library.Error):
            connection.close()

    @pytest.fixture
    def place(self, database):
        """What every call by TCP is counted under."""
        return {
            "db.system.name": self.system,
            "db.namespace": database.name,
            "server.address": database.host,
            "server.port": database.port,
        }

    def test_every_kind_of_call_is_recorded_once(self, recording, connect, place):
        """With what it did to which table of which database on which host and port."""
        connection = connect()
        cursor = connection.cursor()
        cursor.execute("DROP TABLE IF EXISTS hills")
        cursor.execute("CREATE TABLE hills (name VARCHAR(20))")
        cursor.executemany("INSERT INTO hills VALUES (%s)", [("Ben",), ("Beinn",)])
        connection.commit()
        cursor.execute("SELECT name FROM hills WHERE name = 'Ben' AND name = %s", ("Ben",))
        cursor.fetchall()
        cursor.execute("DELETE FROM hills")
        connection.rollback()
        connection.close()

        calls = recording.take()
        assert [call.name for call in calls] == [
            "CONNECT", "DROP hills", "CREATE hills", "INSERT hills", "COMMIT", "SELECT hills", "DELETE hills", "ROLLBACK",
        ]  # fmt: skip
        assert {call.error for call in calls} == {None}
        for call in calls:
            assert call.attributes.items() >= place.items(), call
        select = calls[5].attributes
        assert len(select.pop("wsgiapm.operation")) == 16
        assert select == place | {
            "db.operation.name": "SELECT",
            "db.collection.name": "hills",
            "db.query.text": "SELECT name FROM hills WHERE name = ? AND name = ?",
        }

    def test_a_unix_socket_is_an_address(self, recording, by_socket, database):
        """Its path, and no port."""
        connection = by_socket()
        connection.cursor().execute("SELECT 1")
        connection.close()

        calls = recording.take()
        assert [call.name for call in calls] == ["CONNECT", "SELECT"]
        for call in calls:
            assert call.attributes["server.address"] == database.socket
            assert "server.port" not in call.attributes

    def test_a_call_that_fails_is_counted_as_that(self, recording, walks):
        """With the type of the exception, which is the driver's own."""
        with pytest.raises(self.library.Error) as caught:
            walks.cursor().execute("SELECT * FROM no_such_table")

        [call] = recording.take()
        assert call.name == "SELECT no_such_table"
        raised = type(caught.value)
        assert call.error == f"{raised.__module__}.{raised.__qualname__}"

    def test_a_connection_that_fails_is_counted_as_that(self, recording, connect, place):
        """At the place that was asked for."""
        with pytest.raises(self.library.Error):
            connect(port=1)

        [call] = recording.take()
        assert call.name == "CONNECT"
        assert call.error is not None
        assert call.attributes.items() >= (place | {"server.port": 1}).items()

    def test_the_time_of_a_call_is_its_time(self, recording, walks):
        """Within five percent of what is measured around it."""
        cursor = walks.cursor()
        before = time.perf_counter_ns()
        cursor.execute(self.sleep)
        took = time.perf_counter_ns() - before

        [call] = recording.take()
        assert call.nanoseconds == pytest.approx(took, rel=0.05)
        assert call.nanoseconds >= 50e6

    def test_each_thread_records_its_calls(self, recording, connect):
        """For the transaction of its context."""

        def work():
            connection = connect()
            cursor = connection.cursor()
            for number in range(25):
                cursor.execute("SELECT %s", (number,))
                assert list(cursor.fetchall()) == [(number,)]
            connection.close()

        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert recording.counts() == Counter({"SELECT": 100, "CONNECT": 4})

    def test_without_a_transaction_nothing_is_recorded(self, recording, walks):
        """A script uses the same library."""
        contextvars.Context().run(walks.cursor().execute, "SELECT 1")

        assert recording.take() == []

    def test_wrong_use_fails_as_ever(self, recording, walks):
        """On a closed cursor, with no statement at all, and after all is closed."""
        cursor = walks.cursor()
        with pytest.raises(TypeError):
            cursor.execute()
        cursor.close()
        with pytest.raises((self.library.Error, ReferenceError)):
            cursor.execute("SELECT 1")
        walks.close()
        with pytest.raises((self.library.Error, ReferenceError)):
            walks.cursor().execute("SELECT 1")

    def test_a_connection_goes_on_when_the_instrument_goes(self, recording, walks):
        """And when it comes back."""
        instruments.uninstall()
        cursor = walks.cursor()
        cursor.execute("SELECT COUNT(*) FROM walks")
        assert cursor.fetchone() == (3,)
        instruments.install((), lambda: None)
        cursor.execute("SELECT COUNT(*) FROM walks")
        assert cursor.fetchone() == (3,)

    def database_time(self, recording, act):
        """The nanoseconds that `act` waits for the database, and those it takes."""
        with recording.transaction() as transaction:
            before = time.perf_counter_ns()
            act()
            took = time.perf_counter_ns() - before
            end = transaction.start + took * 10
        return transaction.breakdown.components(transaction.start, end)[DB], took
