# SPDX-License-Identifier: Apache-2.0
"""Templates of Mako."""

from __future__ import annotations

import pytest
from mako.lookup import TemplateLookup
from mako.template import Template


@pytest.fixture
def lookup(installed):
    """Templates that know each other."""
    lookup = TemplateLookup()
    lookup.put_string("/shop/base.html", "<${self.body()}>")
    lookup.put_string("/shop/page.html", '<%inherit file="base.html"/>${value}<%include file="part.html"/>')
    lookup.put_string("/shop/part.html", '<%include file="/leaf.html"/>')
    lookup.put_string("/leaf.html", "!")
    lookup.put_string("/broken.html", '<%include file="failing.html"/>')
    lookup.put_string("/failing.html", "${1 / 0}")
    return lookup


def test_a_template_is_a_span_with_each_it_includes(lookup, spans, failures):
    """By its full name, also where another one names it from where it stands itself."""
    assert lookup.get_template("/shop/page.html").render(value=1) == "<1!>"

    assert spans == [
        ("/leaf.html", "/shop/part.html"),
        ("/shop/part.html", "/shop/page.html"),
        ("/shop/page.html", None),
    ]
    assert failures == []


def test_a_template_that_fails_ends_its_spans(lookup, spans):
    """From the inside out, and with its own exception."""
    with pytest.raises(ZeroDivisionError):
        lookup.get_template("/broken.html").render_unicode()

    assert [name for name, _ in spans] == ["/failing.html", "/broken.html"]


def test_templates_of_strings_are_one(spans):
    """What Mako calls them would be another name each time."""
    for number in range(3):
        assert Template(f"{number}").render() == str(number)

    assert spans == 3 * [("(string)", None)]
