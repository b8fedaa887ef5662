# SPDX-License-Identifier: Apache-2.0
"""mod_wsgi in a real Apache, through mod_wsgi-express: daemon processes that know nothing of us."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import psutil
import pytest

from tests.servers.apache import command, make_shared
from tests.servers.conftest import APPS, Client
from tests.servers.matrix import covers

SETUPS = {
    "1 process, 5 threads": ["--processes", "1", "--threads", "5"],
    "2 processes, 4 threads": ["--processes", "2", "--threads", "4"],
    "2 processes, 4 threads, an interpreter of its own": [
        *("--processes", "2", "--threads", "4", "--application-group", "%{RESOURCE}"),
    ],
}

pytestmark = pytest.mark.long


@pytest.fixture
def marks(public_path):
    """Where the app says that it has got somewhere."""
    path = public_path / "marks"
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.fixture
def start(process, counts, marks, free_port, stub, public_path):
    """`start(*options)` runs Apache, always on the same port and directory; returns it and a client."""
    port = free_port()
    counts.path = make_shared(public_path)

    def begin(*options, apps=APPS, **env):
        settings = {"WSGIAPM_SHARED_DIR": counts.path, "WSGIAPM_ENDPOINT": stub.endpoint, "MARKS": str(marks)}
        argv = command(port, public_path, "answers", *options, apps=apps)
        running = process(argv, env={"WSGIAPM_HARVEST_INTERVAL": "1h", **settings, **env})
        running.wait_for_port(port)
        return running, Client(port)

    return begin


@covers("mod_wsgi", "{setup}", "SIGTERM", "graceful restart")
@pytest.mark.parametrize("setup", SETUPS)
def test_nothing_is_lost_over_restarts(setup, start, counts, stub, wait_until):
    """A graceful restart of Apache and a stop: exact after each, and uploaded by the last process that ends."""
    running, client = start(*SETUPS[setup])
    assert client.get_many("/json", 60) == {200: 60}
    assert client.get("/stream") == (200, b"0123456789" * 10)
    assert client.get("/error")[0] == 500
    assert client.get("/nothing/here")[0] == 404
    expected = {("/json", 200): 60, ("/stream", 200): 1, ("/error", None): 1, ("(not found)", 404): 1}
    wait_until(lambda: counts.total == 63, "all are counted")
    assert counts.requests == expected

    before = pid_of(client)
    running.popen.send_signal(signal.SIGUSR1)
    wait_until(lambda: not psutil.pid_exists(before), "the old processes are gone", 40)
    assert client.get_many("/json", 60) == {200: 60}
    running.stop(timeout=40)

    expected |= {("/json", 200): 120, ("/pid", 200): 1}
    assert counts.requests == expected
    assert (counts.running, counts.aborted) == (0, {})
    assert stub.totals[-1] == sum(expected.values())


def pid_of(client):
    """Who answers."""
    return int(client.get("/pid")[1])


@covers("mod_wsgi", "2 processes, 4 threads", "SIGKILL of a process in mid-request", "`--maximum-requests`", "touch")
def test_nothing_is_lost_when_processes_come_and_go(start, counts, marks, stub, public_path, wait_until):
    """Recycled after so many requests, restarted because the script was touched, killed: exact under ab's requests."""
    running, client = start(*SETUPS["2 processes, 4 threads"], "--maximum-requests", "200")
    argv = ["ab", "-q", "-n", "2000", "-c", "8", f"http://127.0.0.1:{client.port}/json"]
    report = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=100).stdout
    assert re.search(r"^Failed requests: +0$", report, re.MULTILINE), report
    assert "Non-2xx" not in report
    wait_until(lambda: counts.total >= 2000, "all are counted")

    before = pid_of(client)
    os.utime(public_path / "apache" / "handler.wsgi")
    pids = {pid_of(client) for _ in range(20)}
    assert pids != {before}

    abandoned = client.abandon("/stuck")
    wait_until(lambda: os.listdir(marks), "the request is under way")
    wait_until(lambda: counts.running == 1, "it is in flight")
    os.kill(int(os.listdir(marks)[0].partition("-")[2]), signal.SIGKILL)
    abandoned.join()
    assert client.get_many("/json", 60) == {200: 60}
    running.stop(timeout=40)

    assert counts.requests == {("/json", 200): 2060, ("/pid", 200): 21}
    assert (counts.running, counts.aborted) == (0, {("/stuck", "killed"): 1})
    assert stub.totals[-1] == 2081


def test_a_file_is_sent_in_apaches_own_way(start, counts, ask_for_files):
    """One that has a number is not read by anybody in Python, each is closed once, and its bytes are counted: as without us."""
    done = []
    for enabled in ("false", "true"):
        running, client = start(*SETUPS["1 process, 5 threads"], WSGIAPM_ENABLED=enabled)
        done.append(ask_for_files(running, client))
        running.stop(timeout=40)

    assert done[1] == done[0]
    assert done[1][0] == ["closed"]
    assert [told.count("closed") for told in done[1]] == [1, 1]
    assert counts.requests == {("/sent", 200): 2, ("/json", 200): 1}
    assert counts.size["/sent"] == 2 * os.path.getsize(os.path.join(APPS, "answers.py"))
