# SPDX-License-Identifier: Apache-2.0
"""The middleware and the hooks in a real gunicorn: every kind of worker, every end of one."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time

import gunicorn as gunicorn_package
import pytest

from tests.servers.matrix import covers
from tests.servers.other_users import closed_to_others, python_for_all

WORKERS = {
    "sync": ["--workers", "3"],
    "gthread": ["--workers", "2", "--threads", "4", "--worker-class", "gthread"],
    "gevent": ["--workers", "2", "--worker-class", "gevent"],
}
each_worker = pytest.mark.parametrize("worker", WORKERS)
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
APP_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps", "answers.py")


def troubles(running):
    """Lines of ours in the output, except those that tell of the harvest, and warnings of Python."""
    lines = [line for line in running.output().splitlines() if "] wsgiapm: " in line or "Warning:" in line]
    return [line for line in lines if "[INFO]" not in line]


@each_worker
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_every_kind_of_worker_counts_every_answer(worker, preload, gunicorn, counts, wait_until):
    """By route and status, with the bytes of the answers."""
    running, client = gunicorn(*WORKERS[worker], *(["--preload"] if preload else []))
    assert client.get_many("/json", 60) == {200: 60}
    for path, body in {"/stream": b"0123456789" * 10, "/write": b"hello"}.items():
        assert client.get(path) == (200, body)
    with open(APP_FILE, "rb") as file:
        assert client.get("/file") == (200, file.read())
    assert client.get("/nothing/here")[0] == 404
    assert client.get("/json", "HEAD") == (200, b"")
    assert client.get("/error")[0] == 500
    with pytest.raises(http.client.HTTPException):
        client.get("/cut")
    expected = {
        ("/json", 200): 61,
        ("/stream", 200): 1,
        ("/write", 200): 1,
        ("/file", 200): 1,
        ("(not found)", 404): 1,
        ("/error", None): 1,
        ("/cut", 200): 1,
    }
    wait_until(lambda: counts.total == sum(expected.values()), "all are counted")

    assert counts.requests == expected
    assert counts.running == 0
    sizes = {"/json": 60 * 12, "/stream": 100, "/write": 5, "/file": os.path.getsize(APP_FILE), "/cut": 5}
    assert {route: size for route, size in counts.size.items() if size} == sizes
    assert "file wrapper: gunicorn.http.wsgi" in running.output()  # it has kept its class, and so sendfile
    assert running.stop() == 0
    assert counts.total == sum(expected.values())
    assert troubles(running) == []


@covers("gunicorn", "{worker}, without hooks", "SIGTERM")
@each_worker
def test_the_middleware_alone_is_enough(worker, gunicorn, counts, stub):
    """Without any hook; the last worker that ends uploads what all have counted."""
    env = {"WSGIAPM_ENDPOINT": stub.endpoint, "WSGIAPM_HARVEST_INTERVAL": "1h"}
    running, client = gunicorn(*WORKERS[worker], hooks=False, env=env)
    assert client.get_many("/json", 40) == {200: 40}
    assert running.stop() == 0
    assert stub.totals[-1] == 40

    assert counts.requests == {("/json", 200): 40}
    assert troubles(running) == []


@covers("gunicorn", "{worker}", "SIGKILL of a worker in mid-request")
@each_worker
def test_a_worker_killed_in_mid_request_loses_only_that(worker, gunicorn, counts, marks, wait_until, ready_workers):
    """The request is counted as aborted, under its route; everything before it stays counted."""
    running, client = gunicorn(*WORKERS[worker])
    assert client.get_many("/json", 40) == {200: 40}
    abandoned = client.abandon("/stuck")
    wait_until(lambda: os.listdir(marks), "the request is under way")
    wait_until(lambda: counts.running == 1, "it is in flight")
    pid = int(os.listdir(marks)[0].partition("-")[2])
    os.kill(pid, signal.SIGKILL)
    abandoned.join()
    wait_until(lambda: counts.running == 0, "it is in flight no longer")
    assert counts.aborted == {("/stuck", "killed"): 1}
    wait_until(lambda: ready_workers(running) == int(WORKERS[worker][1]), "another worker is there")
    assert client.get_many("/json", 40) == {200: 40}
    assert running.stop() == 0

    assert counts.requests == {("/json", 200): 80}
    assert counts.aborted == {("/stuck", "killed"): 1}


@covers("gunicorn", "{worker}", "`--timeout`")
@pytest.mark.parametrize(("worker", "path"), [("sync", "/stuck"), ("sync", "/busy"), ("gevent", "/busy")])
def test_a_request_gunicorn_times_out_is_found(worker, path, gunicorn, counts, wait_until, ready_workers):
    """As aborted, with the reason, under its route; whether the worker could still unwind it or had to be killed."""
    running, client = gunicorn(*WORKERS[worker], "--timeout", "1")
    assert client.get_many("/json", 10) == {200: 10}
    client.abandon(path).join()
    wait_until(lambda: counts.aborted, "it is found")

    assert counts.aborted == {(path, "timeout"): 1}
    assert counts.requests == {("/json", 200): 10}
    assert counts.running == 0
    wait_until(lambda: ready_workers(running) == int(WORKERS[worker][1]), "another worker is there")
    assert running.stop() == 0


def test_a_request_that_ends_its_worker_counts_once(gunicorn, counts, wait_until):
    """SystemExit in the app: whatever the server makes of it, which depends on its version."""
    running, client = gunicorn(*WORKERS["sync"])
    client.abandon("/exit").join()
    wait_until(lambda: counts.total == 1, "it is counted")

    assert counts.requests == {("/exit", None): 1}
    assert (counts.aborted, counts.running) == ({}, 0)
    assert running.stop() == 0


@each_worker
def test_a_client_that_goes_away_is_counted(worker, gunicorn, counts, wait_until):
    """Once, as no error, and it is in flight no longer."""
    running, client = gunicorn(*WORKERS[worker])
    client.leave("/big")
    wait_until(lambda: counts.total == 1, "it is counted")

    assert counts.requests == {("/big", 200): 1}
    assert counts.running == 0
    assert running.stop() == 0


@covers("gunicorn", "{worker}", "`--max-requests`", "HUP", "TTIN, TTOU")
@each_worker
def test_workers_that_come_and_go_lose_nothing(worker, gunicorn, counts, tmp_path, ready_workers, wait_until):
    """Recycled by max_requests, reloaded, more and fewer of them, all under traffic; and their files are used again."""
    running, client = gunicorn(*WORKERS[worker], "--max-requests", "20", "--graceful-timeout", "5")
    workers = int(WORKERS[worker][1])
    answered = 0
    for number, change in ((signal.SIGHUP, 0), (signal.SIGTTIN, 1), (signal.SIGTTIN, 1), (signal.SIGTTOU, -1)):
        running.popen.send_signal(number)
        workers += change
        # A connection gunicorn has not read from when a worker ends is closed: that request was never the app's.
        answered += client.get_many("/json", 50, at_once=4)[200]
        wait_until(lambda: ready_workers(running) == workers, "the workers are there")  # noqa: B023
    assert running.stop() == 0

    assert answered > 0
    assert counts.total == counts.requests["/json", 200] >= answered
    assert (counts.running, counts.aborted) == (0, {})
    assert len(os.listdir(tmp_path / "shared")) <= 3 * 2 * (workers + 1) + 6


@covers("gunicorn", "sync, unix socket", "SIGTERM")
def test_a_unix_socket_is_no_difference(gunicorn_app, process, counts, tmp_path, wait_until):
    """REMOTE_ADDR is empty then."""
    path = str(tmp_path / "socket")
    apps = os.path.dirname(APP_FILE)
    argv = [sys.executable, "-m", "gunicorn", "--bind", f"unix:{path}", "--no-control-socket"]
    argv += ["--config", "python:wsgiapm.gunicorn_hooks", "answers:application"]
    running = process(argv, env={"WSGIAPM_SHARED_DIR": counts.path, "WSGIAPM_ENDPOINT": ""}, cwd=apps)
    wait_until(lambda: os.path.exists(path), "it listens")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(b"GET /json HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.endswith(b'{"ok": true}')
    assert running.stop() == 0

    assert counts.requests == {("/json", 200): 1}


def test_nothing_of_ours_is_deprecated(gunicorn, counts):
    """Neither in our modules nor in how gunicorn loads them."""
    running, client = gunicorn(*WORKERS["sync"], env={"PYTHONWARNINGS": "default"})
    assert client.get("/json")[0] == 200
    assert running.stop() == 0

    warned = [line for line in running.output().splitlines() if "Warning:" in line and "ResourceWarning" not in line]
    assert [line for line in warned if "wsgiapm" in line] == []


# -- the end of the master --------------------------------------------------------------------------------------------


@each_worker
def test_the_last_seconds_reach_the_server(worker, gunicorn, stub, counts):
    """The workers are gone when the master uploads once more."""
    running, client = gunicorn(
        *WORKERS[worker], env={"WSGIAPM_ENDPOINT": stub.endpoint, "WSGIAPM_HARVEST_INTERVAL": "1h"}
    )
    assert client.get_many("/json", 30) == {200: 30}
    assert running.stop() == 0

    assert stub.totals[-1] == 30
    assert troubles(running) == []


def test_a_server_that_hangs_does_not_hold_up_the_end(gunicorn, stub, counts):
    """The master ends while the server still has not answered; nothing is lost, it is in the directory."""
    stub.answers.clear()
    running, client = gunicorn(
        *WORKERS["sync"], env={"WSGIAPM_ENDPOINT": stub.endpoint, "WSGIAPM_HARVEST_INTERVAL": "1h"}
    )
    assert client.get_many("/json", 30) == {200: 30}
    assert running.stop(timeout=15) == 0

    assert not stub.answers.is_set()
    assert counts.total == 30


def test_a_server_that_is_not_there_does_not_hold_up_the_end(gunicorn, counts, free_port):
    """One line says that it is not there."""
    running, client = gunicorn(*WORKERS["sync"], env={"WSGIAPM_ENDPOINT": f"http://127.0.0.1:{free_port()}"})
    assert client.get_many("/json", 30) == {200: 30}
    assert running.stop() == 0

    assert counts.total == 30
    assert all("not uploaded, will be tried again" in line for line in troubles(running))


# -- started by root --------------------------------------------------------------------------------------------------


PACKAGES = os.path.dirname(os.path.dirname(gunicorn_package.__file__))


@pytest.fixture
def for_nobody():
    """How to start gunicorn so that another user can run what root has started: the program, and where its packages are."""
    if os.geteuid() != 0:
        pytest.skip("only root can give up being root")
    python = python_for_all()
    for path in (PACKAGES, APP_FILE):
        closed = closed_to_others(path)
        if closed:
            pytest.skip(f"other users cannot get into {closed}, where {path} is")
    return {"program": [python, "-m", "gunicorn"], "env": {"PYTHONPATH": os.pathsep.join([ROOT, PACKAGES])}}


@covers("gunicorn", "{worker}, `--user`", "SIGTERM")
@each_worker
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.long
def test_a_master_of_roots_makes_the_directory_for_its_workers(
    worker, preload, gunicorn, counts, public_path, for_nobody
):
    """Below a parent where only root may write; the files are the workers'."""
    own = public_path / "own"
    own.mkdir(mode=0o755)
    counts.path = str(own / "shared")
    options = [*WORKERS[worker], *(["--preload"] if preload else []), "--user", "nobody", "--group", "nogroup"]
    running, client = gunicorn(
        *options, program=for_nobody["program"], env={**for_nobody["env"], "WSGIAPM_SHARED_DIR": counts.path}
    )
    assert client.get_many("/json", 40) == {200: 40}
    assert running.stop() == 0

    assert counts.requests == {("/json", 200): 40}
    status = os.stat(counts.path)
    assert (status.st_uid, status.st_mode & 0o777) == (65534, 0o700)
    assert {os.stat(entry.path).st_uid for entry in os.scandir(counts.path)} == {65534}
    assert troubles(running) == []


