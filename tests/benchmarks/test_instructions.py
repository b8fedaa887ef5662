# SPDX-License-Identifier: Apache-2.0
"""The guard of the request path: it may not take more instructions than it did."""

from __future__ import annotations

import json

import pytest

from benchmarks import instructions


@pytest.fixture(scope="module")
def bare():
    """The instructions of a request without the middleware."""
    try:
        instructions.kept()
        return instructions.slope("bare")
    except instructions.CannotCountError as reason:
        pytest.skip(str(reason))


def test_the_request_path_takes_no_more_instructions_than_it_did(bare):
    """The slope of instructions over requests has not grown by more than the tolerance; a failure prints both figures."""
    found = round(instructions.slope("wrapped") - bare)

    assert instructions.judge(found, instructions.kept()) == ""


def test_a_needless_call_in_the_request_path_is_found(bare):
    """A trace id made for every request, though nobody asks for it, is more than the guard lets pass."""
    found = round(instructions.slope("wasteful") - bare)

    assert f"adds {found} instructions" in instructions.judge(found, instructions.kept())


def test_the_verdict_names_both_figures_and_the_way_to_accept():
    """Whoever made the path longer on purpose learns what to run."""
    assert instructions.judge(1050, 1000) == ""

    verdict = instructions.judge(1051, 1000)

    assert "1051" in verdict
    assert "1000" in verdict
    assert "make bench-instructions ACCEPT=1" in verdict


def test_a_figure_is_only_compared_with_one_of_the_same_interpreter(tmp_path, monkeypatch):
    """What another build needs for the same bytecode says nothing about our code."""
    kept = tmp_path / "kept.json"
    kept.write_text("{}", encoding="utf-8")
    monkeypatch.setattr(instructions, "KEPT", str(kept))
    with pytest.raises(instructions.CannotCountError, match="no figure is kept"):
        instructions.kept()

    instructions.accept(1234)
    assert instructions.kept() == 1234

    figures = json.loads(kept.read_text(encoding="utf-8"))
    next(iter(figures.values()))["interpreter"] = "another"
    kept.write_text(json.dumps(figures), encoding="utf-8")
    with pytest.raises(instructions.CannotCountError, match="is of another"):
        instructions.kept()
