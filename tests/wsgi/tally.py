# SPDX-License-Identifier: Apache-2.0
"""A plugin of pytest that writes down which pitfalls the tests of a run guard against, and whether they passed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

VARIABLE = "TALLY_OF_PITFALLS"
_found: dict[str, dict[str, bool]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the outcome of each step of a test; one that failed, or was skipped, has not passed."""
    report = yield
    for mark in item.iter_markers("pitfall"):
        for number in mark.args:
            tests = _found.setdefault(str(number), {})
            name = f"{item.path.name}::{item.name}"
            tests[name] = tests.get(name, True) and report.passed
    return report


def pytest_sessionfinish() -> None:
    """Write it down."""
    with open(os.environ[VARIABLE], "w", encoding="utf-8") as file:
        json.dump(_found, file)


def read(path: str) -> dict[int, dict[str, bool]]:
    """Return what a run has written: by pitfall, the tests and whether each passed."""
    with open(path, encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return {int(number): tests for number, tests in found.items()}
