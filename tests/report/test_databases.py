# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/databases and /api/v1/sql: operations and statements with their figures, callers, places and plans."""

from __future__ import annotations

import pytest

from tests.collector.messages import LogMessage, Message
from tests.report.conftest import NOW
from wsgiapm.store.model import CALLER_CALLS, CALLER_REPETITIONS, CALLER_TIME, STATEMENT_DURATION

# About 10 ms and about 100 ms.
FAST, SLOW = -53, -27
SHOP = {"db__system__name": "mysql", "db__namespace": "shop", "server__address": "db1", "server__port": 3306}
SELECT = {**SHOP, "db__operation__name": "SELECT", "db__collection__name": "walks"}
UPDATE = {**SHOP, "db__operation__name": "UPDATE", "db__collection__name": "orders"}
COMMIT = {**SHOP, "db__operation__name": "COMMIT"}
GET = {"db__system__name": "redis", "db__operation__name": "GET", "db__namespace": "0", "server__address": "cache1"}
BY_ID, BY_NAME = "SELECT * FROM walks WHERE id = ?", "SELECT * FROM walks WHERE name = ?"


def called(message, cells, total, public, operation, *, error="", text="", **callers):
    """Add calls of an operation with a text; ``callers`` maps names to calls, seconds and repetitions."""
    failed = {"error__type": error} if error else {}
    message.histogram(
        cells,
        total=total,
        name=STATEMENT_DURATION,
        **public,
        **failed,
        wsgiapm__operation=operation,
        **({"db__query__text": text} if text else {}),
    )
    for route, (calls, seconds, repetitions) in callers.items():
        scope = {"task": route} if route.startswith("tasks") else {"http__route": f"/{route}/"}
        caller = {**scope, "wsgiapm__operation": operation}
        message.sum(calls, name=CALLER_CALLS, unit="{call}", **caller)
        message.sum(seconds, name=CALLER_TIME, unit="s", **caller)
        message.sum(repetitions, name=CALLER_REPETITIONS, unit="{transaction}", **caller)


def report(*, scale=1, time=NOW, start=NOW - 5, **identity):
    """A report of an app with four operations; its counts are times ``scale``."""
    message = Message(start=start, time=time, **identity)
    name = "db.client.operation.duration"
    message.histogram({FAST: 90 * scale, SLOW: 10 * scale}, total=2.0 * scale, name=name, **SELECT)
    message.histogram({SLOW: 30 * scale}, total=3.0 * scale, name=name, **UPDATE)
    message.histogram({SLOW: 2 * scale}, total=0.5 * scale, name=name, error__type="OperationalError", **UPDATE)
    message.histogram({FAST: 40 * scale}, total=0.25 * scale, name=name, **COMMIT)
    called(
        message, {FAST: 80 * scale}, 0.75 * scale, SELECT, "a1", text=BY_ID,
        x=(60 * scale, 0.5 * scale, 3 * scale), y=(20 * scale, 0.25 * scale, 0),
    )  # fmt: skip
    called(
        message, {FAST: 10 * scale, SLOW: 10 * scale}, 1.25 * scale, SELECT, "a2", text=BY_NAME,
        x=(20 * scale, 1.25 * scale, 0),
    )  # fmt: skip
    called(message, {SLOW: 30 * scale}, 3.0 * scale, UPDATE, "b1", tasks_pay=(32 * scale, 3.5 * scale, 0))
    called(message, {SLOW: 2 * scale}, 0.5 * scale, UPDATE, "b1", error="OperationalError")
    called(message, {FAST: 40 * scale}, 0.25 * scale, COMMIT, "c1", x=(40 * scale, 0.25 * scale, 0))
    return message


@pytest.fixture
def shop(site):
    """A site with one report."""
    site.take(report())
    return site


def caller(name, kind, calls, seconds, repetitions=0):
    """A caller as the API has it."""
    return {"name": name, "kind": kind, "calls": calls, "seconds": seconds, "repetitions": repetitions}


