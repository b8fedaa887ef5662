# SPDX-License-Identifier: Apache-2.0
"""deploy/supervisor/ under a real supervisord: nothing is lost and nobody stays behind, whatever is started, stopped or killed."""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import NamedTuple

import psutil
import pytest

from tests.conftest import Server
from tests.servers.conftest import APPS, ROOT, Client, catches
from tests.servers.matrix import covers
from tests.servers.supervision import processes_with, read_entry, supervise

WORKERS = 2


class Supervised(NamedTuple):
    """A supervisord with the app and the report."""

    running: object
    client: Client
    control: object
    report: object


@pytest.fixture
def supervised(process, free_port, counts, marks, tmp_path):
    """The entries as they are, but for places, ports and the user; app.conf with deploy/gunicorn.conf.py."""
    port, report_port = free_port(), free_port()
    (tmp_path / "state" / "wsgiapm").mkdir(parents=True, mode=0o700)
    app, section = read_entry("app", tmp_path)
    program, options = (
        "/srv/app/venv/bin/gunicorn -c /srv/app/gunicorn.conf.py",
        f"--workers {WORKERS} --bind 127.0.0.1:{port}",
    )
    assert section["command"] == f"{program} project.wsgi"
    section["command"] = (
        f"{sys.executable} -m gunicorn -c {ROOT}/deploy/gunicorn.conf.py {options} --no-control-socket answers:application"
    )
    section["directory"] = APPS
    report, section = read_entry("wsgiapm", tmp_path)
    section["command"] = (
        section["command"]
        .replace("/srv/app/venv/bin/wsgiapm", f"{sys.executable} -m wsgiapm")
        .replace("127.0.0.1:4318", f"127.0.0.1:{report_port}")
    )
    env = {
        "WSGIAPM_SHARED_DIR": counts.path,
        "WSGIAPM_ENDPOINT": f"http://127.0.0.1:{report_port}",
        "WSGIAPM_HARVEST_INTERVAL": "1s",
        "MARKS": str(marks),
    }
    running, control = supervise(process, tmp_path, [app, report], env)
    running.wait_for_port(port)
    running.wait_for_port(report_port)

    def ask(path, **parameters):
        with open(tmp_path / "wsgiapm.log", encoding="utf-8") as file:
            token = re.search(r"listening on \S+token=(\S+)", file.read())[1]
        server = Server.__new__(Server)
        server.address, server.view_token = env["WSGIAPM_ENDPOINT"], token
        return server.get(path, **parameters)

    return Supervised(running, Client(port), control, ask)


def workers_of(master):
    """The workers of a gunicorn that have come far enough to be ended by a signal."""
    try:
        return {child.pid for child in psutil.Process(master).children() if catches(child.pid, signal.SIGABRT)}
    except psutil.NoSuchProcess:
        return set()


@covers(
    "supervisor",
    "gunicorn `gevent`, deploy/supervisor",
    "start",
    "HUP",
    "restart",
    "SIGKILL of the master",
    "stop as group",
)
def test_supervisor_may_do_what_it_likes(supervised, counts, marks, wait_until):
    """Counts stay exact over all of it, in the shared directory and on the server, and no process is left behind."""

    def master():
        pid = supervised.control("pid", "app")
        return int(pid) if pid.isdigit() else 0

    def wait_for_new(old):
        """Until a master has all its workers, and none of them is an old one."""

        def ready():
            workers = workers_of(master())
            return len(workers) == WORKERS and not workers & old and not old & set(psutil.pids())

        wait_until(ready, "new workers are there, and the old ones gone", 60)
        return workers_of(master())

    answered = 0

    def ask(times=30):
        nonlocal answered
        assert supervised.client.get_many("/json", times, at_once=4) == {200: times}
        answered += times

    workers = wait_for_new(set())
    ask()
    supervised.control("signal", "HUP", "app")
    workers = wait_for_new(workers)
    ask()
    assert "app: started" in supervised.control("restart", "app")
    workers = wait_for_new(workers)
    ask()
    killed = master()
    os.kill(killed, signal.SIGKILL)
    workers = wait_for_new(workers)
    assert master() != killed
    ask()

    assert counts.requests == {("/json", 200): answered}
    assert (counts.running, counts.aborted) == (0, {})
    group = os.getpgid(master())
    assert "app: stopped" in supervised.control("stop", "app")
    assert [pid for pid in psutil.pids() if _group(pid) == group] == []
    summary = lambda: supervised.report("/api/v1/summary", app="app")["requests"]  # noqa: E731
    wait_until(lambda: summary() == answered, "all are on the server", 40)
    assert supervised.running.stop(timeout=60) == 0
    assert processes_with(marks) == set()
    assert counts.requests == {("/json", 200): answered}


def _group(pid):
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
