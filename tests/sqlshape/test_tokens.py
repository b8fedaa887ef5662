# SPDX-License-Identifier: Apache-2.0
"""Tokens: every character in exactly one, by the quoting of each dialect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.sqlshape.tokens import BLANK, DIALECTS, LITERAL, NAME, UNKNOWN, WORD, tokens

ALL = {**DIALECTS, "": UNKNOWN}
PIECES = st.sampled_from([
    "'", '"', "`", "\\", "$", "$a$", "[", "]", "(", ")", "/*", "*/", "--", "#", "\n", " ", "q'[", "E'", "N'", "_utf8", "::",
    ":x", "%s", "%(x)s", "?", "1", ".5", "0x1F", "1e-5", "é", "名", "\ud800", "\0", "select", "a", ",", ".", "@@x", "->>",
])  # fmt: skip


@pytest.mark.parametrize("system", ALL)
@given(pieces=st.lists(PIECES, max_size=40))
def test_every_character_is_in_one_token(system, pieces):
    """Whatever a statement looks like, nothing of it is lost or seen twice."""
    text = "".join(pieces)

    assert "".join(token.text for token in tokens(text, ALL[system])) == text


@pytest.mark.parametrize("system", ALL)
@given(text=st.text(max_size=60))
def test_any_text_is_a_statement(system, text):
    """Text that is no SQL at all has tokens, too."""
    assert "".join(token.text for token in tokens(text, ALL[system])) == text


def of_kind(kind, text, system):
    """The tokens of one kind."""
    return [token.text for token in tokens(text, ALL[system]) if token.kind == kind]


@pytest.mark.parametrize(
    ("system", "text", "literals"),
    [
        ("mysql", r"a = 'it\'s' AND b", [r"'it\'s'"]),
        ("mysql", """x = "a""b" , 'c''d'""", ['"a""b"', "'c''d'"]),
        ("mysql", "_utf8mb4'x' X'1F' b'01' 0x1F", ["_utf8mb4'x'", "X'1F'", "b'01'", "0x1F"]),
        ("postgresql", r"a = 'C:\' AND b = 'c'", [r"'C:\'", "'c'"]),
        ("postgresql", r"E'it\'s' || U&'\0041'", [r"E'it\'s'", r"U&'\0041'"]),
        ("postgresql", "$$a 'b$$ $x$ $y$ $x$", ["$$a 'b$$", "$x$ $y$ $x$"]),
        ("postgresql", "a = $1 AND b = $2", ["$1", "$2"]),
        ("postgresql", "a = %s AND b = %(name)s", ["%s", "%(name)s"]),
        ("postgresql", "x::int8 = :x", [":x"]),
        ("oracle.db", "q'[it's]' q'!it's!' nq'<a>'", ["q'[it's]'", "q'!it's!'", "nq'<a>'"]),
        ("oracle.db", ":1 :name", [":1", ":name"]),
        ("sqlite", "? ?12 :a 1 1. .5 1.5e-3 1E+9", ["?", "?12", ":a", "1", "1.", ".5", "1.5e-3", "1E+9"]),
        ("", "\"perhaps\" 'text'", ['"perhaps"', "'text'"]),
    ],
)
def test_literals(system, text, literals):
    """What a system takes for a literal is one token."""
    assert of_kind(LITERAL, text, system) == literals


@pytest.mark.parametrize("system", ALL)
@pytest.mark.parametrize("opening", ["'", "'a''", "/*", "/* *"])
def test_what_does_not_close_reaches_to_the_end(system, opening):
    """A statement that was cut in the middle of a literal or a comment shows nothing of it."""
    *_, last = tokens(f"SELECT {opening}secret", ALL[system])

    assert last.text == f"{opening}secret"
    assert last.kind in (LITERAL, BLANK)


@pytest.mark.parametrize(
    ("system", "text", "names"),
    [
        ("mysql", "`a``b`.`c`", ["`a``b`", "`c`"]),
        ("postgresql", '"a""b"."c"', ['"a""b"', '"c"']),
        ("sqlite", '[my table]."b".`c`', ["[my table]", '"b"', "`c`"]),
        ("postgresql", "a[1]", []),
    ],
)
def test_quoted_names(system, text, names):
    """Names keep their quotes."""
    assert of_kind(NAME, text, system) == names


@pytest.mark.parametrize(
    ("system", "text", "words"),
    [
        ("postgresql", "a -- secret\n b --", ["a", "b"]),
        ("postgresql", "a /* secret /* nested */ secret */ b", ["a", "b"]),
        ("mysql", "a /* one /* two */ b # secret\n c", ["a", "b", "c"]),
        ("mysql", "a--1", ["a"]),
        ("sqlite", "col1 _x $y größe", ["col1", "_x", "y", "größe"]),
        ("mysql", "@@session.x @y", ["@@session", "x", "@y"]),
    ],
)
def test_words_and_comments(system, text, words):
    """Comments are blanks, by the rules of each system."""
    assert of_kind(WORD, text, system) == words