def test_operations(shop):
    """Every key, sorted by the time they take; what failed is counted with the rest."""
    update, select, commit = shop.get("databases", app="shop")["operations"]

    durations = [operation.pop("duration") for operation in (update, select, commit)]
    place = {"system": "mysql", "namespace": "shop", "server_address": "db1", "server_port": 3306}
    assert update == {
        **place,
        "operation": "UPDATE",
        "collection": "orders",
        "calls": 32,
        "errors": 2,
        "seconds": 3.5,
        "callers": [caller("tasks_pay", "background", 32, 3.5)],
    }
    assert select == {
        **place,
        "operation": "SELECT",
        "collection": "walks",
        "calls": 100,
        "errors": 0,
        "seconds": 2.0,
        "callers": [caller("/x/", "web", 80, 1.75, 3), caller("/y/", "web", 20, 0.25)],
    }
    assert (commit["operation"], commit["collection"], commit["calls"]) == ("COMMIT", None, 40)
    assert commit["callers"] == [caller("/x/", "web", 40, 0.25)]
    assert durations[1]["mean"] == pytest.approx(0.02)
    assert durations[1]["p50"] == pytest.approx(0.0106, rel=0.09)
    assert durations[1]["p95"] == pytest.approx(0.1, rel=0.09)
    assert list(durations[1]) == ["mean", "p50", "p75", "p95", "p99", "max"]


def test_statements(shop):
    """Every key, sorted by the time they take; without a text, what is known of a statement stands for it."""
    found = shop.get("sql", app="shop")

    update, by_name, by_id = found["statements"]
    assert (found["count"], found["seconds"]) == (3, 5.5)
    duration = by_id.pop("duration")
    assert by_id == {
        "sql": BY_ID,
        "fingerprint": "a1",
        "system": "mysql",
        "operation": "SELECT",
        "namespace": "shop",
        "collection": "walks",
        "server_address": "db1",
        "server_port": 3306,
        "calls": 80,
        "errors": 0,
        "seconds": 0.75,
        "transactions": [caller("/x/", "web", 60, 0.5, 3), caller("/y/", "web", 20, 0.25)],
        "n_plus_one": True,
        "repetitions": 3,
        "site": None,
        "sites": [],
        "plan": None,
    }
    assert duration["mean"] == pytest.approx(0.75 / 80)
    assert (by_name["sql"], by_name["n_plus_one"], by_name["calls"]) == (BY_NAME, False, 20)
    assert by_name["duration"]["p95"] == pytest.approx(0.1, rel=0.09)
    assert (update["sql"], update["calls"], update["errors"]) == ("UPDATE orders", 32, 2)


def test_the_longest_statements_only(shop):
    """A page need not load thousands; how many there are is told."""
    found = shop.get("sql", app="shop", limit=1)

    assert ([statement["fingerprint"] for statement in found["statements"]], found["count"]) == (["b1"], 3)
    assert shop.get("sql", app="shop", limit=0, status=400)["error"]["message"].startswith("limit: '0'")


def test_the_newest_place_and_plan_of_a_statement(shop):
    """Also when they were told long before the window; of each reason the newest is there."""
    place = {"wsgiapm__operation": "a1", "code__file__path": "shop/views.py", "code__function__name": "listing"}
    shop.tell(
        LogMessage()
        .record("wsgiapm.sql.site", time=NOW - 9e6, reason="slow", code__line__number=7, **place)
        .record("wsgiapm.sql.site", time=NOW - 9, reason="slow", code__line__number=8, http__route="/y/", **place)
        .record("wsgiapm.sql.site", time=NOW - 99, reason="n_plus_one", code__line__number=9, calls=12, seconds="1.5", **place)
        .record("wsgiapm.sql.plan", time=NOW - 9e6, wsgiapm__operation="a1", plan="SCAN walks")
    )  # fmt: skip

    statement = next(row for row in shop.get("sql", app="shop")["statements"] if row["fingerprint"] == "a1")

    slow, again = statement["sites"]
    assert statement["site"] == slow
    assert slow == {
        "file": "shop/views.py",
        "line": 8,
        "function": "listing",
        "reason": "slow",
        "transaction": "/y/",
        "t": NOW - 9,
        "calls": None,
        "seconds": None,
    }
    assert (again["reason"], again["line"], again["calls"], again["seconds"]) == ("n_plus_one", 9, 12, 1.5)
    assert statement["plan"] == "SCAN walks"
    assert shop.get("events", app="shop")["events"] == []


