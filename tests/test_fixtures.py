# SPDX-License-Identifier: Apache-2.0
"""The fixtures that start processes keep them apart from us and end them."""

from __future__ import annotations

import socket
import sys

import psutil
import pytest

WITH_A_CHILD = """
import os, time
child = os.fork()
if child:
    print(f"child {child}", flush=True)
time.sleep(60)
"""


def test_a_started_program_sees_none_of_our_settings(process, monkeypatch):
    """Nothing of the environment of the person who runs the tests reaches a started program."""
    monkeypatch.setenv("WSGIAPM_APP_NAME", "mine")

    running = process([sys.executable, "-c", "import os; print(sorted(os.environ))"])

    names = running.wait_for_output(r"^\[.*\]$")[0]
    assert "HOME" in names
    assert "WSGIAPM_APP_NAME" not in names


def test_the_end_of_a_program_is_also_that_of_its_children(process):
    """A child that outlives the program, as a worker may, is ended with it."""
    running = process([sys.executable, "-c", WITH_A_CHILD])
    child = psutil.Process(int(running.wait_for_output(r"^child (\d+)$")[1]))

    running.end()

    child.wait(timeout=10)
    assert running.popen.returncode is not None


def test_waiting_for_a_program_that_has_ended_fails_at_once(process):
    """A program that dies instead of getting ready is not waited for."""
    running = process([sys.executable, "-c", "raise SystemExit(3)"])

    with pytest.raises(pytest.fail.Exception, match="ended with status 3"):
        running.wait_for_output("never")


def test_a_port_is_waited_for_until_it_is_open(process, free_port, wait_for_port):
    """The fixture returns once the program listens."""
    port = free_port()
    process([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)])

    wait_for_port(port)

    with socket.create_connection(("127.0.0.1", port), timeout=1):
        pass
