# SPDX-License-Identifier: Apache-2.0
"""mysqlclient against MariaDB."""

from __future__ import annotations

import pytest

from tests.instruments.sql.contract import DriverContract

MySQLdb = pytest.importorskip(
    "MySQLdb", reason="mysqlclient is built with a C compiler and libmariadb-dev: `make packages setup`"
)


class TestMysqlclient(DriverContract):
    """mysqlclient."""

    library = MySQLdb
    system = "mysql"
    sleep = "SELECT SLEEP(0.05)"

    @pytest.fixture
    def database(self, mariadb):
        """The server."""
        return mariadb

    @pytest.fixture
    def connect(self, database):
        """Connects by TCP."""

        def connect(**more):
            arguments = {"host": database.host, "port": database.port, **more}
            return MySQLdb.connect(user=database.user, password=database.password, database=database.name, **arguments)

        return connect

    @pytest.fixture
    def by_socket(self, database):
        """Connects by the unix socket, with arguments by position and by their old names."""

        def connect():
            return MySQLdb.connect(
                "localhost", database.user, passwd=database.password, db=database.name, unix_socket=database.socket
            )

        return connect

    def test_the_client_librarys_own_socket_is_an_address(self, recording, walks, by_socket, database):
        """Where nobody named one, the socket itself tells."""
        connection = by_socket()
        connection._wsgiapm_asked = (database.name, None)
        recording.take()
        connection.cursor().execute("SELECT 1")
        connection.close()

        assert recording.take()[0].attributes["server.address"] == database.socket

    @pytest.mark.parametrize("kind", ["DictCursor", "SSCursor", "SSDictCursor"])
    def test_cursors_of_other_kinds_are_recorded(self, recording, walks, kind):
        """They give what they always gave, one by one and as they are iterated over."""
        from MySQLdb import cursors

        with walks.cursor(getattr(cursors, kind)) as cursor:
            assert isinstance(cursor, getattr(cursors, kind))
            cursor.execute("SELECT name FROM walks ORDER BY name")
            first = cursor.fetchone()
            rest = list(cursor)

        names = [row["name"] if isinstance(row, dict) else row[0] for row in [first, *rest]]
        assert names == ["Coast", "Ridge", "Valley"]
        assert recording.names() == ["SELECT walks"]

    def test_a_procedure_is_recorded(self, recording, walks):
        """By its name."""
        cursor = walks.cursor()
        cursor.execute("DROP PROCEDURE IF EXISTS longest")
        cursor.execute("CREATE PROCEDURE longest(IN least INT) SELECT MAX(length) FROM walks WHERE length > least")
        recording.take()
        cursor.callproc("longest", (1,))

        assert cursor.fetchone() == (21,)
        assert recording.names() == ["CALL longest"]

    def test_rows_the_server_still_sends_are_the_databases_time(self, recording, walks):
        """The call is counted once, the wait for its rows belongs to it."""
        from MySQLdb.cursors import SSCursor

        cursor = walks.cursor(SSCursor)

        def act():
            cursor.execute("SELECT SLEEP(0.02) FROM walks")
            cursor.fetchall()

        spent, took = self.database_time(recording, act)
        cursor.close()

        assert recording.names() == ["SELECT walks"]
        assert spent == pytest.approx(took, rel=0.05)
        assert spent >= 60e6
