# SPDX-License-Identifier: Apache-2.0
"""Real servers: gunicorn with a peer's app, and Redis, each on a free port, ended by pid."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.environments import ROOT, clean_environment, python_of
from benchmarks.peers import Peer, PeerError

_PATIENCE = 60


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """A running gunicorn."""

    def __init__(self, peer: Peer, port: int, directory: str) -> None:
        self.peer = peer
        self.port = port
        self.directory = directory

    def get(self, path: str) -> bytes:
        """Return the body of an answer."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=_PATIENCE) as answer:
            return bytes(answer.read())

    def facts(self, workers: int) -> list[dict[str, Any]]:
        """Return what each worker knows of itself."""
        found: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + _PATIENCE
        while len(found) < workers and time.monotonic() < deadline:
            facts = json.loads(self.get("/facts"))
            found[facts["pid"]] = facts
        return list(found.values())


@contextmanager
def run_gunicorn(peer: Peer, worker_class: str, app: str, workers: int = 2, **variables: str) -> Iterator[Server]:
    """Run a peer's app under gunicorn."""
    port = free_port()
    options = [
        "--workers",
        str(workers),
        "--worker-class",
        worker_class,
        "--bind",
        f"127.0.0.1:{port}",
        "--no-control-socket",
    ]
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/dev/shm") as directory:
        more = {"BENCH_DIRECTORY": directory, "BENCH_PEER": peer.name, "BENCH_APP": app, **variables}
        with open(os.path.join(directory, "log"), "wb") as log:
            process = subprocess.Popen(
                [python_of(peer.environment), "-m", "gunicorn", *options, "benchmarks.served:application"],
                cwd=ROOT, env=clean_environment(**more), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            try:
                _wait_for(port, process, os.path.join(directory, "log"))
                yield Server(peer, port, directory)
            finally:
                _end(process)


@contextmanager
def run_redis() -> Iterator[int]:
    """Run a Redis with one key and return its port."""
    program = shutil.which("redis-server")
    if program is None:
        msg = "redis-server is not installed; on Debian: apt-get install redis-server"
        raise SystemExit(msg)
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process, os.devnull)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"SET walk:7 cached\r\n")
            client.recv(100)
        yield port
    finally:
        _end(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    with open(log, encoding="utf-8", errors="replace") as file:
        msg = f"{process.args!r} does not listen:\n{file.read()}"
    raise PeerError(msg)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
