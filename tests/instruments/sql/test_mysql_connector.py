# SPDX-License-Identifier: Apache-2.0
"""MySQL Connector/Python against MariaDB, in pure Python and, where its wheel fits this system, around C."""

from __future__ import annotations

import mysql.connector
import mysql.connector.pooling
import pytest

from tests.instruments.sql.contract import DriverContract

# MariaDB has none of MySQL 8's collations.
_CHARACTERS = {"charset": "utf8mb4", "collation": "utf8mb4_general_ci"}


class ConnectorContract(DriverContract):
    """Either of its two kinds."""

    library = mysql.connector
    system = "mysql"
    sleep = "SELECT SLEEP(0.05)"
    pure: bool

    @pytest.fixture
    def database(self, mariadb):
        """The server."""
        return mariadb

    @pytest.fixture
    def connect(self, database):
        """Connects by TCP."""

        def connect(**more):
            arguments = {"host": database.host, "port": database.port, "use_pure": self.pure, **_CHARACTERS, **more}
            return mysql.connector.connect(
                user=database.user, password=database.password, database=database.name, **arguments
            )

        return connect

    @pytest.fixture
    def by_socket(self, connect, database):
        """Connects by the unix socket."""
        return lambda: connect(unix_socket=database.socket)

    @pytest.mark.parametrize("kind", ["dictionary", "buffered", "prepared", "raw"])
    def test_cursors_of_other_kinds_are_recorded(self, recording, walks, kind):
        """They give what they always gave, one by one and as they are iterated over."""
        cursor = walks.cursor(**{kind: True})
        cursor.execute("SELECT name FROM walks ORDER BY name")
        first = cursor.fetchone()
        rest = list(cursor)
        cursor.close()

        names = [row["name"] if isinstance(row, dict) else row[0] for row in [first, *rest]]
        assert [name.decode() if kind == "raw" else name for name in names] == ["Coast", "Ridge", "Valley"]
        assert recording.names() == ["SELECT walks"]

    def test_a_procedure_is_recorded(self, recording, walks):
        """By its name."""
        cursor = walks.cursor()
        cursor.execute("DROP PROCEDURE IF EXISTS longest")
        cursor.execute("CREATE PROCEDURE longest(IN least INT) SELECT MAX(length) FROM walks WHERE length > least")
        recording.take()
        cursor.callproc("longest", (1,))

        assert recording.names() == ["CALL longest"]

    def test_rows_the_server_still_sends_are_the_databases_time(self, recording, walks):
        """The call is counted once, the wait for its rows belongs to it."""
        cursor = walks.cursor()

        def act():
            cursor.execute("SELECT SLEEP(0.02) FROM walks")
            cursor.fetchall()

        spent, took = self.database_time(recording, act)

        assert recording.names() == ["SELECT walks"]
        assert spent == pytest.approx(took, rel=0.05)
        assert spent >= 60e6

    def test_a_pool_hands_out_connections_that_are_recorded(self, recording, database, place):
        """Made once, used twice."""
        pool = mysql.connector.pooling.MySQLConnectionPool(
            pool_size=1, host=database.host, port=database.port, user=database.user, password=database.password,
            database=database.name, use_pure=self.pure, **_CHARACTERS,
        )  # fmt: skip
        for _ in range(2):
            connection = pool.get_connection()
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            cursor.fetchall()
            connection.close()
        pool._remove_connections()

        calls = recording.take()
        assert [call.name for call in calls] == ["CONNECT", "SELECT", "SELECT"]
        for call in calls:
            assert call.attributes.items() >= place.items()


class TestPure(ConnectorContract):
    """In pure Python."""

    pure = True


@pytest.mark.skipif(not mysql.connector.HAVE_CEXT, reason="its part in C was built for a newer system than this one")
class TestAroundC(ConnectorContract):
    """Around C."""

    pure = False