@pytest.mark.long
def test_the_default_directory_is_that_of_the_workers_user(gunicorn, counts, for_nobody):
    """Below the uid the workers run as, although root starts them."""
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    env = {**for_nobody["env"], "WSGIAPM_SHARED_DIR": "", "WSGIAPM_APP_NAME": name}
    running, client = gunicorn(*WORKERS["sync"], "--user", "nobody", program=for_nobody["program"], env=env)
    assert client.get_many("/json", 20) == {200: 20}
    assert running.stop() == 0
    counts.path = f"/dev/shm/wsgiapm-65534/{name}"
    try:
        assert counts.total == 20
        assert os.stat(counts.path).st_uid == 65534
        assert not os.path.exists(f"/dev/shm/wsgiapm-0/{name}")
    finally:
        subprocess.run(["rm", "-rf", counts.path], check=True)


# -- under load -------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_twenty_thousand_requests_are_twenty_thousand(preload, gunicorn, counts):
    """With five gevent workers and a hundred connections: none fails, none is lost, none counts twice."""
    options = ["--workers", "5", "--worker-class", "gevent", *(["--preload"] if preload else [])]
    running, client = gunicorn(*options)
    argv = ["ab", "-q", "-n", "20000", "-c", "100", f"http://127.0.0.1:{client.port}/json"]
    report = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=110).stdout

    assert re.search(r"^Complete requests: +20000$", report, re.MULTILINE), report
    assert re.search(r"^Failed requests: +0$", report, re.MULTILINE), report
    assert "Non-2xx" not in report
    assert counts.printed() == 20_000
    assert running.stop() == 0
    assert counts.printed() == 20_000
    assert counts.running == 0
    assert troubles(running) == []
