# SPDX-License-Identifier: Apache-2.0
"""Plans of slow SELECTs, by the harvest thread, once an hour for the machine; and SQL that stays in the local log."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from contextlib import closing

import pytest

from tests.aggregate.counting import finish, join_patiently, recorder_at, started
from wsgiapm import explain, instruments, log
from wsgiapm.aggregate.journal import read_events
from wsgiapm.aggregate.merge import merge
from wsgiapm.config import resolve
from wsgiapm.exporters.events import encode_events
from wsgiapm.exporters.otlp import encode_metrics
from wsgiapm.instruments._reconnect import reconnecting
from wsgiapm.query_plan import is_explainable, without_literals
from wsgiapm.slow_statements import Statement
from wsgiapm.transaction import CURRENT

SECRET = "tulips-4711"


@pytest.fixture
def shared(tmp_path):
    """The path of a shared directory."""
    return str(tmp_path / "shop")


@pytest.fixture
def database(tmp_path):
    """A database with a table that has an index."""
    path = str(tmp_path / "goods.sqlite3")
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT); CREATE INDEX by_name ON goods (name)"
    )
    connection.close()
    return path


@pytest.fixture
def recorder(shared):
    """A recorder to which every statement is slow."""
    recorder = recorder_at(shared)
    recorder.operations.slow = 0
    yield recorder
    recorder.instance.close()


def explainer_at(recorder, **settings):
    """What a harvest thread has, with these settings."""
    return explain.make_explainer(recorder.instance, resolve(settings).settings)


def serve(recorder, database, *statements, failures=None):
    """One request that executes statements, with instruments on; `record_sql` as it was configured."""
    transaction = started(recorder)
    CURRENT.set(transaction)
    connection = sqlite3.connect(database)
    for statement, parameters in statements:
        connection.execute(statement, parameters).fetchall()
    connection.close()
    CURRENT.set(None)
    finish(recorder, transaction)
    recorder.operations.finish(transaction.breakdown, "/goods")


@pytest.fixture
def instrumented():
    """Switches the instruments on, with a setting of `record_sql`."""
    failures = []

    def switch_on(record_sql="obfuscated"):
        instruments.uninstall()
        instruments.install((), lambda: failures.append(1), record_sql)

    yield switch_on
    instruments.uninstall()
    assert failures == []


def events(recorder, name=explain.EVENT):
    """The events of this name in the journal."""
    instance = recorder.instance
    instance.journal.flush()
    found = read_events(instance.directory, instance.segment.number, instance.header.epoch).events
    return [content for content in (json.loads(event.payload) for event in found) if content["event"] == name]


def test_a_slow_select_is_explained_as_the_app_would_be(recorder, database, instrumented):
    """With its parameters, on a connection of its own; what changes something is not, nor the same once more."""
    instrumented()
    explainer = explainer_at(recorder, explain_sql=True)
    select = f"SELECT id FROM goods WHERE name = '{SECRET}' AND id > ?"
    serve(recorder, database, (select, (7,)), ("DELETE FROM goods", ()), (select, (8,)))
    explainer.work_off()
    (event,) = events(recorder)

    assert event["attributes"]["plan"] == "SEARCH goods USING COVERING INDEX by_name (name=? AND rowid>?)"
    assert len(event["attributes"]["wsgiapm.operation"]) == 16
    serve(recorder, database, (select, (9,)))
    explainer.work_off()
    assert len(events(recorder)) == 1


def test_no_request_explains_anything(recorder, database, instrumented, monkeypatch):
    """Its thread keeps the statement; another one makes the connection."""
    threads = []
    monkeypatch.setattr(explain, "ask", lambda _: threads.append(threading.get_ident()) or "PLAN")
    instrumented()
    explainer = explainer_at(recorder, explain_sql=True)
    serve(recorder, database, ("SELECT id FROM goods", ()))
    assert threads == []
    harvest = threading.Thread(target=explainer.work_off)
    harvest.start()
    harvest.join()

    assert threads == [harvest.ident]
    assert [event["attributes"]["plan"] for event in events(recorder)] == ["PLAN"]


def test_one_process_of_the_machine_explains(recorder, shared, database, instrumented, monkeypatch):
    """For an hour the others leave it to who was first."""
    from tests.aggregate.counting import run

    asked = []
    monkeypatch.setattr(explain, "ask", lambda _: asked.append(1) or "PLAN")
    clock = [10**18]
    monkeypatch.setattr(explain.clock, "monotonic_ns", lambda: clock[0])
    instrumented()
    explainer = explainer_at(recorder, explain_sql=True)
    serve(recorder, database, ("SELECT id FROM goods", ()))
    waiting = list(explainer._waiting)
    explainer.work_off()

    def other():
        recorder.leave()
        asked.clear()
        second = explain.make_explainer(join_patiently(shared), resolve({"explain_sql": True}).settings)
        for each in waiting:
            second.take(*each)
        second.work_off()
        assert asked == []

    assert run(other) == 0
    assert len(asked) == 1
    clock[0] += 3600 * 10**9
    explainer.work_off()
    serve(recorder, database, ("SELECT id FROM goods", ()))
    explainer.work_off()
    assert len(asked) == 2


def test_a_database_that_refuses_costs_nothing_but_the_plan(recorder, instrumented, database, capfd):
    """It is said once in the log, without what the driver says: that may have values in it."""
    instrumented()
    explainer = explainer_at(recorder, explain_sql=True)
    serve(recorder, database, (f"SELECT id FROM goods WHERE name = '{SECRET}'", ()))
    os.remove(database)
    explainer.work_off()

    assert events(recorder) == []
    assert not os.path.exists(database)
    said = capfd.readouterr().err
    assert "no plan of" in said
    assert SECRET not in said


def test_nothing_is_kept_unless_it_is_wanted(recorder, database, instrumented):
    """By default neither statements nor parameters are."""
    instrumented()
    explainer = explainer_at(recorder)
    serve(recorder, database, ("SELECT id FROM goods", ()))

    assert not explainer._waiting


def test_logged_sql_is_in_the_log_and_nowhere_else(recorder, shared, database, instrumented, tmp_path):
    """Neither on the wire nor in the shared directory, with all that could carry it switched on."""
    settings = resolve({"explain_sql": True, "log_sql": True, "record_sql": "raw"}).settings
    instrumented(settings.uploaded_sql)
    log.configure(str(tmp_path / "agent.log"), "INFO")
    explainer = explain.make_explainer(recorder.instance, settings)
    serve(recorder, database, *[(f"SELECT id AS tulips FROM goods WHERE name = '{SECRET}'", ())] * 5)
    explainer.work_off()
    instance = recorder.instance
    instance.journal.flush()
    sent = encode_metrics(merge(shared)) + encode_events(
        (), read_events(instance.directory, instance.segment.number, instance.header.epoch).events
    )
    for name in os.listdir(shared):
        with open(f"{shared}/{name}", "rb") as file:
            sent += file.read()

    assert b"tulips" not in sent
    assert b"goods" in sent  # the table is
    text = (tmp_path / "agent.log").read_text()
    assert f"WHERE name = '{SECRET}'" in text
    assert "plan of" in text


def test_obfuscated_statements_have_no_literal_on_the_wire(recorder, shared, database, instrumented):
    """Nor in the plan."""
    instrumented()
    explainer = explainer_at(recorder, explain_sql=True)
    serve(recorder, database, (f"SELECT id FROM goods WHERE name LIKE '{SECRET}' OR name = 'x{SECRET}'", ()))
    explainer.work_off()
    instance = recorder.instance
    sent = encode_metrics(merge(shared)) + encode_events(
        (), read_events(instance.directory, instance.segment.number, instance.header.epoch).events
    )

    assert SECRET.encode() not in sent
    assert b"LIKE ?" in sent
    assert b"wsgiapm.sql.plan" in sent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", True),
        ("  select * from goods;", True),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("SELECT ';' FROM goods", True),
        ("SELECT 1; DELETE FROM goods", False),
        ("WITH x AS (DELETE FROM goods RETURNING *) SELECT * FROM x", False),
        ("SELECT * INTO copy FROM goods", False),
        ("SELECT 1 /*! INTO OUTFILE '/tmp/x' */", False),
        ("UPDATE goods SET name = 1", False),
        ("EXPLAIN ANALYZE SELECT 1", False),
        ("", False),
    ],
)
def test_only_one_select_that_changes_nothing_is_explained(text, expected):
    """Whoever writes the statement must not get anything executed by it."""
    for system in ("sqlite", "mysql", "postgresql"):
        assert is_explainable(Statement(text, None, system, lambda: None)) is expected
    assert not is_explainable(Statement(text, None, "oracle.db", lambda: None))
    assert not is_explainable(Statement(text, None, "sqlite", None))


@pytest.mark.parametrize("database", ["", ":memory:", "file::memory:?cache=shared", "file:x?mode=memory&cache=shared"])
def test_a_database_in_memory_is_never_opened_again(database):
    """It would be another one, or, where the cache is shared, its locks would be in the app's way."""
    with closing(sqlite3.connect(":memory:")) as connection:
        assert reconnecting(connection, database) is None