@pytest.mark.parametrize("value", [1e999, True, "nan", "x", 2**62])
def test_odd_values_of_a_place_break_no_answer(shop, value):
    """Whatever somebody sends in an event."""
    odd = {"code__file__path": value, "code__line__number": value, "calls": value, "seconds": value}
    shop.tell(LogMessage().record("wsgiapm.sql.site", wsgiapm__operation="a1", reason="slow", **odd))
    shop.tell(LogMessage().record("wsgiapm.sql.plan", wsgiapm__operation="a1", plan=value))

    statement = next(row for row in shop.get("sql", app="shop")["statements"] if row["fingerprint"] == "a1")

    assert statement["site"]["reason"] == "slow"


@pytest.mark.parametrize("length", [60, 1800, 7200, 43_200, 86_400 * 3, 86_400 * 20, 86_400 * 200])
def test_operations_statements_and_callers_agree(site, length):
    """Whatever the window: all are of just the same one, and all calls of a long one are there."""
    for i in range(30):
        site.take(report(scale=i + 1, time=NOW - 29 * 10 + i * 10, start=NOW - 300))
    site.now = NOW + 4.2
    window = {"app": "shop", "from_": site.now - length, "to": site.now}

    operations = site.get("databases", **window)["operations"]
    statements = site.get("sql", **window)["statements"]

    by_operation = {row["operation"]: row for row in operations}
    select = [row for row in statements if row["operation"] == "SELECT"]
    assert sum(row["calls"] for row in select) == by_operation["SELECT"]["calls"] > 0
    for row in (*operations, *statements):
        callers = row.get("callers", row.get("transactions"))
        assert sum(caller["calls"] for caller in callers) == row["calls"]
        assert sum(caller["seconds"] for caller in callers) == pytest.approx(row["seconds"])
    if length >= 1800:
        assert [row["calls"] for row in operations] == [960, 3000, 1200]


@pytest.mark.parametrize("age", [3600, 3 * 3600, 86_400, 6 * 86_400])
def test_older_windows_are_read_from_what_is_kept(site, age):
    """Also after the finer rows have gone."""
    site.take(report(time=NOW - age, start=NOW - age - 5))
    site.store.expire(NOW)

    window = {"app": "shop", "from_": NOW - age - 900, "to": NOW - age + 900}
    assert [row["calls"] for row in site.get("databases", **window)["operations"]] == [32, 100, 40]
    assert [row["calls"] for row in site.get("sql", **window)["statements"]] == [32, 20, 80]


def test_environments_and_instances_are_summed_and_can_be_told_apart(site):
    """Two instances of one environment, and another environment with a text of its own."""
    site.take(report(uid="one"))
    site.take(report(uid="two"))
    site.take(report(uid="three", environment="test"))

    assert [row["calls"] for row in site.get("sql", app="shop")["statements"]] == [96, 60, 240]
    found = site.get("sql", app="shop", environment="test")["statements"]
    assert [(row["sql"], row["calls"]) for row in found] == [("UPDATE orders", 32), (BY_NAME, 20), (BY_ID, 80)]
    assert site.get("databases", app="shop", environment="prod")["operations"][0]["calls"] == 64


def test_a_statement_on_two_servers_shares_its_callers(site):
    """Who called is known by statement: each server gets its part of every caller."""
    message = Message(start=NOW - 5, time=NOW)
    for server, calls in (("db1", 30), ("db2", 10)):
        target = {**SELECT, "server__address": server}
        message.histogram({FAST: calls}, total=calls / 10, name="db.client.operation.duration", **target)
        called(message, {FAST: calls}, calls / 10, target, "a1", text=BY_ID)
    for route, calls in (("/x/", 32), ("/y/", 8)):
        message.sum(calls, name=CALLER_CALLS, unit="{call}", http__route=route, wsgiapm__operation="a1")
    site.take(message)

    one, two = site.get("databases", app="shop")["operations"]
    (statement,) = site.get("sql", app="shop")["statements"]

    assert [[row["calls"] for row in operation["callers"]] for operation in (one, two)] == [[24, 6], [8, 2]]
    assert (statement["calls"], statement["server_address"]) == (40, "db1")
    assert [row["calls"] for row in statement["transactions"]] == [32, 8]


