# SPDX-License-Identifier: Apache-2.0
"""Where the benchmarks write their tables."""

from __future__ import annotations

import os

import pytest

from benchmarks import environments, report

QUESTIONS = ("request", "throughput", "merge", "footprint", "pause", "growth")


def test_a_table_takes_the_place_of_the_one_before(tmp_path):
    """Only what stands between the markers changes, however often it is written."""
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- merge: made by make bench-merge -->\nold\n<!-- end of merge -->\nb\n", encoding="utf-8")

    for text in ("newer", "newest"):
        report.write_section("merge", text, str(page))

    assert page.read_text(encoding="utf-8") == (
        "a\n<!-- merge: made by make bench-merge -->\nnewest\n<!-- end of merge -->\nb\n"
    )


def test_a_page_without_the_markers_is_left_alone_and_named(tmp_path):
    """The message says what to put where."""
    page = tmp_path / "page.md"
    page.write_text("nothing here\n", encoding="utf-8")

    with pytest.raises(ValueError, match="has no markers for merge"):
        report.write_section("merge", "table", str(page))

    assert page.read_text(encoding="utf-8") == "nothing here\n"


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_its_place_in_the_page_and_a_module(question):
    """A long run does not end in an error because there is nowhere to write to."""
    with open(report.PAGE, encoding="utf-8") as file:
        page = file.read()

    assert f"<!-- {question}: made by make bench-{question} -->" in page
    assert f"<!-- end of {question} -->" in page
    assert os.path.exists(os.path.join(environments.ROOT, "benchmarks", f"{question}.py"))


def test_the_machine_is_described_without_its_name():
    """Results are published: they say what the machine is, not which."""
    described = str(report.machine())

    assert os.uname().nodename not in described
    assert "CPython" in described


def test_a_table_is_markdown():
    """Head, rule, rows."""
    assert report.table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
