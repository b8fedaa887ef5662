# SPDX-License-Identifier: Apache-2.0
"""deploy/supervisor/rq.conf under a real supervisord, with Debian's Redis: jobs are done, and nothing stays behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from tests.servers.conftest import APPS
from tests.servers.matrix import covers
from tests.servers.supervision import processes_with, read_entry, supervise

RQ = os.path.join(os.path.dirname(sys.executable), "rq")
WORKERS = [f"rq:rq-{number:02d}" for number in range(4)]

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no Redis (package redis-server)"),
]


@pytest.fixture
def redis_url(process, free_port):
    """The address of a Redis of our own, which keeps nothing."""
    port = free_port()
    running = process(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
    running.wait_for_port(port)
    return f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def supervised(process, redis_url, tmp_path, marks, counts):
    """The entry as it is, but for places, the address and the user."""
    (tmp_path / "state").mkdir(exist_ok=True)
    entry, section = read_entry("rq", tmp_path)
    assert section["command"] == "/srv/app/venv/bin/rq worker --url redis://127.0.0.1:6379/0 default"
    section["command"] = f"{RQ} worker --url {redis_url} default"
    section["directory"] = APPS
    env = {"MARKS": str(marks), "WSGIAPM_SHARED_DIR": counts.path, "WSGIAPM_ENDPOINT": ""}
    return supervise(process, tmp_path, [entry], env)


@pytest.fixture
def enqueue(redis_url):
    """`enqueue(function, name)` gives the workers a job of apps/jobs.py."""

    def give(function, name):
        argv = [RQ, "enqueue", "--url", redis_url, "--quiet", f"jobs.{function}", name]
        subprocess.run(argv, check=True, capture_output=True, timeout=60)

    return give


def registered(url):
    """The workers that Redis knows of."""
    import redis

    with redis.Redis.from_url(url) as connection:
        return connection.smembers("rq:workers")


def pids(control):
    """The process of each worker that runs."""
    lines = [line.split() for line in control("status").splitlines()]
    return {words[0]: int(words[3].rstrip(",")) for words in lines if words[1] == "RUNNING"}


@covers("supervisor", "RQ workers, deploy/supervisor", "start", "restart", "SIGKILL of a worker", "stop as group")
def test_supervisor_keeps_a_pool_of_workers(supervised, enqueue, redis_url, marks, wait_until):
    """Jobs are done by its four, one that runs is finished at a restart, a killed worker is replaced, and all can be stopped."""
    running, control = supervised
    wait_until(lambda: sorted(pids(control)) == WORKERS, "all workers run", 60)
    wait_until(lambda: len(registered(redis_url)) == 4, "they wait for jobs", 60)
    for number in range(4):
        enqueue("do", f"first-{number}")
    wait_until(lambda: len(os.listdir(marks)) == 4, "all jobs are done", 60)
    first = pids(control)
    assert {int((marks / name).read_text()) for name in os.listdir(marks)} <= set(first.values())

    enqueue("begin_and_wait", "long")
    wait_until((marks / "long-begun").exists, "the long job has begun", 60)
    restart = threading.Thread(target=control, args=("restart", "rq:*"))
    restart.start()
    wait_until(lambda: len(set(first.values()) & set(psutil.pids())) == 1, "the others have gone", 60)
    assert not (marks / "long").exists()
    (marks / "long-go").touch()
    restart.join()
    wait_until((marks / "long").exists, "the job was finished", 60)
    wait_until(lambda: sorted(pids(control)) == WORKERS, "all workers run", 60)
    second = pids(control)
    assert not set(first.values()) & set(second.values())

    os.kill(second[WORKERS[0]], signal.SIGKILL)
    wait_until(lambda: pids(control).get(WORKERS[0], second[WORKERS[0]]) != second[WORKERS[0]], "there is another", 60)
    enqueue("do", "last")
    wait_until((marks / "last").exists, "the last job is done", 60)

    wait_until(lambda: len(registered(redis_url)) == 5, "all are registered, and the killed one still", 60)
    control("stop", "rq:*")
    assert pids(control) == {}
    assert processes_with(marks) == {running.pid}
    assert len(registered(redis_url)) == 1
    assert running.stop(timeout=60) == 0
    assert processes_with(marks) == set()
