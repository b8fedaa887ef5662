# SPDX-License-Identifier: Apache-2.0
"""What the calls of the DB-API are, apart from any driver: operations that are made once, and bounds."""

from __future__ import annotations

import sys

import pytest

from wsgiapm import instruments
from wsgiapm.instruments import _dbapi
from wsgiapm.instruments._dbapi import OTHER, connecting_as, place


@pytest.fixture(autouse=True)
def no_places(monkeypatch):
    """Whatever was connected to before is not known."""
    monkeypatch.setattr(_dbapi, "_places", {})


def test_a_place_and_an_operation_are_made_once():
    """Operations are compared by identity; statements that differ in their literals are one."""
    here = place("postgresql", "walks", "db", 5432)
    first = here.statement("SELECT * FROM walks WHERE id = 1")

    assert place("postgresql", "walks", "db", "5432") is here
    assert here.statement("SELECT * FROM walks WHERE id = 2") is first
    assert here.statement(b"SELECT * FROM walks WHERE id = 3") is first
    assert here.verb("COMMIT") is here.verb("COMMIT")
    assert place("postgresql", "walks", "db", 5433).statement("SELECT * FROM walks WHERE id = 1") is not first


def test_shapes_without_end_are_counted_together():
    """An operation is kept as long as the process lives, so there are not more of them than can be kept."""
    here = place("mysql", "walks")
    made = {here.statement(f"SELECT * FROM walks_{number}") for number in range(3000)}

    assert len(made) == 1001
    assert {operation.name for operation in made if "wsgiapm.operation" not in dict(operation.attributes)} == {"SELECT"}
    assert here.statement("SELECT * FROM walks_7").name == "SELECT walks_7"


def test_statements_without_end_are_forgotten():
    """Such as have their values in the text; their operation stays the same."""
    here = place("mysql", "walks")
    made = {here.statement(f"SELECT * FROM walks WHERE id = {number}") for number in range(5000)}

    assert len(made) == 1
    assert len(here.statements) <= 2000


def test_databases_without_end_share_what_is_remembered_of_statements():
    """One for each customer, and each with statements of its own: together they take no more than a few of them would."""
    tenants = [place("mysql", f"tenant{number}") for number in range(40)]
    for number, tenant in enumerate(tenants):
        for value in range(300):
            tenant.statement(f"SELECT * FROM walks WHERE id = {number * 1000 + value}")

    assert sum(len(tenant.statements) for tenant in tenants) <= 4000


def test_a_long_statement_is_not_remembered():
    """Its operation is the same all the same."""
    here = place("mysql", "walks")
    long = "INSERT INTO walks VALUES " + ", ".join(f"({number})" for number in range(2000))

    assert here.statement(long) is here.statement(long + ", (5)")
    assert here.statements == {}


def test_verbs_and_places_without_end_are_counted_together():
    """As many tenants as there may be."""
    here = place("mysql", "walks")
    verbs = {here.verb(f"VERB{number}") for number in range(200)}
    places = {place("mysql", f"tenant_{number}") for number in range(1000)}

    assert len(verbs) == 51
    assert dict(here.verb("VERB199").attributes)["db.operation.name"] == OTHER
    assert len(places) == 200
    assert dict(place("mysql", "tenant_999").verb("COMMIT").attributes)["db.namespace"] == OTHER


def test_an_alias_makes_a_place_of_its_own():
    """Two aliases may lead to one database."""
    with connecting_as("replica"):
        replica = place("mysql", "walks", "db")

    assert replica is not place("mysql", "walks", "db")
    assert dict(replica.verb("COMMIT").attributes)["wsgiapm.db.alias"] == "replica"


def test_a_statement_of_nothing_has_a_name():
    """Whatever is executed."""
    assert place("sqlite").statement("").name == OTHER
    assert place("sqlite").statement("\ud800 \0").name == OTHER


def test_a_stricter_setting_holds_for_what_is_known():
    """Operations are made anew without the text."""
    instruments.uninstall()
    instruments.install((), sys.exit, "raw")
    here = place("mysql", "walks")
    assert dict(here.statement("SELECT 1").attributes)["db.query.text"] == "SELECT 1"
    instruments.install((), sys.exit, "off")

    assert "db.query.text" not in dict(here.statement("SELECT 1").attributes)
    instruments.uninstall()
