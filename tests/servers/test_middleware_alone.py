# SPDX-License-Identifier: Apache-2.0
"""Servers that know nothing of us: the middleware alone counts exactly, harvests, and outlives every restart."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import psutil
import pytest

from tests.servers.conftest import APPS, ROOT, Client
from tests.servers.matrix import covers
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.directory import open_directory

if TYPE_CHECKING:
    from collections.abc import Callable


class Setup(NamedTuple):
    """A server and how it is started."""

    server: str
    configuration: str
    argv: Callable[[int], list[str]]
    site: bool = False
    reloader: bool = False


def module(*argv: str) -> Callable[[int], list[str]]:
    """A server that is run with `python -m`."""
    return lambda port: [sys.executable, "-m", *(part.format(port=port) for part in argv)]


def serving(name: str) -> Callable[[int], list[str]]:
    """A server that has no command."""
    return lambda port: [sys.executable, "serving.py", name, str(port)]


def runserver(*options: str) -> Callable[[int], list[str]]:
    """Django's own."""
    return module("django", "runserver", *options, "127.0.0.1:{port}", "--settings", "site_settings")


ADDRESS = "127.0.0.1:{port}"
SETUPS = {
    "waitress": Setup(
        "waitress", "4 threads", module("waitress", f"--listen={ADDRESS}", "--threads=4", "answers:application")
    ),
    "cheroot": Setup(
        "cheroot", "10 threads", module("cheroot", f"--bind={ADDRESS}", "--threads=10", "answers:application")
    ),
    "wsgiref": Setup("wsgiref", "one thread", serving("wsgiref")),
    "tornado": Setup("Tornado WSGIContainer", "on the event loop", serving("tornado")),
    "tornado-threads": Setup("Tornado WSGIContainer", "with an executor of 4 threads", serving("tornado_threads")),
    "werkzeug": Setup("werkzeug", "a thread for each request", serving("werkzeug_threads")),
    "werkzeug-reloader": Setup("werkzeug", "with the reloader", serving("werkzeug_reload"), reloader=True),
    "runserver-noreload": Setup("Django runserver", "`--noreload`", runserver("--noreload"), site=True),
    "runserver": Setup("Django runserver", "with the reloader", runserver(), site=True, reloader=True),
}


def each_setup(*restarts: str, only: Callable[[Setup], object] = bool):
    """Run a test for every setup, as covering these restarts."""
    return pytest.mark.parametrize(
        "setup",
        [
            pytest.param(
                setup,
                id=name,
                marks=covers(setup.server, setup.configuration, *restarts),
            )
            for name, setup in SETUPS.items()
            if only(setup)
        ],
    )


@pytest.fixture
def start(process, counts, marks, free_port, stub):
    """`start(setup)` runs the server, always on the same port and directory; the stub gets what it uploads."""
    port = free_port()

    def begin(setup, apps=APPS, **env):
        settings = {
            "WSGIAPM_SHARED_DIR": counts.path,
            "WSGIAPM_ENDPOINT": stub.endpoint,
            "WSGIAPM_HARVEST_INTERVAL": "1h",
            "MARKS": str(marks),
            "PYTHONWARNINGS": "default",
            **env,
        }
        running = process(setup.argv(port), env=settings, cwd=apps)
        running.wait_for_port(port)
        return running, Client(port)

    return begin


def ask_for_everything(client, setup):
    """Send some of everything; returns how it is to be counted."""
    assert client.get_many("/json", 40, at_once=4) == {200: 40}
    assert client.get("/stream") == (200, b"0123456789" * 10)
    assert client.get("/nothing/here")[0] == 404
    expected = Counter({("/json", 200): 40, ("/stream", 200): 1, ("(not found)", 404): 1})
    if setup.server != "Tornado WSGIContainer":  # it never answers when an app fails, or answers HEAD with a body
        assert client.get("/error")[0] == 500
        assert client.get("/json", "HEAD") == (200, b"")
        expected["/error", 500 if setup.site else None] += 1
        expected["/json", 200] += 1
    return expected


def troubles(running):
    """Lines of ours in the output that tell of more than the harvest, and warnings about our code."""
    lines = [line for line in running.output().splitlines() if "[INFO]" not in line]
    return [line for line in lines if "] wsgiapm: " in line or ("/wsgiapm/" in line and "Warning" in line)]


def interrupt(running):
    """End a server as Ctrl-C in its terminal does: the whole process group gets the signal."""
    time.sleep(0.3)  # wsgiref takes an interrupt in the middle of a request for an error of the app, and serves on
    os.killpg(running.pid, signal.SIGINT)
    try:
        status = running.popen.wait(10)
    except subprocess.TimeoutExpired:  # cheroot waits for a thread that waits for work, also without us, now and then
        os.killpg(running.pid, signal.SIGINT)
        status = running.popen.wait(30)
    assert status in (0, 1, -signal.SIGINT, 128 + signal.SIGINT)


@each_setup("Ctrl-C")
def test_nothing_is_lost_when_a_server_ends_as_it_means_to(setup, start, counts, stub, wait_until):
    """All is counted by route and status and uploaded before the process is gone; the next one goes on from there."""
    running, client = start(setup)
    expected = ask_for_everything(client, setup)
    wait_until(lambda: counts.total == sum(expected.values()), "all are counted")
    assert counts.requests == expected
    assert counts.running == 0
    interrupt(running)
    assert setup.reloader or stub.totals[-1] == sum(expected.values())  # it gives its child a quarter of a second
    assert counts.requests == expected
    assert troubles(running) == []

    running, client = start(setup)
    expected += ask_for_everything(client, setup)
    interrupt(running)
    assert counts.requests == expected
    assert (counts.running, counts.aborted) == (0, {})
    assert setup.reloader or stub.totals[-1] == sum(expected.values())
    assert {name for name in os.listdir(counts.path) if name.startswith("segment")} == {"segment-0"}


