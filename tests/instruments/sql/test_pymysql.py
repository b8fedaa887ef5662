# SPDX-License-Identifier: Apache-2.0
"""PyMySQL against MariaDB, also in the place of MySQLdb."""

from __future__ import annotations

import json
import subprocess
import sys

import pymysql
import pymysql.cursors
import pytest

from tests.instruments.sql.contract import DriverContract

_AS_MYSQLDB = """
import json, sys
from tests.instruments.recording import Recording
from wsgiapm import instruments
instruments.install((), lambda: sys.exit("failed"))
import pymysql
pymysql.install_as_MySQLdb()
import MySQLdb
import MySQLdb.cursors
print(MySQLdb is pymysql)
database = json.loads(sys.argv[1])
database["unix_socket"], database["database"] = database.pop("socket"), database.pop("name")
recording = Recording()
for kind in (None, MySQLdb.cursors.SSCursor, MySQLdb.cursors.DictCursor):
    with recording.transaction():
        connection = MySQLdb.connect(**database)
        with connection.cursor(kind) as cursor:
            cursor.execute("SELECT 1")
        connection.close()
print(*recording.names())
"""


class TestPyMySQL(DriverContract):
    """PyMySQL."""

    library = pymysql
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
            return pymysql.connect(user=database.user, password=database.password, database=database.name, **arguments)

        return connect

    @pytest.fixture
    def by_socket(self, connect, database):
        """Connects by the unix socket."""
        return lambda: connect(unix_socket=database.socket)

    @pytest.mark.parametrize(
        "kind", [pymysql.cursors.DictCursor, pymysql.cursors.SSCursor, pymysql.cursors.SSDictCursor]
    )
    def test_cursors_of_other_kinds_are_recorded(self, recording, walks, kind):
        """They give what they always gave, one by one and as they are iterated over."""
        with walks.cursor(kind) as cursor:
            assert isinstance(cursor, kind)
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
        [call] = recording.take()
        assert call.name == "CALL longest"
        assert call.attributes["db.collection.name"] == "longest"

    def test_begin_is_recorded(self, recording, walks):
        """As the driver's own method, not only as a statement."""
        walks.begin()
        walks.rollback()

        assert recording.names() == ["BEGIN", "ROLLBACK"]

    def test_a_subclass_of_the_app_is_recorded(self, recording, walks):
        """Once, whatever it does before."""

        class Cursor(pymysql.cursors.Cursor):
            def execute(self, query, args=None):
                return super().execute(query + " LIMIT 1", args)

        with walks.cursor(Cursor) as cursor:
            cursor.execute("SELECT name FROM walks ORDER BY name")
            assert cursor.fetchall() == (("Coast",),)

        assert recording.names() == ["SELECT walks"]

    def test_rows_the_server_still_sends_are_the_databases_time(self, recording, walks):
        """The call is counted once, the wait for its rows belongs to it."""
        cursor = walks.cursor(pymysql.cursors.SSCursor)

        def act():
            cursor.execute("SELECT SLEEP(0.02) FROM walks")
            cursor.fetchall()

        spent, took = self.database_time(recording, act)
        cursor.close()

        assert recording.names() == ["SELECT walks"]
        assert spent == pytest.approx(took, rel=0.05)
        assert spent >= 60e6

    def test_a_reconnect_is_recorded(self, recording, walks):
        """It takes as long as the first."""
        walks.close()
        walks.connect()

        assert recording.names() == ["CONNECT"]

    def test_in_the_place_of_mysqldb_it_is_counted_once(self, database):
        """Also where its modules are loaded a second time under that name; in a process that has no other MySQLdb."""
        done = subprocess.run(
            [sys.executable, "-c", _AS_MYSQLDB, json.dumps(database._asdict())],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip

        assert done.stdout.split() == ["True", *["CONNECT", "SELECT"] * 3]
