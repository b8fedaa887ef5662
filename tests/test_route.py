# SPDX-License-Identifier: Apache-2.0
"""Routes made from paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgiapm.route import decode_path, fold


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("", "/"),
        ("/walks", "/walks"),
        ("/walks/", "/walks/"),
        ("/orders/1234/lines/7", "/orders/*"),
        ("/api/v2/users/7", "/api/v2"),
        ("/files/2026-11-20", "/files/*"),
        ("/img/123.png", "/img/*"),
        ("/u/550e8400-e29b-41d4-a716-446655440000/x", "/u/*"),
        ("/commit/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/commit/*"),
        ("/k/deadbeef1", "/k/*"),
        ("/k/feedback", "/k/feedback"),
        ("/words/deadbeefdeadbeef", "/words/*"),
        ("/blog/" + "a-very-long-slug-of-an-article-in-a-blog", "/blog/*"),
        ("/blog/short-slug", "/blog/short-slug"),
        ("/12/34", "/*/*"),
        ("/caf\u00c3\u00a9", "/café"),
        ("/\u00ff\u00fe", "/\ufffd\ufffd"),
        ("//evil", "//evil"),
        ("*", "/"),
    ],
)
def test_ids_are_folded_and_words_kept(path, route):
    """Two segments, with what looks like an id as a star."""
    assert fold(path) == route


@given(st.binary(max_size=200))
def test_any_path_has_a_short_route_of_valid_text(path):
    """Whatever bytes a client sends: a leading slash, two segments at most, each of bounded length, valid text."""
    route = fold("/" + path.decode("latin-1"))

    assert route.startswith("/")
    assert route.count("/") <= 2
    assert len(route) <= 2 * 32 + 2
    route.encode()


@given(st.text(max_size=50))
def test_a_path_is_decoded_as_the_text_it_was(text):
    """PEP 3333 hands bytes through as latin-1."""
    assert decode_path(text.encode("utf-8", "replace").decode("latin-1")) == text.encode("utf-8", "replace").decode()


@given(st.text(max_size=50))
def test_a_path_that_breaks_the_rules_of_wsgi_raises_nothing(path):
    """A server that hands in real text is wrong, and served all the same."""
    fold(path).encode()
