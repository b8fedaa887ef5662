# SPDX-License-Identifier: Apache-2.0
"""Folding the tokens of a statement: literals become `?`, lists of them one, and rows of VALUES one row."""

from __future__ import annotations

from collections.abc import Iterable

from wsgiapm.sqlshape.tokens import LITERAL, NAME, PUNCTUATION, WORD, Token, words

HOLE = Token(LITERAL, "?")
_SIGNS = ("+", "-")
# What a sign stands behind where it belongs to the number.
_BEFORE_NUMBERS = words(
    "AND BETWEEN BY CASE ELSE HAVING IN INTERVAL LIKE LIMIT NOT OFFSET ON OR RETURN SELECT SET THEN VALUES WHEN WHERE"
)
# Frameworks make these names up anew each time.
_BEFORE_MADE_UP_NAMES = words("CLOSE DEALLOCATE DECLARE PREPARE RELEASE SAVEPOINT")
_FETCHES = frozenset(("FETCH", "MOVE"))


class _Group:
    """Parentheses that are open. `rows`: what it holds are rows, of which the first stands for all."""

    __slots__ = ("first_row_ended", "is_list", "is_pure", "rows", "start")

    def __init__(self, start: int, *, is_list: bool, rows: bool) -> None:
        self.start = start
        self.is_list = is_list
        self.is_pure = True
        self.rows = rows
        self.first_row_ended = 0


class Folding:
    """Folds token after token; `folded` is what has become of them."""

    def __init__(self) -> None:
        """Begin with an empty statement."""
        self.folded: list[Token] = []
        self._groups = [_Group(0, is_list=False, rows=False)]
        self._made_up = False

    def _last_word(self) -> str:
        last = self.folded[-1] if self.folded else None
        return last.text.upper() if last is not None and last.kind == WORD else ""

    def add(self, token: Token) -> None:
        """Take in the next token; blanks are not to be given."""
        group = self._groups[-1]
        if token.kind == PUNCTUATION and token.text in "([":
            self._open(token)
        elif token.kind == PUNCTUATION and token.text in ")]":
            self._close(token)
        elif token.kind == LITERAL:
            self._add_literal()
        else:
            if token.text != ",":
                group.is_pure = False
            if group.rows and group.first_row_ended and token.text != ",":
                group.rows = False
            if token.kind == WORD and token.text.upper() == "VALUES":
                group.rows, group.first_row_ended = True, 0
            self.folded.append(HOLE if self._is_made_up(token) else token)

    def _is_made_up(self, token: Token) -> bool:
        word = self._last_word()
        if token.kind == WORD and token.text.upper() in ("SAVEPOINT", "TO"):
            return False
        if word in _BEFORE_MADE_UP_NAMES and token.kind in (WORD, NAME):
            return True
        fetches = bool(self.folded) and self.folded[0].text.upper() in _FETCHES
        return fetches and word in ("FROM", "IN") and token.kind in (WORD, NAME)

    def _add_literal(self) -> None:
        folded = self.folded
        if folded and folded[-1].text in _SIGNS and self._sign_belongs_to_number():
            folded.pop()
        if self._last_word() == "IN":
            folded += (Token(PUNCTUATION, "("), HOLE, Token(PUNCTUATION, ")"))
            self._groups[-1].is_pure = False
        else:
            folded.append(HOLE)

    def _sign_belongs_to_number(self) -> bool:
        if len(self.folded) < 2:
            return True
        before = self.folded[-2]
        if before.kind == WORD:
            return before.text.upper() in _BEFORE_NUMBERS
        return before.kind == PUNCTUATION and before.text not in ")]"

    def _open(self, token: Token) -> None:
        parent = self._groups[-1]
        word = self._last_word()
        is_list = (token.text == "(" and word in ("IN", "ANY", "ALL", "SOME")) or (
            token.text == "[" and word == "ARRAY"
        )
        parent.is_pure = False
        self._groups.append(_Group(len(self.folded), is_list=is_list, rows=is_list and word == "IN"))
        self.folded.append(token)

    def _close(self, token: Token) -> None:
        if len(self._groups) == 1:  # more are closed than were opened
            self.folded.append(token)
            return
        group = self._groups.pop()
        if group.is_list and group.is_pure and len(self.folded) > group.start + 1:
            self.folded[group.start + 1 :] = [HOLE]
        self.folded.append(token)
        parent = self._groups[-1]
        if parent.rows:
            if parent.first_row_ended:
                del self.folded[parent.first_row_ended :]
            else:
                parent.first_row_ended = len(self.folded)


def fold(tokens: Iterable[Token]) -> list[Token]:
    """Return the tokens of the statement's shape."""
    folding = Folding()
    for token in tokens:
        folding.add(token)
    return folding.folded
