# SPDX-License-Identifier: Apache-2.0
"""Two gunicorns, every worker class, every kind of restart: what clients were answered is what is counted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys

import psutil
import pytest

from tests.servers.conftest import APPS, ROOT, Client
from tests.servers.matrix import covers
from tests.servers.other_users import closed_to_others, python_for_all

OLD = os.path.join(ROOT, ".venv-gunicorn-21.2", "bin", "gunicorn")
HOOKS = ["--config", "python:wsgiapm.gunicorn_hooks"]
# Not `python -m gunicorn`: it replaces itself by a process where gunicorn's `http` hides the standard library's.
VERSIONS = {
    "gunicorn": [os.path.join(os.path.dirname(sys.executable), "gunicorn"), "--no-control-socket"],
    "gunicorn 21.2": [OLD],
}
WORKERS = {
    "sync": ["--workers", "3"],
    "gthread": ["--workers", "2", "--worker-class", "gthread", "--threads", "4"],
    "gevent": ["--workers", "2", "--worker-class", "gevent"],
    "gevent_pywsgi": ["--workers", "2", "--worker-class", "gevent_pywsgi"],
}
each_version = pytest.mark.parametrize("version", VERSIONS)
each_worker = pytest.mark.parametrize("worker", WORKERS)

pytestmark = pytest.mark.long


class Gunicorn:
    """A running gunicorn, also after it has replaced itself."""

    def __init__(self, running, client, ready_workers, wait_until):
        self.running = running
        self.client = client
        self.master = psutil.Process(running.pid)
        self._ready = ready_workers
        self._wait_until = wait_until

    def workers(self):
        """The pids of the workers; another master is none."""
        return {child.pid for child in self.master.children() if "gunicorn" in " ".join(_argv(child))}

    def wait_for_workers(self, number, without=frozenset()):
        """Wait until so many are ready, and none of those."""

        def there():
            pids = self.workers()
            return len(pids) == number == self._ready(self.master) and not pids & without

        self._wait_until(there, f"{number} workers are ready", 60)

    def signal(self, number):
        """Send the master a signal."""
        self.master.send_signal(number)

    def stop(self):
        """End it as its operators do."""
        self.master.terminate()
        self._wait_until(lambda: not self.master.is_running() or self._is_zombie(), "the master has ended", 40)

    def _is_zombie(self):
        self.running.popen.poll()
        return not psutil.pid_exists(self.master.pid) or self.master.status() == psutil.STATUS_ZOMBIE


def _argv(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def start(process, counts, marks, free_port, ready_workers, wait_until, tmp_path):
    """`start(version, worker, *options)` runs the app of these tests under that gunicorn."""

    def begin(version, worker, *options, apps=APPS, program=None, **more):
        if version == "gunicorn 21.2" and not os.path.exists(OLD):
            pytest.skip("gunicorn 21.2 is not there; run: .ci/servers")
        port = free_port()
        argv = [*(program or VERSIONS[version]), "--bind", f"127.0.0.1:{port}", "--pid", str(tmp_path / "pid"), *HOOKS]
        env = {"WSGIAPM_SHARED_DIR": counts.path, "WSGIAPM_ENDPOINT": "", "MARKS": str(marks), **more}
        running = process([*argv, *WORKERS[worker], *options, "answers:application"], env=env, cwd=apps)
        running.wait_for_port(port)
        gunicorn = Gunicorn(running, Client(port), ready_workers, wait_until)
        gunicorn.wait_for_workers(workers_of(worker))
        return gunicorn

    return begin


def workers_of(worker):
    """How many workers there are at first."""
    return int(WORKERS[worker][1])


def troubles(gunicorn):
    """Lines of ours in the output, except those that tell of the harvest."""
    lines = [line for line in gunicorn.running.output().splitlines() if "] wsgiapm: " in line]
    return [line for line in lines if "[INFO]" not in line]


@pytest.mark.parametrize(
    "preload",
    [
        pytest.param(
            options,
            id=name or "-",
            marks=covers("{version}", "{worker}" + name, "SIGTERM", "HUP", "TTIN, TTOU", "USR2 + TERM"),
        )
        for name, options in {"": (), ", `--preload`": ("--preload",)}.items()
    ],
)
@each_version
@each_worker
def test_operators_signals_lose_nothing(version, worker, preload, start, counts, wait_until, tmp_path):
    """A reload, more and fewer workers, a new master that takes over, and the end."""
    gunicorn = start(version, worker, *preload)
    number = workers_of(worker)
    client = gunicorn.client
    assert client.get_many("/json", 40) == {200: 40}

    before = gunicorn.workers()
    gunicorn.signal(signal.SIGHUP)
    gunicorn.wait_for_workers(number, without=before)
    assert client.get_many("/json", 40) == {200: 40}

    gunicorn.signal(signal.SIGTTIN)
    gunicorn.wait_for_workers(number + 1)
    assert client.get_many("/json", 40) == {200: 40}
    gunicorn.signal(signal.SIGTTOU)
    gunicorn.wait_for_workers(number)
    assert client.get_many("/json", 40) == {200: 40}

    old = gunicorn.master
    gunicorn.signal(signal.SIGUSR2)
    new = int(wait_until(lambda: read(tmp_path / "pid.2"), "the new master has written its pid", 40))
    gunicorn.master = psutil.Process(new)
    gunicorn.wait_for_workers(number)
    assert client.get_many("/json", 40) == {200: 40}
    old.terminate()
    gunicorn.running.popen.wait(40)
    assert client.get_many("/json", 40) == {200: 40}
    gunicorn.stop()

    assert counts.requests == {("/json", 200): 240}
    assert (counts.running, counts.aborted) == (0, {})
    assert troubles(gunicorn) == []


def read(path):
    """What a file holds; nothing when it is not there yet."""
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@covers("{version}", "{worker}", "`--max-requests`")
@each_version
@each_worker
def test_recycled_workers_lose_nothing(version, worker, start, counts):
    """Each after twenty requests: clients count what they were answered."""
    gunicorn = start(version, worker, "--max-requests", "20")
    results = gunicorn.client.get_many("/json", 300, at_once=4)
    gunicorn.stop()

    # A connection gunicorn has not read from when a worker ends is closed: that request was never the app's.
    assert counts.requests == {("/json", 200): results[200]}
    assert results[200] >= 200
    assert (counts.running, counts.aborted) == (0, {})


@covers("{version}", "{worker}", "`--timeout`")
@each_version
@pytest.mark.parametrize(("worker", "path"), [("sync", "/stuck"), ("gevent", "/busy"), ("gevent_pywsgi", "/busy")])
def test_a_request_that_is_timed_out_is_aborted(version, worker, path, start, counts, wait_until):
    """With the reason, under its route; everything else is counted as ever."""
    gunicorn = start(version, worker, "--timeout", "2")
    assert gunicorn.client.get_many("/json", 40) == {200: 40}
    before = gunicorn.workers()
    gunicorn.client.abandon(path).join()
    wait_until(lambda: counts.aborted, "it is found", 40)
    wait_until(lambda: not before <= gunicorn.workers(), "the worker is gone", 40)
    gunicorn.wait_for_workers(workers_of(worker))
    assert gunicorn.client.get_many("/json", 40) == {200: 40}
    gunicorn.stop()

    assert counts.aborted == {(path, "timeout"): 1}
    assert counts.requests == {("/json", 200): 80}
    assert counts.running == 0


@covers("{version}", "{worker}", "`--reload`")
@each_version
@each_worker
def test_a_reload_after_a_change_loses_nothing(version, worker, start, counts, tmp_path):
    """Workers end by themselves when a file of the app changes."""
    apps = tmp_path / "apps"
    shutil.copytree(APPS, apps, ignore=shutil.ignore_patterns("__pycache__"))
    gunicorn = start(version, worker, "--reload", "--reload-engine", "poll", apps=apps)
    assert gunicorn.client.get_many("/json", 40) == {200: 40}
    before = gunicorn.workers()
    with open(apps / "answers.py", "a", encoding="utf-8") as file:
        file.write("\n")
    gunicorn.wait_for_workers(workers_of(worker), without=before)
    assert gunicorn.client.get_many("/json", 40) == {200: 40}
    gunicorn.stop()

    assert counts.requests == {("/json", 200): 80}
    assert (counts.running, counts.aborted) == (0, {})
    assert troubles(gunicorn) == []


@covers("gunicorn 21.2", "{worker}, `--user`", "SIGTERM", "HUP")
@each_worker
def test_workers_of_another_user_lose_nothing(worker, start, counts, public_path):
    """Started by root, in a directory that the master makes for them; the newest gunicorn is tested in test_gunicorn."""
    if os.geteuid() != 0:
        pytest.skip("only root can give up being root")
    python = python_for_all()
    packages = os.path.join(
        os.path.dirname(os.path.dirname(OLD)), "lib", f"python3.{sys.version_info[1]}", "site-packages"
    )
    closed = closed_to_others(packages) if os.path.exists(packages) else None
    if closed:
        pytest.skip(f"other users cannot get into {closed}")
    counts.path = str(public_path / "shared")
    path = os.pathsep.join([ROOT, packages])
    gunicorn = start(
        *("gunicorn 21.2", worker, "--user", "nobody", "--group", "nogroup"),
        program=[python, "-m", "gunicorn"],
        PYTHONPATH=path,
    )
    assert gunicorn.client.get_many("/json", 40) == {200: 40}
    before = gunicorn.workers()
    gunicorn.signal(signal.SIGHUP)
    gunicorn.wait_for_workers(workers_of(worker), without=before)
    assert gunicorn.client.get_many("/json", 40) == {200: 40}
    gunicorn.stop()

    assert counts.requests == {("/json", 200): 80}
    assert {os.stat(entry.path).st_uid for entry in os.scandir(counts.path)} == {65534}
    assert troubles(gunicorn) == []


@covers("{version}", "gthread, unix socket", "HUP", "SIGTERM")
@each_version
def test_a_unix_socket_is_no_difference(version, start, counts, tmp_path):
    """REMOTE_ADDR is empty then."""
    path = str(tmp_path / "socket")
    gunicorn = start(version, "gthread", "--bind", f"unix:{path}")
    for _ in range(2):
        for _ in range(10):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                connection.sendall(b"GET /json HTTP/1.0\r\n\r\n")
                assert b"".join(iter(lambda: connection.recv(4096), b"")).endswith(b'{"ok": true}')
        before = gunicorn.workers()
        gunicorn.signal(signal.SIGHUP)
        gunicorn.wait_for_workers(2, without=before)
    gunicorn.stop()

    assert counts.requests == {("/json", 200): 20}
    assert (counts.running, counts.aborted) == (0, {})