def test_an_upload_that_hangs_does_not_hold_up_the_end(start, counts, stub):
    """Two seconds are what it gets; nothing is lost, the next process uploads it."""
    stub.answers.clear()
    running, client = start(SETUPS["waitress"])
    assert client.get_many("/json", 20) == {200: 20}
    interrupt(running)
    assert not stub.answers.is_set()
    assert counts.requests == {("/json", 200): 20}

    stub.answers.set()
    running, client = start(SETUPS["waitress"])
    assert client.get_many("/json", 20) == {200: 20}
    interrupt(running)
    assert counts.requests == {("/json", 200): 40}
    assert stub.totals[-1] == 40


@each_setup("SIGTERM", "SIGKILL in mid-request")
@pytest.mark.long
def test_nothing_is_lost_when_a_server_is_ended_at_once(setup, start, counts, marks, stub, wait_until):
    """By SIGTERM, which most of them do not handle, and by SIGKILL: what was counted is there, one request is aborted."""
    running, client = start(setup)
    expected = ask_for_everything(client, setup)
    wait_until(lambda: counts.total == sum(expected.values()), "all are counted")
    running.stop()
    assert counts.requests == expected

    running, client = start(setup)
    expected += ask_for_everything(client, setup)
    abandoned = client.abandon("/stuck")
    wait_until(lambda: os.listdir(marks), "the request is under way")
    wait_until(lambda: counts.running == 1 and counts.total == sum(expected.values()), "it is in flight")
    os.killpg(running.pid, signal.SIGKILL)
    abandoned.join()
    running.popen.wait()

    running, client = start(setup)
    answered = run_ab(client.port, 1000)
    assert answered == 1000
    expected["/json", 200] += answered
    wait_until(lambda: counts.total == sum(expected.values()), "all are counted")
    interrupt(running)
    assert counts.requests == expected
    assert (counts.running, counts.aborted) == (0, {("/stuck", "killed"): 1})
    assert setup.reloader or stub.totals[-1] == sum(expected.values())


def run_ab(port, times):
    """Send requests with ab; returns how many were answered in full."""
    argv = ["ab", "-q", "-n", str(times), "-c", "4", f"http://127.0.0.1:{port}/json"]
    report = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=100).stdout
    assert "Non-2xx" not in report
    found = {name: int(n) for name, n in re.findall(r"^(Complete|Failed) requests: +(\d+)$", report, re.MULTILINE)}
    return found["Complete"] - found["Failed"]


@each_setup("reload after a change", only=lambda setup: setup.reloader)
def test_a_reloader_is_no_second_process(setup, start, counts, stub, tmp_path, wait_until):
    """The parent neither counts nor harvests, the child does both; the next child goes on from there."""
    apps = tmp_path / "apps"
    shutil.copytree(APPS, apps, ignore=shutil.ignore_patterns("__pycache__"))
    running, client = start(setup, apps, WSGIAPM_HARVEST_INTERVAL="1s")
    child = int(client.get("/pid")[1])
    expected = ask_for_everything(client, setup)
    total = 1 + sum(expected.values())
    wait_until(lambda: stub.totals and stub.totals[-1] == total, "it is uploaded")
    directory = open_directory(counts.path)
    with contextlib.closing(directory):
        assert directory.holder(layout.LEADER_LOCK) == child != running.pid
    assert not any(counts.path in mapped.path for mapped in psutil.Process(running.pid).memory_maps())

    with open(apps / ("site_settings.py" if setup.site else "answers.py"), "a", encoding="utf-8") as file:
        file.write("\n")
    wait_until(lambda: not psutil.pid_exists(child), "the child has ended")
    running.wait_for_port(client.port)
    other = int(client.get("/pid")[1])
    expected += ask_for_everything(client, setup)
    expected["/pid", 200] += 2
    total = sum(expected.values())
    wait_until(lambda: stub.totals[-1] == total, "it is uploaded")
    assert other not in (child, running.pid)
    interrupt(running)
    assert counts.requests == expected
    assert (counts.running, counts.aborted) == (0, {})
    assert stub.totals == sorted(stub.totals)
    assert troubles(running) == []


def is_open(port):
    """Whether anybody accepts connections there."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@covers("werkzeug", "a process for each request", "SIGKILL")
@pytest.mark.long
def test_a_process_for_each_request_counts_exactly(start, counts, stub, wait_until):
    """No process lives long enough to harvest: the counters are uploaded by `wsgiapm harvest`."""
    setup = Setup("werkzeug", "a process for each request", serving("werkzeug_processes"))
    for answered in (40, 80):
        running, client = start(setup)
        assert client.get_many("/json", 40, at_once=4) == {200: 40}
        os.killpg(running.pid, signal.SIGKILL)  # with the children, which hold its socket
        running.popen.wait()
        wait_until(lambda: not is_open(client.port), "the last child is gone")  # noqa: B023
        # A process that ends at once may not get to write a new route's name, while others write theirs.
        assert counts.requests["/json", 200] + counts.requests["(unknown)", 200] == counts.total == answered
    assert (counts.running, counts.aborted) == (0, {})
    assert len([name for name in os.listdir(counts.path) if name.startswith("segment")]) <= 8
    argv = [sys.executable, "-m", "wsgiapm", "harvest", "--once", "--shared-dir", counts.path]
    environment = {**os.environ, "PYTHONPATH": ROOT, "WSGIAPM_ENDPOINT": stub.endpoint}
    subprocess.run(argv, check=True, env=environment, timeout=60)
    assert stub.totals == [80]
