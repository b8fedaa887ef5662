# SPDX-License-Identifier: Apache-2.0
"""What the log of real processes says of instruments."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORKER = """
import sys
import flask
from wsgiapm import start, stop
start(app_name="news", shared_dir=sys.argv[1], endpoint="", harvest_mode="external", log_level=sys.argv[2],
      disabled_instruments=sys.argv[3])
import mako.runtime
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def worker(tmp_path):
    """`worker(level, disabled)` starts a process that shares its counters with the others; it ends with the test."""
    started = []

    def start(level="INFO", disabled=""):
        command = [sys.executable, "-c", WORKER, str(tmp_path / "shared"), level, disabled]
        process = subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.communicate(timeout=60)


def lines(process):
    """What a process said of instruments until its end, without stamps."""
    _, said = process.communicate(timeout=60)
    return [line.partition("] [")[2] for line in said.splitlines() if "wsgiapm: instrument " in line]


def test_the_first_worker_says_which_instruments_are_on(worker):
    """Those of libraries that were there, and of those that came later, each with version and file; the next is silent."""
    from importlib.metadata import version

    import flask

    first, second, third = worker(), worker(), worker("DEBUG")
    said = lines(first)

    assert f"INFO] wsgiapm: instrument flask: flask {version('flask')} from {flask.__file__}" in said
    assert any(line.startswith("INFO] wsgiapm: instrument mako: mako ") for line in said)
    assert lines(second) == []
    assert sorted(line.replace("DEBUG]", "INFO]") for line in lines(third)) == sorted(said)


def test_a_disabled_instrument_is_not_spoken_of(worker):
    """It is not there."""
    assert not [line for line in lines(worker(disabled="flask,mako")) if "flask" in line or "mako" in line]
