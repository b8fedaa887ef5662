# SPDX-License-Identifier: Apache-2.0
"""Templates as operations."""

from __future__ import annotations

import pytest

from wsgiapm.instruments import _templates
from wsgiapm.span import TEMPLATE


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Only so many names are kept."""
    monkeypatch.setattr(_templates, "AT_MOST", 3)
    monkeypatch.setattr(_templates, "_whole", {None: _templates.UNNAMED})
    monkeypatch.setattr(_templates, "_streamed", {None: _templates._make("(string)")})


@pytest.mark.parametrize("make", [_templates.rendering, _templates.streaming])
def test_a_name_is_the_same_operation_each_time(make):
    """Operations are compared by identity; templates hide nothing and are not counted."""
    operation = make("page.html")

    assert make("page.html") is operation
    assert (operation.name, operation.component, operation.hides, operation.metric) == (
        "page.html",
        TEMPLATE,
        False,
        "",
    )


@pytest.mark.parametrize("make", [_templates.rendering, _templates.streaming])
def test_there_are_only_so_many(make):
    """Whoever makes up names of templates does not fill the memory."""
    names = [make(f"{number}.html").name for number in range(9)]

    assert names == ["0.html", "1.html", "2.html", *6 * ["(other)"]]
    assert make("x" * 1000).name == "(other)"
    assert make(None).name == "(string)"


def test_a_stream_is_not_taken_for_a_rendering_in_one_go():
    """Or what a stream includes would be timed while it stands still."""
    assert _templates.is_rendering(_templates.rendering("page.html"))
    assert _templates.is_rendering(_templates.rendering(None))
    assert not _templates.is_rendering(_templates.streaming("page.html"))
    assert not _templates.is_rendering(_templates.streaming(None))
