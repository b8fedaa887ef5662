# SPDX-License-Identifier: Apache-2.0
"""What a statement does and to which table, read from its tokens without blanks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wsgiapm.sqlshape.tokens import NAME, WORD, Token, words

OTHER = "_OTHER"
_OPERATION = re.compile(r"[A-Z][A-Z_]{1,29}")
_VERBS = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "VALUES"))
# Words that may stand between a verb and its table.
_MODIFIERS = words(
    "ABORT AS CONCURRENTLY CONSTRAINT DELAYED EXISTS FAIL FOREIGN FROM FULLTEXT GLOBAL HIGH_PRIORITY IF IGNORE INTO LATERAL "
    "LOCAL LOW_PRIORITY MATERIALIZED NOT OFFLINE ONLINE ONLY OR OVERWRITE QUICK RECURSIVE REPLACE ROLLBACK SPATIAL TABLE "
    "TABLES TEMP TEMPORARY TRIGGER UNIQUE UNLOGGED VIEW VIRTUAL"
)
_NAMED_AT_ONCE = words(
    "UPDATE INSERT REPLACE MERGE TRUNCATE CREATE ALTER DROP LOCK COPY CALL EXEC ANALYZE VACUUM OPTIMIZE REFRESH "
    "DESCRIBE DESC PRAGMA USE REINDEX"
)
_NAMED_AFTER_FROM = frozenset(("SELECT", "DELETE"))


def unquote(token: Token) -> str:
    """Return a name without its quotes."""
    text = token.text
    if token.kind != NAME:
        return text
    quote = text[-1] if len(text) > 1 else ""
    return text.strip('`"[]') if quote != "]" else text[1:-1]


def find_target(tokens: Sequence[Token]) -> tuple[str, str]:
    """Return the operation in capitals and the table (with its schema, as written); either may be empty."""
    verb = _find_verb(tokens)
    if verb is None:
        return "", ""
    operation = tokens[verb].text.upper()
    if not _OPERATION.fullmatch(operation):
        return OTHER, ""
    if operation in _NAMED_AFTER_FROM:
        return operation, _name_at(tokens, _find_from(tokens, verb + 1))
    if operation in _NAMED_AT_ONCE:
        return operation, _name_at(tokens, _start_of_name(tokens, verb + 1))
    return operation, ""


def _find_verb(tokens: Sequence[Token]) -> int | None:
    first = next((i for i, token in enumerate(tokens) if token.kind == WORD), None)
    if first is None or tokens[first].text.upper() != "WITH":
        return first
    depth = 0
    for i in range(first + 1, len(tokens)):
        text = tokens[i].text
        depth += (text == "(") - (text == ")")
        if not depth and tokens[i].kind == WORD and text.upper() in _VERBS:
            return i
    return first


def _find_from(tokens: Sequence[Token], start: int) -> int | None:
    depth = 0
    for i in range(start, len(tokens)):
        text = tokens[i].text
        depth += (text == "(") - (text == ")")
        if depth < 0:
            return None
        if not depth and tokens[i].kind == WORD and text.upper() == "FROM":
            return _start_of_source(tokens, i + 1)
    return None


def _start_of_source(tokens: Sequence[Token], start: int) -> int | None:
    """Return where the first table begins behind FROM, inside of however many subqueries."""
    i = start
    while i < len(tokens):
        token = tokens[i]
        if token.kind == WORD and token.text.upper() in _NAMED_AFTER_FROM:
            return _find_from(tokens, i + 1)
        if token.kind in (WORD, NAME) and token.text.upper() not in _MODIFIERS:
            return i
        if token.kind not in (WORD, NAME) and token.text != "(":
            return None
        i += 1
    return None


def _start_of_name(tokens: Sequence[Token], start: int) -> int | None:
    for i in range(start, len(tokens)):
        token = tokens[i]
        if token.kind == NAME:
            return i
        if token.kind != WORD:
            return None
        word = token.text.upper()
        if word == "INDEX":
            return _behind_on(tokens, i + 1)
        if word not in _MODIFIERS:
            return i
    return None


def _behind_on(tokens: Sequence[Token], start: int) -> int | None:
    on = next((i for i in range(start, len(tokens)) if tokens[i].text.upper() == "ON"), None)
    return None if on is None else _start_of_name(tokens, on + 1)


def _name_at(tokens: Sequence[Token], start: int | None) -> str:
    if start is None:
        return ""
    parts = [unquote(tokens[start])]
    i = start + 1
    while i + 1 < len(tokens) and tokens[i].text == "." and tokens[i + 1].kind in (WORD, NAME):
        parts.append(unquote(tokens[i + 1]))
        i += 2
    return ".".join(parts)
