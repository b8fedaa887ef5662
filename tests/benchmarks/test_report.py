# SPDX-License-Identifier: Apache-2.0
"""Where the benchmarks write their tables."""

from __future__ import annotations

import os
from importlib import import_module

import pytest

from benchmarks import environments, peers, report


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


@pytest.mark.parametrize("question", report.QUESTIONS)
def test_every_question_has_its_place_in_the_page_and_a_module(question):
    """A long run does not end in an error because there is nowhere to write to."""
    with open(report.PAGE, encoding="utf-8") as file:
        page = file.read()

    assert f"<!-- {question}: made by make bench-{question} -->" in page
    assert f"<!-- end of {question} -->" in page
    assert os.path.exists(os.path.join(environments.ROOT, "benchmarks", f"{question}.py"))


@pytest.mark.parametrize("question", report.QUESTIONS)
def test_the_page_says_what_was_measured(question):
    """Each table is the one that its JSON gives; nobody has written a figure by hand. Mend: python -m benchmarks.report."""
    document = report.read_result(question)
    with open(report.PAGE, encoding="utf-8") as file:
        page = file.read()
    shown = page.partition(f"<!-- {question}: made by make bench-{question} -->\n")[2]
    shown = shown.partition(f"\n<!-- end of {question} -->")[0]

    if document is None:
        assert shown == "Not measured yet."
    else:
        show = import_module(f"benchmarks.{question}").show
        assert shown == report.section(document, show)


def test_a_peer_that_fails_is_left_out_and_named(capsys, monkeypatch):
    """The run goes on with the others, and the page says which one is missing and why."""
    monkeypatch.setattr(report, "_left_out", {})

    with report.tolerating(peers.PROMETHEUS):
        raise peers.PeerError("it has recorded 3 of 200 requests\nand much else")

    assert "prometheus_client, multi-process is left out: it has recorded 3 of 200" in capsys.readouterr().err
    document = {
        "date": "2026-11-20",
        "machine": report.machine(),
        "versions": {},
        "left_out": report._left_out,
        "result": "the table",
    }
    assert report.section(document, str).startswith(
        "the table\n\nLeft out: prometheus_client, multi-process (it has recorded 3 of 200 requests)."
    )


def test_what_the_others_are_compared_with_may_not_fail(monkeypatch):
    """Without ourselves, or without the bare app, there is nothing to be told."""
    monkeypatch.setattr(report, "_left_out", {})

    with pytest.raises(peers.PeerError), report.tolerating(peers.OURS):
        raise peers.PeerError("it has recorded nothing")


def test_the_machine_is_described_without_its_name():
    """Results are published: they say what the machine is, not which."""
    described = str(report.machine())

    assert os.uname().nodename not in described
    assert "CPython" in described


def test_a_table_is_markdown():
    """Head, rule, rows."""
    assert report.table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
