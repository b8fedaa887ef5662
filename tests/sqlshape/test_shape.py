# SPDX-License-Identifier: Apache-2.0
"""Shapes: statements that differ in their literals alone are one, and no literal is left in its text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.sqlshape import READ_AT_MOST, shape

SYSTEMS = ("mysql", "postgresql", "sqlite", "oracle.db", "something_else")


@pytest.mark.parametrize(
    ("system", "statement", "text"),
    [
        ("mysql", "SELECT * FROM `t`\n WHERE a='x'  AND b = -5", "SELECT * FROM `t` WHERE a = ? AND b = ?"),
        ("mysql", "SELECT 3-1, x -2, f(-1)", "SELECT ? - ?, x - ?, f(?)"),
        ("sqlite", "SELECT a FROM t WHERE b IN (1, 2, 3)", "SELECT a FROM t WHERE b IN (?)"),
        ("sqlite", "SELECT a FROM t WHERE b IN (?)", "SELECT a FROM t WHERE b IN (?)"),
        ("postgresql", "SELECT a FROM t WHERE b IN %s", "SELECT a FROM t WHERE b IN (?)"),
        ("sqlite", "SELECT a FROM t WHERE b IN ()", "SELECT a FROM t WHERE b IN ()"),
        ("sqlite", "SELECT a FROM t WHERE b IN (SELECT 1)", "SELECT a FROM t WHERE b IN (SELECT ?)"),
        ("mysql", "SELECT a FROM t WHERE (b, c) IN ((1, 2), (3, 4))", "SELECT a FROM t WHERE (b, c) IN ((?, ?))"),
        ("mysql", "INSERT INTO t (a, b) VALUES (1, NOW()), (2, NOW())", "INSERT INTO t(a, b) VALUES (?, NOW())"),
        (
            "mysql",
            "INSERT INTO t VALUES (1), (2) ON DUPLICATE KEY UPDATE a = VALUES(a), b = (1 + 2)",
            "INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES (a), b = (? + ?)",
        ),
        ("postgresql", "SELECT ARRAY[1, 2], x[3], ANY(ARRAY[4])", "SELECT ARRAY[?], x[?], ANY (ARRAY[?])"),
        ("postgresql", 'SELECT "a"."b"::text, c ->> \'k\';', 'SELECT "a"."b"::text, c ->> ?'),
        ("postgresql", 'SAVEPOINT "s139_x7"', "SAVEPOINT ?"),
        ("postgresql", 'ROLLBACK TO SAVEPOINT "s139_x7"', "ROLLBACK TO SAVEPOINT ?"),
        ("postgresql", 'RELEASE SAVEPOINT "s139_x7"', "RELEASE SAVEPOINT ?"),
        ("postgresql", 'FETCH FORWARD 2000 FROM "_curs_1"', "FETCH FORWARD ? FROM ?"),
        ("postgresql", 'CLOSE "_curs_1"', "CLOSE ?"),
        ("sqlite", "/* only a comment */", ""),
        ("sqlite", ") a + (", ") a + ("),
    ],
)
def test_texts(system, statement, text):
    """The text is the statement as one would write it, with ? for what varies."""
    assert shape(statement, system).text == text


def test_one_shape_however_it_is_written():
    """Case, quotes, blanks, comments and the number of rows make no other fingerprint; another table does."""
    written = [
        "select a from t where b in (1,2)",
        "SELECT `a`\nFROM `t` /* x */ WHERE `b` IN ( 'x' ) ;",
        "SELECT a FROM T WHERE b IN (%s, %s, %s)",
    ]

    assert len({shape(statement, "mysql").fingerprint for statement in written}) == 1
    assert shape("SELECT a FROM u WHERE b IN (1)", "mysql").fingerprint != shape(written[0], "mysql").fingerprint


@pytest.mark.parametrize(
    ("statement", "operation", "table"),
    [
        ("SELECT a FROM shop.orders o JOIN lines", "SELECT", "shop.orders"),
        ('SELECT EXTRACT(YEAR FROM d) FROM "o"', "SELECT", "o"),
        ("SELECT * FROM (SELECT * FROM (SELECT 1 FROM inner_one) a) b", "SELECT", "inner_one"),
        ("(SELECT a FROM x) UNION (SELECT b FROM y)", "SELECT", "x"),
        ("SELECT 1", "SELECT", ""),
        ("SELECT 1 FROM 'text'", "SELECT", ""),
        ("SELECT * FROM generate_series(1, 2)", "SELECT", "generate_series"),
        ("WITH RECURSIVE q AS (SELECT 1 FROM a) SELECT * FROM q", "SELECT", "q"),
        ("WITH q AS (SELECT 1 FROM a) UPDATE ONLY t SET x = 1", "UPDATE", "t"),
        ("WITH q AS (SELECT 1", "WITH", ""),
        ("INSERT OR IGNORE INTO t VALUES (1)", "INSERT", "t"),
        ("insert into t select * from u", "INSERT", "t"),
        ("REPLACE INTO t VALUES (1)", "REPLACE", "t"),
        ("UPDATE OR ROLLBACK t SET x = 1", "UPDATE", "t"),
        ("DELETE FROM ONLY a.t WHERE x", "DELETE", "a.t"),
        ("MERGE INTO t USING u ON 1", "MERGE", "t"),
        ("TRUNCATE TABLE t", "TRUNCATE", "t"),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS t (a int)", "CREATE", "t"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE", "t"),
        ("DROP TABLE IF EXISTS t", "DROP", "t"),
        ("ALTER TABLE t ADD COLUMN b int", "ALTER", "t"),
        ("CALL proc(1)", "CALL", "proc"),
        ("COMMIT", "COMMIT", ""),
        ("SET NAMES utf8", "SET", ""),
        ("x" * 99, "_OTHER", ""),
        ("名前", "_OTHER", ""),
        ("", "", ""),
        ("123", "", ""),
    ],
)
def test_operations_and_tables(statement, operation, table):
    """The operation and the first table, as the conventions for databases ask for."""
    found = shape(statement, "postgresql")

    assert (found.operation, found.table) == (operation, table)


SECRET = "s3cr3t"
_INSIDE = st.lists(
    st.sampled_from(["a", " ", "-- ", "/*", "*/", ",", "(", ")", ";", "$", "[", "]", "名", "?"]), max_size=4
)


def _literals(system):
    doubled = _INSIDE.map(lambda parts: "''".join([*parts, SECRET]))
    forms = [
        doubled.map("'{}'".format),
        doubled.map("N'{}'".format),
        st.just(f"0x{SECRET}"),
        st.just("4242424242424242"),
    ]
    inside = _INSIDE.map(lambda parts: "".join([*parts, SECRET]))
    if system == "mysql":
        forms += [inside.map('"{}"'.format), inside.map(r"'\'{}\\'".format), inside.map(r'"\"{}\\"'.format)]
    if system == "postgresql":
        forms += [inside.map("$q$ '{} $q$".format), inside.map(r"E'\'{}'".format), doubled.map(r"'{}\'".format)]
    if system == "oracle.db":
        forms += [inside.map("q'!it's {}!'".format), inside.map("q'{{{} ' }}'".format)]
    if system == "something_else":
        forms += [inside.map('"{}"'.format)]
    return st.one_of(forms)


_AROUND = st.sampled_from([
    "SELECT a FROM t WHERE b = {} AND c = 1", "INSERT INTO t VALUES ({}), ({})", "UPDATE t SET a={}, b = -{}",
    "SELECT f({}, {}) -- {}\nFROM t", "SELECT /* s3cr3t */ {}", "DELETE FROM t WHERE a IN ({}, {}) OR b LIKE {}", "{}", "SET PASSWORD = {}",
    "SELECT '{{', {}", "CREATE USER x IDENTIFIED BY {}", "SELECT CASE WHEN a = {} THEN {} END", "SELECT {} {}", "SELECT a,{}",
])  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
@given(data=st.data())
def test_no_literal_survives(system, data):
    """However a literal is quoted, wherever it stands and wherever the statement is cut: it is not in the text."""
    around = data.draw(_AROUND)
    slots = around.count("{}")
    statement = around.format(*(data.draw(_literals(system)) for _ in range(slots)))
    end = data.draw(st.integers(0, len(statement)))

    for text in (shape(statement, system).text, shape(statement[:end], system).text):
        assert SECRET not in text
        assert "4242" not in text


@pytest.mark.parametrize("system", SYSTEMS)
@given(statement=st.text(st.sampled_from("'\"`\\$[]()/*-#\n ?,;.aVALUESIN1eq!:%s"), max_size=80))
def test_a_shape_has_a_shape_of_its_own_that_is_the_same(system, statement):
    """Whatever the statement: what was folded once folds no further, unless it ends in the middle of something."""
    text = shape(statement, system).text

    assert shape(text, system).text == shape(shape(text, system).text, system).text


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "IN (",
        "'",
        "$a$",
        "/*",
        "VALUES (1),",
        "a.",
        "[",
        "q'[",
        '"',
        "-",
        "1e",
        "@",
        "`",
        "_",
        "$",
        "$1a",
        "FROM (",
    ],
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_hostile_statement_is_read_up_to_a_bound(system, piece):
    """Of ten megabytes some kilobytes are read, in one pass, and the text is bounded, too."""
    hostile = piece * (10_000_000 // len(piece))

    found = shape(hostile, system)

    assert len(found.text) <= 4097
    assert found == shape(hostile[: READ_AT_MOST + 1] + "anything", system)
