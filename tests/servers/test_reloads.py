# SPDX-License-Identifier: Apache-2.0
"""Reloads of a real gunicorn under load: HUP, and a new master by USR2, counted by the clients too."""

from __future__ import annotations

import http.client
import os
import random
import signal
import sys
import threading
from collections import Counter
from types import SimpleNamespace

import psutil
import pytest

WORKERS = {
    "gthread": ["--worker-class", "gthread", "--workers", "2", "--threads", "4"],
    "sync": ["--worker-class", "sync", "--workers", "3"],
    "gevent": ["--worker-class", "gevent", "--workers", "2"],
}
# What is asked for, and as what it counts. The app of /error fails, so that the status is the server's.
PATHS = {
    "/json": ("/json", 200),
    "/slow?0.03": ("/slow", 200),
    "/stream": ("/stream", 200),
    "/nothing/here": ("(not found)", 404),
    "/error": ("/error", None),
}
# Started by `python -m` gunicorn does not find its way back: its own `http` would hide the standard one.
GUNICORN = [os.path.join(os.path.dirname(sys.executable), "gunicorn")]
# One kind in every run, the others in the long one.
each_worker = pytest.mark.parametrize(
    ("worker", "preload"),
    [
        pytest.param(worker, preload, id=f"{worker}{'-preload' if preload else ''}", marks=marks)
        for worker in WORKERS
        for preload in (False, True)
        for marks in ([pytest.mark.long] if preload or worker != "gthread" else [],)
    ],
)


class Load:
    """Clients that ask without a pause, and count what they are answered, by route and status."""

    def __init__(self, client, clients=6):
        self.answered = Counter()
        self.failed = Counter()
        self._client = client
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, seed):
        chance = random.Random(seed)
        while not self._stop.is_set():
            path = chance.choice(list(PATHS))
            try:
                status, body = self._client.get(path)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.failed[type(error).__name__] += 1
                continue
            route, counted = PATHS[path]
            with self._lock:
                if status == (counted or 500) and (path != "/stream" or len(body) == 100):
                    self.answered[route, counted] += 1
                else:  # broken off by the server, which said so
                    self.failed[path, status] += 1

    def total(self):
        """How many answers there have been."""
        with self._lock:
            return self.answered.total()


@pytest.fixture
def serve_on(wait_until):
    """`serve_on(load)` returns when so many more requests have been answered that every worker must have had some."""

    def wait(load, more=60):
        reached = load.total() + more
        wait_until(lambda: load.total() >= reached, f"{more} more requests are answered", 60)

    return wait


def check(counts, load):
    """Compare with what the clients saw. A client without an answer had met a worker that never read its request."""
    assert counts.requests == load.answered, load.failed
    assert counts.aborted == {}
    assert counts.running == 0


def children(pid):
    """The ids of the processes a master has."""
    return {child.pid for child in psutil.Process(pid).children()}


@each_worker
def test_hup_loses_nothing(worker, preload, gunicorn, counts, serve_on, ready_workers, wait_until, tmp_path):
    """Three times all workers are exchanged while clients ask on: exactly what they were answered is counted."""
    running, client = gunicorn(*WORKERS[worker], *(["--preload"] if preload else []))
    wanted = ready_workers(running)
    with Load(client) as load:
        serve_on(load)
        for _ in range(3):
            before = children(running.pid)
            running.popen.send_signal(signal.SIGHUP)
            wait_until(lambda: not before & children(running.pid), "all old workers are gone", 60)  # noqa: B023
            wait_until(lambda: ready_workers(running) == wanted, "all new ones are there", 60)
            serve_on(load)
    check(counts, load)
    assert running.stop() == 0

    check(counts, load)
    assert len(os.listdir(tmp_path / "shared")) <= 3 * 2 * wanted + 6


class Masters:
    """Two masters on one socket, as in a change of the program without a pause."""

    def __init__(self, running, pid_file, ready_workers, wait_until):
        """`running` is the old one; gunicorn writes the id of the new one to `pid_file` and .2."""
        self._old = running
        self._pid_file = pid_file
        self._ready_workers = ready_workers
        self._wait_until = wait_until

    def change(self, number, between):
        """Start the new one; after `between`, end the old one by a signal. Returns the new one's process."""
        wanted = self._ready_workers(self._old)
        self._old.popen.send_signal(signal.SIGUSR2)
        new = psutil.Process(self._wait_until(self._read_new, "the new master has written its id", 60))
        numbered = SimpleNamespace(pid=new.pid)
        self._wait_until(lambda: self._ready_workers(numbered) == wanted, "its workers are ready", 60)
        between()
        assert self._old.stop(number, timeout=60) == 0
        return new

    def _read_new(self):
        try:
            return int((self._pid_file.with_name(self._pid_file.name + ".2")).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return None


def end(process):
    """End a master that is no child of ours."""
    process.terminate()
    process.wait(30)


@each_worker
def test_a_new_master_goes_on_where_the_old_one_ends(
    worker, preload, gunicorn, counts, serve_on, ready_workers, wait_until, tmp_path
):
    """USR2, and TERM for the old master: both count in one place, and nothing is lost between them."""
    pid_file = tmp_path / "pid"
    options = [*WORKERS[worker], *(["--preload"] if preload else []), "--pid", str(pid_file)]
    running, client = gunicorn(*options, program=GUNICORN)
    with Load(client) as load:
        serve_on(load)
        new = Masters(running, pid_file, ready_workers, wait_until).change(signal.SIGTERM, lambda: serve_on(load))
        serve_on(load)
    check(counts, load)
    end(new)

    check(counts, load)


@each_worker
@pytest.mark.long
def test_an_old_master_that_quits_at_once(
    worker, preload, gunicorn, counts, serve_on, ready_workers, wait_until, tmp_path
):
    """QUIT breaks requests off: what clients saw finished is finished, the rest is counted once or never began."""
    pid_file = tmp_path / "pid"
    options = [*WORKERS[worker], *(["--preload"] if preload else []), "--pid", str(pid_file)]
    running, client = gunicorn(*options, program=GUNICORN)
    with Load(client, clients=12) as load:
        serve_on(load)
        new = Masters(running, pid_file, ready_workers, wait_until).change(signal.SIGQUIT, lambda: serve_on(load))
        serve_on(load)
    end(new)

    assert load.answered <= counts.requests
    unseen = counts.total - load.answered.total() + sum(counts.aborted.values())
    assert unseen <= load.failed.total()
    assert counts.running == 0
