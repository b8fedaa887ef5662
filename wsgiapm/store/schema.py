# SPDX-License-Identifier: Apache-2.0
"""The tables of the SQLite store, their version, and how an older file becomes a newer one.

app, instance, series    what has reported, and what it reports
stream                   the last cumulative point of each series of each instance: differences are made against it
event                    what happened at one moment, by its identity
metric_<step>            per series, instance and ``step`` seconds: observations, their sum, how much was booked late
hist_<step>              the same, per histogram bucket; a row of metric_<step> counts what its cells here add up to
detail_<step>            per operation, statement, or caller of one, and ``step`` seconds: calls, their time, and a packed histogram
text                     the statements, each once, by what they are called in the attributes of series
note                     what was last said about a statement: where in the code it is, how the database carries it out

A series of a transaction has a total beside it, which adds up all transactions; rows of both are written together. So what
is asked about the whole app is answered from a few series, however many transactions there are.

Reads always aggregate, so rows may be added by anybody in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from wsgiapm.store.model import DETAIL_STEPS, HTTP_CLIENT_DURATION, OPERATION_DURATION, STEPS
from wsgiapm.store.totals import build_totals

if TYPE_CHECKING:
    import sqlite3

# "wapm" in the file's header tells our database from everybody else's.
APPLICATION_ID = 0x7761706D
VERSION = 5

_CATALOGUE = """
CREATE TABLE app (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, environment TEXT NOT NULL,
    UNIQUE (name, environment));
CREATE TABLE instance (
    id INTEGER PRIMARY KEY, app INTEGER NOT NULL, uid TEXT NOT NULL, attributes TEXT NOT NULL,
    first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL, report_ns INTEGER NOT NULL, before_ns INTEGER NOT NULL,
    UNIQUE (app, uid));
CREATE TABLE series (
    app INTEGER NOT NULL, id INTEGER NOT NULL, metric TEXT NOT NULL, kind TEXT NOT NULL, unit TEXT NOT NULL,
    scope TEXT NOT NULL, attributes TEXT NOT NULL,
    PRIMARY KEY (app, id)) WITHOUT ROWID;
CREATE INDEX series_by_metric ON series (app, metric, scope);
CREATE TABLE stream (
    app INTEGER NOT NULL, series INTEGER NOT NULL, instance INTEGER NOT NULL,
    start_ns INTEGER NOT NULL, time_ns INTEGER NOT NULL, n INTEGER NOT NULL, total NOT NULL, cells TEXT NOT NULL,
    PRIMARY KEY (app, series, instance)) WITHOUT ROWID;
"""

_TIER = """
CREATE TABLE metric_{step} (
    app INTEGER NOT NULL, series INTEGER NOT NULL, t INTEGER NOT NULL, src INTEGER NOT NULL,
    n INTEGER NOT NULL, total NOT NULL, late NOT NULL, low, high, last,
    PRIMARY KEY (app, series, t, src)) WITHOUT ROWID;
CREATE TABLE hist_{step} (
    app INTEGER NOT NULL, series INTEGER NOT NULL, t INTEGER NOT NULL, src INTEGER NOT NULL,
    bucket INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (app, series, t, src, bucket)) WITHOUT ROWID;
"""

_EVENT = """
CREATE TABLE event (
    app INTEGER NOT NULL, id INTEGER NOT NULL, time_ns INTEGER NOT NULL, name TEXT NOT NULL,
    severity INTEGER NOT NULL, message TEXT NOT NULL, instance TEXT NOT NULL, attributes TEXT NOT NULL,
    PRIMARY KEY (app, id)) WITHOUT ROWID;
CREATE INDEX event_by_time ON event (app, time_ns);
"""

_TOTAL = "ALTER TABLE series ADD COLUMN is_total INTEGER NOT NULL DEFAULT 0"

_DETAIL = """
CREATE TABLE detail_{step} (
    app INTEGER NOT NULL, series INTEGER NOT NULL, t INTEGER NOT NULL, n INTEGER NOT NULL, total NOT NULL, cells BLOB NOT NULL,
    PRIMARY KEY (app, series, t)) WITHOUT ROWID;
"""

# Other senders' rows of a metric that nothing has ever shown.
_NO_DETAIL = """
DELETE FROM metric_{step} WHERE (app, series) IN (SELECT app, id FROM series WHERE metric = '{metric}');
DELETE FROM hist_{step} WHERE (app, series) IN (SELECT app, id FROM series WHERE metric = '{metric}');
"""

_STATEMENTS = """
CREATE TABLE text (
    app INTEGER NOT NULL, id TEXT NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (app, id)) WITHOUT ROWID;
CREATE TABLE note (
    app INTEGER NOT NULL, operation TEXT NOT NULL, name TEXT NOT NULL, time_ns INTEGER NOT NULL, attributes TEXT NOT NULL,
    PRIMARY KEY (app, operation, name)) WITHOUT ROWID;
"""

_Step = Callable[["sqlite3.Connection"], None]


def _script(text: str) -> _Step:
    def run(connection: sqlite3.Connection) -> None:
        for statement in filter(None, map(str.strip, text.split(";"))):
            connection.execute(statement)

    return run


# What leads from version i to version i + 1 stands at place i.
_MIGRATIONS: tuple[tuple[_Step, ...], ...] = (
    (_script(_CATALOGUE), *(_script(_TIER.format(step=step)) for step in STEPS)),
    (_script(_EVENT),),
    (_script(_TOTAL), build_totals),
    (
        _script(_STATEMENTS),
        *(_script(_DETAIL.format(step=step)) for step in DETAIL_STEPS),
        *(_script(_NO_DETAIL.format(step=step, metric=OPERATION_DURATION)) for step in STEPS),
    ),
    tuple(_script(_NO_DETAIL.format(step=step, metric=HTTP_CLIENT_DURATION)) for step in STEPS),
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to VERSION, in one transaction; does nothing when they are."""
    connection.execute("BEGIN IMMEDIATE")
    with ExitStack() as undo:
        undo.callback(connection.execute, "ROLLBACK")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for steps in _MIGRATIONS[version:]:
            for step in steps:
                step(connection)
        if version < VERSION:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        undo.pop_all()
    connection.execute("COMMIT")
