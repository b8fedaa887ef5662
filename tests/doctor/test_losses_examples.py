# SPDX-License-Identifier: Apache-2.0
"""What the doctor says of routes that were left out, and of what workers say of themselves without complaint."""

from __future__ import annotations

import pytest

from tests.aggregate.counting import SHOP, record, recorder_at
from wsgiapm import surroundings
from wsgiapm.aggregate import layout
from wsgiapm.config import resolve
from wsgiapm.doctor import examine


@pytest.fixture
def findings(tmp_path):
    """`findings()` are those about a directory in which more routes were met than there is room for."""
    path = str(tmp_path / "shop")
    recorder = recorder_at(path, max_series=10)
    for letter in "abcdefghijklmnop":
        record(recorder, f"/{letter}{letter}")

    def look(word=0):
        recorder.cells[layout.SURROUNDINGS] = word
        resolved = resolve({"shared_dir": path, "app_name": SHOP.app, "endpoint": ""}, {})
        return {finding.id: finding for finding in examine(resolved)}

    yield look
    recorder.instance.close()


def test_examples_are_named(findings):
    """The finding about (other) gives the number, the reason, and routes that went there."""
    finding = findings()["dropped-series"]

    assert "max_series" in finding.message
    assert "among the first were /" in finding.message
    assert "/pp" in finding.message
    assert "raise max_series" in finding.remedy


def test_a_python_without_a_global_lock_is_no_complaint(findings):
    """It is said, by pid; where there is one, nothing is."""
    assert "no-global-lock" not in findings(surroundings.KNOWN)
    finding = findings(surroundings.KNOWN | surroundings.NO_GLOBAL_LOCK)["no-global-lock"]
    assert finding.severity == "info"


def test_dirty_workers_are_no_complaint(findings):
    """It is said, by pid, that what they do is not recorded; a real gunicorn is asked in tests/servers/test_beyond_wsgi.py."""
    assert "dirty-workers" not in findings(surroundings.KNOWN)
    finding = findings(surroundings.KNOWN | surroundings.DIRTY)["dirty-workers"]

    assert finding.severity == "info"
    assert "1 workers" in finding.message