def test_other_senders_have_operations_without_callers(site):
    """An OpenTelemetry SDK sends the public metric alone."""
    site.take(Message(start=NOW - 5, time=NOW).histogram({FAST: 3}, name="db.client.operation.duration", **SELECT))

    (operation,) = site.get("databases", app="shop")["operations"]

    assert (operation["calls"], operation["callers"]) == (3, [])
    assert site.get("sql", app="shop") == {"statements": [], "count": 0, "seconds": 0}


def test_caches_and_document_stores_have_a_list_of_their_own(site):
    """With their callers; what is a database is in the other list, and all is in one of both."""
    message = report()
    name = "db.client.operation.duration"
    message.histogram({FAST: 9}, total=0.5, name=name, **GET)
    message.histogram({SLOW: 1}, total=0.25, name=name, error__type="ConnectionError", **GET)
    find = {"db__system__name": "mongodb", "db__operation__name": "find", "db__collection__name": "walks"}
    message.histogram({SLOW: 2}, total=2.5, name=name, **find)
    called(message, {FAST: 9}, 0.5, GET, "r1", x=(6, 0.4, 1), y=(4, 0.35, 0))
    called(message, {SLOW: 1}, 0.25, GET, "r1", error="ConnectionError")
    site.take(message)

    first, second = site.get("nosql", app="shop")["operations"]
    databases = site.get("databases", app="shop")["operations"]

    assert [(first[key]) for key in ("system", "operation", "collection", "calls", "seconds")] == [
        "mongodb", "find", "walks", 2, 2.5,
    ]  # fmt: skip
    assert (first["server_address"], first["callers"]) == (None, [])
    assert second.pop("duration")["mean"] == pytest.approx(0.075)
    assert second == {
        "system": "redis",
        "operation": "GET",
        "namespace": "0",
        "collection": None,
        "server_address": "cache1",
        "server_port": None,
        "calls": 10,
        "errors": 1,
        "seconds": 0.75,
        "callers": [caller("/x/", "web", 6, 0.4, 1), caller("/y/", "web", 4, 0.35)],
    }
    assert {row["system"] for row in databases} == {"mysql"}
    assert len(databases) == 3


def test_what_is_no_sql_is_no_statement(site):
    """Calls of MongoDB and Redis carry an operation, too; a COMMIT has no text."""
    message = Message(start=NOW - 5, time=NOW)
    for system in ("mongodb", "redis"):
        called(message, {FAST: 1}, 0.1, {"db__system__name": system, "db__operation__name": "find"}, system)
    called(message, {FAST: 1}, 0.1, COMMIT, "c")
    site.take(message)

    assert site.get("sql", app="shop")["statements"] == []


def test_what_was_beyond_the_quota_of_the_agent_is_shown_together(site):
    """Its sums stay right: calls and callers that have no series of their own are (other)."""
    message = Message(start=NOW - 5, time=NOW)
    other = {"db__system__name": "(other)"}
    message.histogram({FAST: 7}, total=0.5, name="db.client.operation.duration", **other)
    called(message, {FAST: 7}, 0.5, other, "(other)")
    message.sum(4, name=CALLER_CALLS, unit="{call}", http__route="(other)", wsgiapm__operation="(other)")
    site.take(message)

    (statement,) = site.get("sql", app="shop")["statements"]
    (operation,) = site.get("databases", app="shop")["operations"]

    assert (statement["sql"], statement["system"], statement["calls"]) == ("(other)", "(other)", 7)
    assert statement["transactions"] == operation["callers"] == [caller("(other)", "web", 4, 0.0)]
