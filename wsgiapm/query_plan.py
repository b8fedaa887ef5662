# SPDX-License-Identifier: Apache-2.0
"""The plan of a SELECT: asking a database for it, and taking the literals out of what it says.

Nothing is executed: EXPLAIN without ANALYZE, of one statement that only reads, on a connection that is closed behind it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any, Final

from wsgiapm.slow_statements import Statement
from wsgiapm.sqlshape import READ_AT_MOST
from wsgiapm.sqlshape.tokens import BLANK, DIALECTS, LITERAL, UNKNOWN, WORD, tokens, words

_PREFIXES: Final = {
    "sqlite": "EXPLAIN QUERY PLAN ",
    "mysql": "EXPLAIN FORMAT=JSON ",
    "mariadb": "EXPLAIN FORMAT=JSON ",
    "postgresql": "EXPLAIN ",
}
_WRITES = words("INSERT UPDATE DELETE MERGE REPLACE CALL INTO OUTFILE DUMPFILE")
_LONGEST = 8000
# What PostgreSQL says of its own estimates at the end of a line, and of no value in the statement.
_ESTIMATES = re.compile(r"\(cost=[\d.]+ rows=\d+ width=\d+\)\s*$", re.MULTILINE)
_PLAIN_NUMBER = re.compile(r"[\d.]+[KMG]?")
_COSTS = ("cost", "filtered", "data_read_per_join")


def is_explainable(statement: Statement) -> bool:
    """Tell whether a statement is one SELECT that changes nothing, of a database that can be asked."""
    if statement.system not in _PREFIXES or statement.connect is None or len(statement.text) > READ_AT_MOST:
        return False
    found = [token for token in tokens(statement.text, DIALECTS[statement.system]) if token.kind != BLANK]
    while found and found[-1].text == ";":
        found.pop()
    # By the text, for a comment of MySQL's may be code.
    is_whole = not any(token.text == ";" for token in found) and "/*" not in statement.text
    said = {token.text.upper() for token in found if token.kind == WORD}
    return is_whole and bool(found) and found[0].text.upper() in ("SELECT", "WITH") and said.isdisjoint(_WRITES)


def ask(statement: Statement) -> str:
    """Return the plan as the database tells it; raises whatever the driver does."""
    assert statement.connect is not None
    with closing(statement.connect()) as connection:
        cursor = connection.cursor()
        query = _PREFIXES[statement.system] + statement.text
        if statement.parameters is None:
            cursor.execute(query)
        else:
            cursor.execute(query, statement.parameters)
        rows = [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in cursor.fetchall()]
        return _show(statement.system, rows)


def _show(system: str, rows: Sequence[tuple[Any, ...]]) -> str:
    if system != "sqlite":
        return "\n".join(str(row[0]) for row in rows)
    depths = {0: -1}
    lines = []
    for number, parent, _, detail in rows:
        depths[number] = depths.get(parent, -1) + 1
        lines.append("  " * depths[number] + str(detail))
    return "\n".join(lines)


def without_literals(plan: str, system: str) -> str:
    """Return a plan with `?` for every literal; what the database has estimated stays."""
    with suppress(ValueError):
        told = json.loads(plan)
        if isinstance(told, dict | list):
            return json.dumps(_fold_json("", told, system), indent=1)[:_LONGEST]
    return _fold(plan, system, [found.span() for found in _ESTIMATES.finditer(plan)])[:_LONGEST]


def _fold(text: str, system: str, estimates: Sequence[tuple[int, int]] = ()) -> str:
    """Fold all lines at once, for a literal may have several; numbers that lie within `estimates` stay."""
    folded, end = [], 0
    for token in tokens(text, DIALECTS.get(system, UNKNOWN)):
        start, end = end, end + len(token.text)
        is_comment = token.kind == BLANK and not token.text.isspace()
        is_value = token.kind == LITERAL and not any(first <= start and end <= last for first, last in estimates)
        folded.append("?" if is_value else " " if is_comment else token.text)
    return "".join(folded)


def _fold_json(key: str, value: Any, system: str) -> Any:
    if isinstance(value, dict):
        return {name: _fold_json(str(name), inner, system) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fold_json(key, inner, system) for inner in value]
    if isinstance(value, str) and not (key.endswith(_COSTS) and _PLAIN_NUMBER.fullmatch(value)):
        return _fold(value, system)
    return value
