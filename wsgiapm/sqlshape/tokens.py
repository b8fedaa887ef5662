# SPDX-License-Identifier: Apache-2.0
"""The tokens of a statement, by dialect. Every character is in exactly one of them; finding them takes linear time.

What opens and does not close (a quote, a comment) reaches to the end, so nothing is ever tried twice, and what was cut
off in the middle of a literal is still a literal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

BLANK, WORD, NAME, LITERAL, PUNCTUATION = "blank", "word", "name", "literal", "punctuation"


def words(text: str) -> frozenset[str]:
    """Return the words of a list that is written as one text."""
    return frozenset(text.split())


class Token(NamedTuple):
    """A piece of a statement. Names are quoted ones; placeholders are literals that somebody else fills in."""

    kind: str
    text: str


class Dialect(NamedTuple):
    """How a database system quotes and comments."""

    backslashes: bool = False
    double_quoted_names: bool = True
    bracketed_names: bool = False
    hash_comments: bool = False
    nested_comments: bool = False
    dollar_quotes: bool = False
    alternative_quotes: bool = False


MYSQL = Dialect(backslashes=True, double_quoted_names=False, hash_comments=True)
DIALECTS = {
    "mysql": MYSQL,
    "mariadb": MYSQL,
    "postgresql": Dialect(nested_comments=True, dollar_quotes=True),
    "sqlite": Dialect(bracketed_names=True),
    "oracle.db": Dialect(alternative_quotes=True),
}
# Of a system that is not known, what may be a literal is taken for one.
UNKNOWN = Dialect(double_quoted_names=False, bracketed_names=False, dollar_quotes=True, alternative_quotes=True)

_PLAIN = r"{q}[^{q}]*(?:{q}{q}[^{q}]*)*(?:{q}|\Z)"
_ESCAPED = r"{q}[^{q}\\]*(?:(?:\\.|\\\Z|{q}{q})[^{q}\\]*)*(?:{q}|\Z)"
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_CLOSING = {"[": "]", "(": ")", "{": "}", "<": ">"}
_WORD = r"[^\W\d][\w$]*"
_OPERATORS = r"<=>|->>|#>>|<=|>=|<>|!=|==|\|\||&&|::|:=|->|#>|@>|<@|<<|>>|=>|~\*|!~|."


def _quoted(quote: str, *, backslashes: bool) -> str:
    return (_ESCAPED if backslashes else _PLAIN).format(q=quote)


@cache
def _scanner(dialect: Dialect) -> re.Pattern[str]:
    blanks = [r"\s+", r"--(?=\s|\Z)[^\n]*" if dialect.hash_comments else r"--[^\n]*", r"/\*"]
    # E'...' is PostgreSQL's, the others are the standard's and MySQL's.
    literals = [
        _quoted("'", backslashes=True).join((r"[eE]", "")),
        r"(?:[nNbBxX]|[uU]&|_\w+\s*)?" + _quoted("'", backslashes=dialect.backslashes),
    ]
    names = [_quoted("`", backslashes=False)]
    double = r"(?:[uU]&)?" + _quoted('"', backslashes=dialect.backslashes)
    (names if dialect.double_quoted_names else literals).append(double)
    if dialect.hash_comments:
        blanks.append(r"\#[^\n]*")
    if dialect.bracketed_names:
        names.append(r"\[[^\]]*(?:\]|\Z)")
    if dialect.alternative_quotes:
        literals.insert(0, r"[nN]?[qQ]'(?P<delimiter>\S)")
    if dialect.dollar_quotes:
        literals.append(r"(?P<dollars>\$(?:[^\W\d]\w*)?\$)")
    literals += [
        r"\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\.\d+(?:[eE][+-]?\d+)?",
        r"%s(?!\w)|%\(\w*\)s|\?\d*|:\w+|\$\d+",
    ]
    kinds = {BLANK: blanks, LITERAL: literals, NAME: names, WORD: [r"@{0,2}" + _WORD], PUNCTUATION: [_OPERATORS]}
    # `::` before placeholders: a cast is no name behind a colon.
    pattern = r"(?P<cast>::)|" + "|".join(f"(?P<{kind}>{'|'.join(parts)})" for kind, parts in kinds.items())
    return re.compile(pattern, re.DOTALL)


def _end_of_comment(text: str, start: int, *, nested: bool) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        if edge.group() == "*/":
            depth -= 1
        elif nested or not depth:
            depth += 1
        if not depth:
            return edge.end()
    return len(text)


def _end_behind(text: str, closing: str, start: int) -> int:
    found = text.find(closing, start)
    return len(text) if found < 0 else found + len(closing)


def tokens(text: str, dialect: Dialect) -> Iterator[Token]:
    """Give the tokens of `text` in their order, blanks and comments included."""
    scanner, position = _scanner(dialect), 0
    while position < len(text):
        found = scanner.match(text, position)
        if found is None:  # cannot be: every character matches
            return
        kind, end = found.lastgroup or PUNCTUATION, found.end()
        groups = found.groupdict()
        if kind == BLANK and found.group() == "/*":
            end = _end_of_comment(text, position, nested=dialect.nested_comments)
        elif groups.get("delimiter"):
            closing = _CLOSING.get(groups["delimiter"], groups["delimiter"])
            kind, end = LITERAL, _end_behind(text, closing + "'", end)
        elif groups.get("dollars"):
            kind, end = LITERAL, _end_behind(text, groups["dollars"], end)
        elif kind == "cast":
            kind = PUNCTUATION
        yield Token(kind, text[position:end])
        position = end
