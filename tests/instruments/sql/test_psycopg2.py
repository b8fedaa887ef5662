# SPDX-License-Identifier: Apache-2.0
"""psycopg2 against PostgreSQL."""

from __future__ import annotations

import io
import os

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
import pytest
from psycopg2 import sql

from tests.instruments.sql.contract import DriverContract


class TestPsycopg2(DriverContract):
    """psycopg2."""

    library = psycopg2
    system = "postgresql"
    sleep = "SELECT pg_sleep(0.05)"

    @pytest.fixture
    def database(self, postgresql):
        """The server."""
        return postgresql

    @pytest.fixture
    def connect(self, database):
        """Connects by TCP."""

        def connect(**more):
            arguments = {"host": database.host, "port": database.port, **more}
            return psycopg2.connect(user=database.user, dbname=database.name, **arguments)

        return connect

    @pytest.fixture
    def by_socket(self, database):
        """Connects by the unix socket, with a DSN."""
        place = os.path.dirname(database.socket)
        dsn = f"host={place} port={database.port} user={database.user} dbname={database.name}"
        return lambda: psycopg2.connect(dsn)

    @pytest.mark.parametrize(
        ("factory", "key"),
        [
            (psycopg2.extras.DictCursor, "name"),
            (psycopg2.extras.RealDictCursor, "name"),
            (psycopg2.extras.NamedTupleCursor, 0),
        ],
    )
    def test_cursors_of_other_kinds_are_recorded(self, recording, walks, factory, key):
        """They give what they always gave, one by one and as they are iterated over."""
        with walks.cursor(cursor_factory=factory) as cursor:
            assert isinstance(cursor, factory)
            assert cursor.connection is walks
            cursor.execute("SELECT name FROM walks ORDER BY name")
            rows = [cursor.fetchone(), *cursor]

        assert [row[key] for row in rows] == ["Coast", "Ridge", "Valley"]
        assert recording.names() == ["SELECT walks"]

    @pytest.mark.parametrize("kind", [psycopg2.extras.DictConnection, psycopg2.extras.RealDictConnection])
    def test_connections_of_other_kinds_are_recorded(self, recording, walks, connect, kind):
        """They make their own cursors."""
        connection = connect(connection_factory=kind)
        assert isinstance(connection, kind)
        cursor = connection.cursor()
        cursor.execute("SELECT name FROM walks ORDER BY name")

        assert cursor.fetchone()["name"] == "Coast"
        assert recording.names() == ["CONNECT", "SELECT walks"]
        connection.close()

    def test_the_connections_own_cursor_factory_holds(self, recording, walks, connect):
        """As Django sets it."""
        connection = connect(cursor_factory=psycopg2.extras.DictCursor)
        cursor = connection.cursor()
        cursor.execute("SELECT name FROM walks ORDER BY name")

        assert cursor.fetchone()["name"] == "Coast"
        assert recording.names() == ["CONNECT", "SELECT walks"]
        connection.close()

    def test_a_context_manager_commits_or_rolls_back(self, recording, walks):
        """By what happened within, and once."""
        with walks, walks.cursor() as cursor:
            cursor.execute("DELETE FROM walks")
        with pytest.raises(ZeroDivisionError), walks:
            raise ZeroDivisionError

        assert recording.names() == ["DELETE walks", "COMMIT", "ROLLBACK"]

    def test_a_function_is_recorded(self, recording, walks):
        """By its name."""
        cursor = walks.cursor()
        cursor.callproc("abs", (-3,))

        assert cursor.fetchone() == (3,)
        assert recording.names() == ["CALL abs"]

    def test_copies_are_recorded(self, recording, walks):
        """With the table."""
        cursor = walks.cursor()
        cursor.copy_from(io.StringIO("Hill\t3\n"), "walks")
        cursor.copy_expert("COPY walks FROM STDIN", io.StringIO("Dale\t4\n"))
        target = io.StringIO()
        cursor.copy_to(target, "walks")

        assert target.getvalue().count("\n") == 5
        assert recording.names() == ["COPY walks"] * 3

    def test_a_statement_may_be_composed_or_bytes(self, recording, walks):
        """It is the text that counts."""
        cursor = walks.cursor()
        query = sql.SQL("SELECT {} FROM {} WHERE name = {}").format(
            sql.Identifier("length"), sql.Identifier("walks"), sql.Literal("Ridge")
        )
        cursor.execute(query)
        assert cursor.fetchone() == (12,)
        cursor.execute(b"SELECT 1")

        calls = recording.take()
        assert [call.name for call in calls] == ["SELECT walks", "SELECT"]
        assert calls[0].attributes["db.query.text"] == 'SELECT "length" FROM "walks" WHERE name = ?'

    def test_rows_the_server_still_has_are_the_databases_time(self, recording, walks):
        """The call is counted once, the wait for its rows belongs to it."""
        cursor = walks.cursor("a_name")

        def act():
            cursor.execute("SELECT name, pg_sleep(0.02) FROM walks")
            assert [row[0] for row in cursor] == ["Ridge", "Valley", "Coast"]

        spent, took = self.database_time(recording, act)
        cursor.close()

        assert recording.names() == ["SELECT walks"]
        assert spent == pytest.approx(took, rel=0.1)
        assert spent >= 60e6

    def test_functions_in_c_take_our_objects(self, recording, walks):
        """Which many a proxy breaks."""
        cursor = walks.cursor()
        psycopg2.extensions.register_type(psycopg2.extensions.UNICODE, cursor)
        psycopg2.extras.register_uuid(conn_or_curs=walks)

        assert psycopg2.extensions.quote_ident("a b", cursor) == '"a b"'
        assert sql.Identifier("a").as_string(walks) == '"a"'
        psycopg2.extras.execute_values(cursor, "INSERT INTO walks VALUES %s", [("A", 1), ("B", 2)])
        assert recording.names() == ["INSERT walks"]

    def test_a_pool_hands_out_connections_that_are_recorded(self, recording, database, place):
        """Made once, used twice."""
        pool = psycopg2.pool.ThreadedConnectionPool(
            1, 1, host=database.host, port=database.port, user=database.user, dbname=database.name
        )
        for _ in range(2):
            connection = pool.getconn()
            connection.cursor().execute("SELECT 1")
            pool.putconn(connection)
        pool.closeall()

        calls = recording.take()
        # It rolls back itself what was begun, before it takes a connection back.
        assert [call.name for call in calls] == ["CONNECT", "SELECT", "ROLLBACK", "SELECT", "ROLLBACK"]
        for call in calls:
            assert call.attributes.items() >= place.items()
