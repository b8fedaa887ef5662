# SPDX-License-Identifier: Apache-2.0
"""python-oracledb. There is no Oracle here: the calls are recorded of a stand-in that has the driver's classes.

That the driver itself has what is patched is held to in test_conformance.py.
"""

from __future__ import annotations

import sys
import types

import oracledb
import pytest

from tests.instruments.recording import Recording
from wsgiapm import instruments
from wsgiapm.instruments.oracledb import PATCHES

DSN = "db.example.org:1522/walks"
PLACE = {
    "db.system.name": "oracle.db",
    "db.namespace": "walks",
    "server.address": "db.example.org",
    "server.port": 1522,
}


class Connection:
    """As the driver's, as far as it is asked."""

    def __init__(self, dsn):
        self.dsn = dsn

    def commit(self):
        pass

    def rollback(self):
        pass

    def cursor(self):
        return Cursor(self)


class Cursor:
    """As the driver's, as far as it is asked."""

    def __init__(self, connection):
        self.connection = connection

    def execute(self, statement, parameters=None, **more):
        if "broken" in statement:
            raise ZeroDivisionError
        return self

    def executemany(self, statement, parameters=()):
        pass

    def callproc(self, name, parameters=()):
        return parameters

    def callfunc(self, name, return_type, parameters=()):
        return 3

    def fetchmany(self, size=0):
        return []

    def fetchall(self):
        return [(1,)]


def connect(dsn=None, **more):
    """As the driver's, as far as it is asked."""
    return Connection(dsn or f"{more['host']}:{more['port']}/{more['service_name']}")


@pytest.fixture
def driver(monkeypatch):
    """The stand-in, with the instrument on."""
    instruments.uninstall()
    module = types.ModuleType("oracledb")
    vars(module).update(connect=connect, Connection=Connection, Cursor=Cursor)
    monkeypatch.setitem(sys.modules, "oracledb", module)
    instruments.install((), sys.exit)
    yield module
    instruments.uninstall()


def test_every_kind_of_call_is_recorded_once(driver):
    """With what it did to which table of which database on which host and port."""
    recording = Recording()
    with recording.transaction():
        connection = driver.connect(dsn=DSN)
        cursor = connection.cursor()
        cursor.execute("SELECT q'[secret]' FROM walks WHERE id = :1", [1])
        assert cursor.fetchall() == [(1,)]
        cursor.executemany("INSERT INTO walks VALUES (:1)", [(1,)])
        cursor.callproc("longest")
        assert cursor.callfunc("shortest", int) == 3
        connection.commit()
        connection.rollback()
        with pytest.raises(ZeroDivisionError):
            cursor.execute("DELETE FROM broken")

    calls = recording.take()
    assert [call.name for call in calls] == [
        "CONNECT", "SELECT walks", "INSERT walks", "CALL longest", "CALL shortest", "COMMIT", "ROLLBACK", "DELETE broken",
    ]  # fmt: skip
    for call in calls:
        assert call.attributes.items() >= PLACE.items()
    assert calls[1].attributes["db.query.text"] == "SELECT ? FROM walks WHERE id = ?"
    assert [call.error for call in calls if call.error] == ["ZeroDivisionError"]


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ({"dsn": "user/secret@//db.example.org:1522/walks"}, PLACE),
        ({"dsn": "db.example.org/walks:pooled"}, {**PLACE, "server.port": 1521}),
        ({"host": "db.example.org", "port": 1522, "service_name": "walks"}, PLACE),
        ({"dsn": "a_name_of_tnsnames"}, {"db.system.name": "oracle.db", "db.namespace": "a_name_of_tnsnames"}),
    ],
)
def test_a_place_is_read_from_what_is_asked_for(driver, arguments, place):
    """However it is said; a password never gets in."""
    recording = Recording()
    with recording.transaction():
        driver.connect(**arguments).cursor().execute("SELECT 1 FROM dual")

    for call in recording.take():
        found = {name: value for name, value in call.attributes.items() if name in {*PLACE, "server.address"}}
        assert found == place
        assert "secret" not in repr(call.attributes)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.target)
def test_the_driver_itself_has_what_is_patched(patch):
    """By these names."""
    holder = oracledb
    for name in patch.target.split("."):
        holder = getattr(holder, name)

    assert callable(holder)
