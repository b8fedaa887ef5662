# SPDX-License-Identifier: Apache-2.0
"""What compares the results of libraries' own tests sees a difference; that there is none is seen by `make test-libraries`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.libraries.__main__ import ROOT, differences


def test_a_difference_is_every_test_with_another_result():
    """Also one that ran only once."""
    without = {"a": "passed", "b": "failed", "c": "passed", "d": "passed"}
    with_ = {"a": "passed", "b": "failed", "c": "failed", "e": "passed"}

    assert differences(without, with_) == [
        "c: passed without, failed with",
        "d: passed without, not run with",
        "e: not run without, passed with",
    ]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_an_instrument_that_is_broken_shows():
    """One is, on purpose: the tests of Bottle that need their route fail, and are named."""
    environment = {**os.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, "-m", "tests.libraries", "--planted", "bottle"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stderr
    assert "without instruments: " in done.stdout
    assert "test/test_mount.py::TestAppMounting::test_mount: passed without, failed with" in done.stdout
