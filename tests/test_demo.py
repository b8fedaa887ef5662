# SPDX-License-Identifier: Apache-2.0
"""The demo is the product's main job: everything runs, and not one request gets lost."""

from __future__ import annotations

import os
import re
import signal
import sys

import demo
import pytest
import supervised
import traffic


def run_demo(process, *options: str, env=None):
    """Start the demo as `make demo` does."""
    return process([sys.executable, demo.__file__, *options], cwd=demo.ROOT, env=env)


def leavings(output: str) -> list[str]:
    """What a demo that has ended left behind: processes, and its directory."""
    directory = re.search(r"^Setting up the shop in (\S+)$", output, re.MULTILINE)
    assert directory
    return supervised.survivors(directory[1]) + [path for path in [directory[1]] if os.path.exists(path)]


def check_demo(running, seconds: float, at_least: int) -> None:
    """Wait for a timed demo, and check what it says in the end."""
    status = running.popen.wait(seconds + 120)

    output = running.output()
    sent, recorded = map(int, re.fullmatch(r"sent (\d+), recorded (\d+)", output.splitlines()[-1]).groups())
    assert (status, sent) == (0, recorded)
    assert sent > at_least
    assert "differ" not in output
    assert {kind.route for kind in traffic.KINDS} <= set(re.findall(r"^(\(.*?\)|/\S*)", output, re.MULTILINE))
    assert leavings(output) == []


@pytest.mark.timeout(200)
def test_all_requests_of_a_short_demo_are_recorded(process):
    """Five gevent workers, replaced again and again and reloaded once: report and metrics have what was sent."""
    check_demo(run_demo(process, "--seconds", "15"), seconds=15, at_least=100)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("worker_class", ["gevent", "sync", "gthread"])
def test_all_requests_of_a_full_demo_are_recorded(process, worker_class):
    """Half a minute with each kind of worker, more than 2,000 requests."""
    check_demo(run_demo(process, "--seconds", "30", "--worker-class", worker_class), seconds=30, at_least=2000)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_a_demo_without_an_end_can_be_ended(process, number):
    """Without a time it runs until Ctrl-C, says where the report is, and leaves nothing behind."""
    running = run_demo(process)
    running.wait_for_output(r"The report: http://127\.0\.0\.1:\d+/\?token=\S+")
    running.wait_for_output("Ctrl-C ends all of it")

    status = running.stop(number, timeout=60)

    assert status == 0
    assert "Traceback" not in running.output()
    assert leavings(running.output()) == []


def test_a_demo_whose_server_does_not_start_says_so(process, tmp_path):
    """A program that fails is shown with what it wrote, and everything else is ended."""
    (tmp_path / "falcon.py").write_text("raise SystemExit('no falcon today')")

    running = run_demo(process, env={"PYTHONPATH": str(tmp_path)})

    assert running.popen.wait(60) == 1
    assert "no falcon today" in running.output()
    assert leavings(running.output()) == []
