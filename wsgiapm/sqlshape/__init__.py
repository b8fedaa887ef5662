# SPDX-License-Identifier: Apache-2.0
"""SQL statements without what makes each of them different: a readable text, a fingerprint, the operation and the table.

Terms of the OpenTelemetry conventions for databases: `db.query.text`, `db.operation.name`, `db.collection.name`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from wsgiapm.sqlshape.folding import fold
from wsgiapm.sqlshape.target import find_target, unquote
from wsgiapm.sqlshape.tokens import BLANK, DIALECTS, NAME, PUNCTUATION, UNKNOWN, WORD, Token, tokens, words

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Shape", "shape"]

READ_AT_MOST = 16 * 1024
"""Of a longer statement only so many characters are read; the text says so by its last one."""
_TEXT_AT_MOST = 4096
_REMEMBERED = 1024


class Shape(NamedTuple):
    """What all statements have in common that differ in their literals alone."""

    text: str
    fingerprint: str
    operation: str
    table: str


def shape(statement: str, system: str) -> Shape:
    """Return the shape of a statement for a database system (`db.system.name`, for instance `postgresql`).

    Of systems not known here, what may be a literal is taken for one. Takes time linear in the length of the statement, up
    to `READ_AT_MOST` characters, and next to none for a statement seen before.
    """
    return _shape(statement[: READ_AT_MOST + 1], system)


@lru_cache(_REMEMBERED)
def _shape(statement: str, system: str) -> Shape:
    cut = len(statement) > READ_AT_MOST
    dialect = DIALECTS.get(system, UNKNOWN)
    found = [token for token in tokens(statement[:READ_AT_MOST], dialect) if token.kind != BLANK]
    while found and found[-1].text == ";":
        found.pop()
    folded = fold(found)
    text = _text(folded)
    if cut or len(text) > _TEXT_AT_MOST:
        text = text[:_TEXT_AT_MOST] + "…"
    return Shape(text, _fingerprint(folded), *find_target(folded))


def _fingerprint(folded: Sequence[Token]) -> str:
    canonical = "\0".join(unquote(token).casefold() for token in folded)
    return blake2b(canonical.encode(errors="replace"), digest_size=8).hexdigest()


_TIGHT_BEFORE = frozenset((",", ")", "]", ".", ";", "::", "["))
_TIGHT_AFTER = frozenset(("(", "[", ".", "::", "@", "~", "!"))
# Behind other words an opening parenthesis begins the arguments of a function.
_WIDE = words(
    "ALL AND ANY AS BY CASE DISTINCT ELSE EXCEPT EXISTS FROM HAVING IN INTERSECT INTO JOIN KEY LIKE LIMIT NOT OFFSET ON OR "
    "OVER PARTITION RETURNING SELECT SET SOME THEN UNION UPDATE USING VALUES WHEN WHERE WITH"
)


def _text(folded: Sequence[Token]) -> str:
    pieces: list[str] = []
    before: Token | None = None
    for token in folded:
        if before is not None and _is_apart(before, token):
            pieces.append(" ")
        pieces.append(token.text)
        before = token
    return "".join(pieces)


def _is_apart(before: Token, token: Token) -> bool:
    if token.text in _TIGHT_BEFORE or before.text in _TIGHT_AFTER:
        return False
    if token.kind == PUNCTUATION and token.text == "(":
        return before.kind not in (WORD, NAME) or before.text.upper() in _WIDE or before.kind == NAME
    return True
