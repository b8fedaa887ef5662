# SPDX-License-Identifier: Apache-2.0
"""psycopg 3 against PostgreSQL."""

from __future__ import annotations

import os

import psycopg
import psycopg.rows
import psycopg_pool
import pytest
from psycopg import sql

from tests.instruments.sql.contract import DriverContract


class TestPsycopg(DriverContract):
    """psycopg 3."""

    library = psycopg
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
            return psycopg.connect(user=database.user, dbname=database.name, **arguments)

        return connect

    @pytest.fixture
    def by_socket(self, database):
        """Connects by the unix socket, with a connection string."""
        place = os.path.dirname(database.socket)
        conninfo = f"host={place} port={database.port} user={database.user} dbname={database.name}"
        return lambda: psycopg.connect(conninfo)

    def test_a_subclass_is_what_it_connects_to(self, recording, database):
        """It is a class method."""

        class Connection(psycopg.Connection):
            pass

        connection = Connection.connect(
            host=database.host, port=database.port, user=database.user, dbname=database.name
        )

        assert type(connection) is Connection
        assert recording.names() == ["CONNECT"]
        connection.close()

    def test_the_connections_own_shortcut_is_recorded(self, recording, walks):
        """Once, with rows made as asked for."""
        walks.row_factory = psycopg.rows.dict_row

        assert walks.execute("SELECT name FROM walks ORDER BY name").fetchone() == {"name": "Coast"}
        assert recording.names() == ["SELECT walks"]

    def test_context_managers_are_recorded(self, recording, connect, walks):
        """Of connections, of transactions and of those within."""
        walks.close()
        with connect() as connection:
            with connection.transaction():
                connection.execute("DELETE FROM walks WHERE name = 'Ridge'")
                with connection.transaction():
                    connection.execute("SELECT 1")
            with pytest.raises(ZeroDivisionError), connection.transaction():
                raise ZeroDivisionError

        assert recording.names() == [
            "CONNECT", "BEGIN", "DELETE walks", "SAVEPOINT", "SELECT", "RELEASE", "COMMIT", "BEGIN", "ROLLBACK", "COMMIT",
        ]  # fmt: skip

    def test_a_statement_may_be_composed_or_bytes(self, recording, walks):
        """It is the text that counts."""
        query = sql.SQL("SELECT {} FROM {} WHERE name = {}").format(
            sql.Identifier("length"), sql.Identifier("walks"), sql.Literal("Ridge")
        )
        assert walks.execute(query).fetchone() == (12,)
        walks.execute(b"SELECT 1")

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

    def test_a_stream_is_one_call(self, recording, walks):
        """However many rows come."""
        rows = [row[0] for row in walks.cursor().stream("SELECT name FROM walks ORDER BY name")]

        assert rows == ["Coast", "Ridge", "Valley"]
        assert recording.names() == ["SELECT walks"]

    def test_a_pool_hands_out_connections_that_are_recorded(self, recording, database, place):
        """They are made by threads of its own, which run no transaction."""
        conninfo = f"host={database.host} port={database.port} user={database.user} dbname={database.name}"
        with psycopg_pool.ConnectionPool(conninfo, min_size=1, max_size=1, open=False) as pool:
            pool.wait()
            for _ in range(2):
                with pool.connection() as connection:
                    connection.execute("SELECT 1")

        calls = recording.take()
        assert [call.name for call in calls] == ["SELECT", "COMMIT"] * 2
        for call in calls:
            assert call.attributes.items() >= place.items()
