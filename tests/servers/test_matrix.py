# SPDX-License-Identifier: Apache-2.0
"""The table in docs/servers.md says what the last run of the matrix found, and leaves nothing out."""

from __future__ import annotations

import pytest

from tests.servers.matrix import (
    DOCUMENT,
    Case,
    Result,
    covers,
    read_results,
    table,
    with_table,
    write_results,
)


def test_every_declared_case_is_in_the_results(matrix_run):
    """And has not failed; what no test declares any more is gone. Else: `make test-servers`."""
    results = read_results()

    assert matrix_run.declared - results.keys() == set()
    assert [case for case, result in results.items() if result.outcome == "failed"] == []
    if matrix_run.is_whole:
        assert results.keys() - matrix_run.declared == set()


def test_the_table_is_that_of_the_results():
    """Else: `python -m tests.servers.matrix`."""
    with open(DOCUMENT, encoding="utf-8") as file:
        document = file.read()

    assert document == with_table(document, table())


def test_a_table_tells_what_fails_and_what_was_not_run(tmp_path):
    """A reader can tell a green case from one that nobody has tried."""
    path = str(tmp_path / "results.json")
    results = {
        Case("wsgiref", "threads", "SIGTERM and start"): Result("passed"),
        Case("wsgiref", "threads", "SIGKILL and start"): Result("failed"),
        Case("wsgiref", "alone", "SIGINT and start"): Result("skipped", "no time"),
    }
    write_results(path, results)

    assert read_results(path) == results
    text = table(path)
    assert "threads | **fails: SIGKILL and start**, SIGTERM and start |" in text
    assert "alone | _not run: SIGINT and start (no time)_ |" in text


def test_only_known_servers_can_be_declared():
    """A slip in a name would make a row of its own."""
    with pytest.raises(ValueError, match="gunicron"):
        covers("gunicron", "sync", "HUP")
