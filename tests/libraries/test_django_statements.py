# SPDX-License-Identifier: Apache-2.0
"""What Django's own tests send to SQLite, some twenty thousand statements: their shapes keep no literal and name their table."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.libraries.__main__ import ROOT, Library, fetch
from wsgiapm.sqlshape import READ_AT_MOST, shape

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

LABELS = [
    "aggregation",
    "aggregation_regress",
    "annotations",
    "backends",
    "basic",
    "bulk_create",
    "constraints",
    "custom_lookups",
    "db_functions",
    "dates",
    "datetimes",
    "delete",
    "expressions",
    "expressions_case",
    "expressions_window",
    "extra_regress",
    "filtered_relation",
    "indexes",
    "inspectdb",
    "introspection",
    "lookup",
    "many_to_many",
    "migrations",
    "model_fields",
    "null_queries",
    "ordering",
    "prefetch_related",
    "queries",
    "raw_query",
    "schema",
    "select_related",
    "update",
]
_QUOTED_NAME = re.compile(r'"(?:[^"]|"")*"|`[^`]*`|\[[^]]*\]')
_NUMBER = re.compile(r"(?<![\w.@$])\d")
# The first table that is written down outside of an expression: by other means than those of sqlshape.
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_INNERMOST = re.compile(r"(\bFROM\s*|^\s*)?\(([^()]*)\)")
_NAME = r"""["'`]?((?<=["'`])[^"'`]+|\w+)["'`]?"""
_TABLE = re.compile(
    rf"\b(?:FROM|INTO|UPDATE|TABLE(?: IF NOT EXISTS)?|VIEW|INDEX {_NAME} ON|PRAGMA)\s+(?!SELECT){_NAME}", re.IGNORECASE
)
_FIRST_WORD = re.compile(r"[\s(]*(\w+)")
_SHORTEST = 3
_CALLS_PER_CHARACTER = 20


def first_table(statement):
    """Take what stands in parentheses away, from the inside, but not a query that another one selects from."""
    rest, before = _LITERAL.sub("?", statement), None
    while rest != before:
        before = rest
        rest = _INNERMOST.sub(lambda group: " " if group[1] is None else f"{group[1]} {group[2]}", rest)
    found = _TABLE.search(rest)
    return found[2] if found else ""


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """Statements with the texts among their parameters, and the whole that makes, or None."""
    path = tmp_path_factory.mktemp("django") / "statements"
    program = os.path.join(ROOT, "tests", "libraries", "django_statements.py")
    done = subprocess.run(
        [sys.executable, program, str(path), *LABELS],
        cwd=os.path.join(fetch(Library("django", ())), "tests"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(found) > 15_000
    return found


def test_no_literal_survives(sent):
    """Of no statement, whether its parameters stand beside it or in it."""
    for sql, texts, whole in sent:
        for statement in (sql, whole or ""):
            text = _QUOTED_NAME.sub("", shape(statement, "sqlite").text)
            assert "'" not in text, statement
            assert not _NUMBER.search(text), statement
        if whole:
            template, text = shape(sql, "sqlite").text, shape(whole, "sqlite").text
            assert not [t for t in texts if len(t) >= _SHORTEST and t in text and t not in template], whole


def test_parameters_make_no_other_shape(sent):
    """A whole statement has the shape of its template; but NULL is a word of the language, and no literal.

    Of a statement too long to be read whole, the template has more within what is read.
    """
    compared = 0
    for sql, _, whole in sent:
        template = sql.replace("%%", "%")  # as Django does before SQLite gets it
        if whole and whole.count("NULL") == sql.count("NULL") and len(whole) <= READ_AT_MOST:
            compared += 1
            assert shape(whole, "sqlite").fingerprint == shape(template, "sqlite").fingerprint, whole
    assert compared > 4_000


def test_operation_and_table(sent):
    """They are the first word and the first table that is written down, but what comes after WITH and what it defines."""
    wrong = []
    for sql, _, _ in sent:
        word, found = _FIRST_WORD.match(sql), shape(sql, "sqlite")
        if word and word[1].upper() == "WITH":
            assert found.operation in {"SELECT", "INSERT", "UPDATE", "DELETE"}, sql
            continue
        if found.operation != (word[1].upper() if word else ""):
            wrong.append((sql, found.operation))
        elif found.operation != "EXPLAIN" and found.table != first_table(sql):  # the plan is of no table
            wrong.append((sql, found.table))
    assert wrong == []


def test_the_work_is_bounded_by_the_length(sent):
    """Calls of functions, in C too, for each character: no statement costs out of proportion, however it is nested."""
    dearest = []
    for sql, _, whole in sorted(sent, key=lambda row: -len(row[0]))[:2000]:
        calls = 0

        def count(_frame, event, _function):
            nonlocal calls
            calls += event in ("call", "c_call")

        statement = (whole or sql) + " "  # not remembered
        sys.setprofile(count)
        try:
            shape(statement, "sqlite")
        finally:
            sys.setprofile(None)
        dearest.append((calls / len(statement), statement))
    assert max(dearest)[0] < _CALLS_PER_CHARACTER, max(dearest)
