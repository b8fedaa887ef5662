# SPDX-License-Identifier: Apache-2.0
"""Plans from real servers: on another connection, made as the app made its own, and without the values."""

from __future__ import annotations

import importlib
from contextlib import closing

import pytest

from wsgiapm import instruments, query_plan, slow_statements, tracing
from wsgiapm.breakdown import Breakdown
from wsgiapm.transaction import CURRENT, Transaction

SECRET = "tulips-4711"
_SQL = f"SELECT id FROM plan_goods WHERE name = '{SECRET}' AND id > %s"


class Counting:
    """Takes the place of a recorder to which every call is slow."""

    slow = 0

    def __init__(self):
        self.operations = self

    def count(self, *_):
        """See `Operations`."""

    def notice(self, *_):
        """See `Operations`."""


class Listener:
    """Keeps slow statements."""

    def __init__(self):
        self.taken = []
        slow_statements.listen(self.take)

    def take(self, operation, statement):
        """Keep one."""
        self.taken.append(statement)


@pytest.fixture
def listener():
    """With all instruments on, in a transaction."""
    failures = []
    instruments.uninstall()
    instruments.install((), lambda: failures.append(1))
    transaction = Transaction()
    transaction.breakdown = Breakdown(Counting())
    token = CURRENT.set(transaction)
    yield Listener()
    CURRENT.reset(token)
    instruments.uninstall()
    assert failures == []
    assert tracing.innermost() is None


def explain(connection, listener):
    """The plan of a statement of this connection, as it leaves the machine."""
    with closing(connection):
        return _explain(connection, listener)


def _explain(connection, listener):
    cursor = connection.cursor()
    cursor.execute("DROP TABLE IF EXISTS plan_goods")
    cursor.execute("CREATE TABLE plan_goods (id INTEGER PRIMARY KEY, name VARCHAR(50))")
    cursor.execute("INSERT INTO plan_goods VALUES (1, 'a'), (9, 'b')")
    connection.commit()
    listener.taken.clear()
    cursor.execute(_SQL, (7,))
    cursor.fetchall()
    statement = listener.taken[0]
    assert query_plan.is_explainable(statement)
    token = CURRENT.set(None)  # as on the harvest thread
    plan = query_plan.ask(statement)
    CURRENT.reset(token)
    assert SECRET in plan
    return query_plan.without_literals(plan, statement.system)


@pytest.mark.parametrize("name", ["pymysql", "MySQLdb", "mysql.connector"])
@pytest.mark.parametrize("way", ["host", "socket"])
def test_mariadb_explains(mariadb, listener, name, way):
    """By TCP and by the unix socket, with the password that the app gave."""
    library = importlib.import_module(name)
    where = {"host": mariadb.host, "port": mariadb.port} if way == "host" else {"unix_socket": mariadb.socket}
    if name == "mysql.connector":
        where["use_pure"] = True
    connection = library.connect(user=mariadb.user, password=mariadb.password, database=mariadb.name, **where)
    plan = explain(connection, listener)

    assert '"table_name": "plan_goods"' in plan
    assert SECRET not in plan
    assert "4711" not in plan


@pytest.mark.parametrize("name", ["psycopg2", "psycopg"])
@pytest.mark.parametrize("way", ["host", "socket"])
def test_postgresql_explains(postgresql, listener, name, way):
    """On a connection that can only read."""
    library = importlib.import_module(name)
    host = postgresql.host if way == "host" else postgresql.socket.rpartition("/")[0]
    connection = library.connect(host=host, port=postgresql.port, user=postgresql.user, dbname=postgresql.name)
    plan = explain(connection, listener)

    assert "on plan_goods  (cost=" in plan
    assert SECRET not in plan
    assert "= ?" in plan
