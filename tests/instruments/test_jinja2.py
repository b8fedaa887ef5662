# SPDX-License-Identifier: Apache-2.0
"""Templates of Jinja2."""

from __future__ import annotations

import asyncio

import jinja2
import jinja2.nativetypes
import pytest

TEMPLATES = {
    "base.html": "<{% block body %}{% endblock %}>",
    "page.html": "{% extends 'base.html' %}{% block body %}{% include 'part.html' %}{% endblock %}",
    "part.html": "{{ value }}{% include 'leaf.html' %}",
    "leaf.html": "!",
    "macros.html": "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}",
    "using.html": "{% from 'macros.html' import twice %}{{ twice(value) }}",
    "broken.html": "{% include 'failing.html' %}",
    "failing.html": "{{ 1 / 0 }}",
    "rows.html": "{% for row in rows %}{{ row }},{% endfor %}",
}


@pytest.fixture
def environment(spans):
    """What makes templates, after the instrument was installed."""
    return jinja2.Environment(loader=jinja2.DictLoader(TEMPLATES))


def test_a_template_is_a_span_with_each_it_includes(environment, spans, failures):
    """In any depth; the one that is extended is none, for its blocks are the other's."""
    assert environment.get_template("page.html").render(value=1) == "<1!>"

    assert spans == [("leaf.html", "part.html"), ("part.html", "page.html"), ("page.html", None)]
    assert failures == []


def test_a_template_of_macros_is_a_span_when_it_is_imported(environment, spans):
    """That is when it is rendered."""
    assert environment.get_template("using.html").render(value=1) == "11"

    assert spans == [("macros.html", "using.html"), ("using.html", None)]


def test_a_template_that_fails_ends_its_spans(environment, spans):
    """From the inside out, and with its own exception."""
    with pytest.raises(ZeroDivisionError):
        environment.get_template("broken.html").render()

    assert spans == [("failing.html", "broken.html"), ("broken.html", None)]


def test_a_stream_takes_the_time_of_its_pieces(environment, spans):
    """Between them it does not run; what it includes is a part of it."""
    pieces = environment.get_template("page.html").generate(value=1)
    assert spans == []
    first = next(pieces)
    assert spans == [("page.html", None)]

    assert first + "".join(pieces) == "<1!>"
    assert {name for name, _ in spans} == {"page.html"}


def test_a_stream_can_be_left(environment, spans):
    """As a client does that goes away."""
    stream = environment.get_template("rows.html").generate(rows=range(9))
    next(stream)
    stream.close()

    assert list(stream) == []


def test_templates_of_coroutines_are_spans(spans, failures):
    """And stay coroutines."""
    environment = jinja2.Environment(loader=jinja2.DictLoader(TEMPLATES), enable_async=True)

    assert asyncio.run(environment.get_template("page.html").render_async(value=1)) == "<1!>"
    assert spans == [("page.html", None)]
    assert failures == []


def test_native_templates_are_spans(spans):
    """They render in their own way."""
    assert jinja2.nativetypes.NativeEnvironment().from_string("{{ 6 * 7 }}").render() == 42
    assert spans == [("(string)", None)]


def test_templates_of_strings_are_one(environment, spans):
    """They have no name, and there may be any number of them."""
    for number in range(3):
        environment.from_string(f"{{# {number} #}}x").render()

    assert spans == 3 * [("(string)", None)]