def test_a_plan_of_postgresql_keeps_its_estimates_alone():
    """Conditions have `?` for their values."""
    plan = (
        "Index Scan using by_name on goods  (cost=0.15..8.17 rows=1 width=36)\n"
        f"  Index Cond: (name = '{SECRET}'::text)\n  Filter: ((price > 4711) AND (id = ANY ('{{1,4711}}'::integer[])))"
    )
    folded = without_literals(plan, "postgresql")

    assert folded.splitlines()[0] == "Index Scan using by_name on goods  (cost=0.15..8.17 rows=1 width=36)"
    assert "4711" not in folded
    assert "(name = ?::text)" in folded


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\x0c", "\u2028"])
def test_a_literal_of_several_lines_is_one_in_a_plan(ending):
    """PostgreSQL writes it as it is: what looks like a line of the plan is still a value."""
    value = f"first{ending}{SECRET} (cost=1.00 rows=4711 width=1){ending}last"
    plan = f"Seq Scan on goods  (cost=0.00..25.88 rows=6 width=32)\n  Filter: (name = '{value}'::text)\n  Rows"

    assert without_literals(plan, "postgresql") == (
        "Seq Scan on goods  (cost=0.00..25.88 rows=6 width=32)\n  Filter: (name = ?::text)\n  Rows"
    )


def test_a_plan_of_mysql_keeps_its_estimates_alone():
    """Numbers are numbers of the plan; what stands in a text may be a value."""
    plan = json.dumps(
        {
            "query_block": {
                "select_id": 1,
                "cost_info": {"query_cost": "0.35", "data_read_per_join": "1K"},
                "table": {
                    "table_name": "goods",
                    "rows_examined_per_scan": 7,
                    "attached_condition": f"(`shop`.`goods`.`name` = '{SECRET}') and (`shop`.`goods`.`price` > 4711)",
                },
            }
        }
    )
    folded = json.loads(without_literals(plan, "mysql"))["query_block"]

    assert folded["cost_info"] == {"query_cost": "0.35", "data_read_per_join": "1K"}
    assert folded["table"]["rows_examined_per_scan"] == 7
    assert folded["table"]["attached_condition"] == "(`shop`.`goods`.`name` = ?) and (`shop`.`goods`.`price` > ?)"
