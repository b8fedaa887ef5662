# SPDX-License-Identifier: Apache-2.0
"""A gunicorn with the app of these tests, a client, and what was counted."""

from __future__ import annotations

import http.client
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.servers.matrix import MARK, Run
from tests.servers.otlp_stub import Stub
from wsgiapm.aggregate.merge import merge
from wsgiapm.errors import SharedDirectoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from pathlib import Path

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UWSGI = os.path.join(os.path.dirname(sys.executable), "uwsgi")
OLD_UWSGI = os.path.join(ROOT, ".venv-uwsgi-2.0.26", "bin", "uwsgi")

_RUN = Run()


def pytest_configure(config: pytest.Config) -> None:
    """The mark of tests/servers/matrix.py."""
    config.addinivalue_line("markers", f"{MARK}(cases): what a test of servers covers; see tests/servers/matrix.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note what is declared, before anything is left out."""
    _RUN.collect(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how the cases of the matrix went."""
    report = yield
    _RUN.note(item, report)
    return report


def pytest_sessionfinish() -> None:
    """Write the results where SERVER_RESULTS says."""
    path = os.environ.get("SERVER_RESULTS")
    if path and _RUN.results:
        _RUN.write(path)


@pytest.fixture
def matrix_run() -> Run:
    """What this session has collected."""
    return _RUN


class Counts:
    """What is in a shared directory."""

    def __init__(self, path: str) -> None:
        self.path = path

    def points(self, family: str) -> list[Any]:
        """The points of a family; none as long as there is no directory."""
        try:
            return list({f.name: f.points for f in merge(self.path).families}.get(family, ()))
        except SharedDirectoryError:
            return []

    @property
    def requests(self) -> Counter[tuple[Any, Any]]:
        """How many requests ended, by route and status."""
        found: Counter[tuple[Any, Any]] = Counter()
        for point in self.points("http.server.request.duration"):
            values = dict(point.attributes)
            found[values["http.route"], values.get("http.response.status_code")] += point.count
        return +found

    @property
    def total(self) -> int:
        """How many requests ended."""
        return sum(self.requests.values())

    @property
    def running(self) -> int:
        """How many are in flight."""
        return sum(point.value for point in self.points("http.server.active_requests"))

    @property
    def aborted(self) -> dict[tuple[Any, Any], int]:
        """How many were aborted, by route and reason."""
        points = self.points("wsgiapm.aborted_requests")
        found = {(dict(p.attributes)["http.route"], dict(p.attributes)["reason"]): p.value for p in points}
        return {key: count for key, count in found.items() if count}

    @property
    def size(self) -> dict[str, int]:
        """The bytes of responses, by route."""
        return {dict(p.attributes)["http.route"]: p.value for p in self.points("wsgiapm.response.size")}

    def printed(self) -> int:
        """How many requests `wsgiapm metrics` counts."""
        argv = [sys.executable, "-m", "wsgiapm", "metrics", "--shared-dir", self.path]
        environment = {**os.environ, "PYTHONPATH": ROOT}
        text = subprocess.run(argv, check=True, capture_output=True, text=True, env=environment, timeout=60).stdout
        counts = [line for line in text.splitlines() if line.startswith("http_server_request_duration_seconds_count")]
        return sum(int(line.rpartition(" ")[2]) for line in counts)


@pytest.fixture
def counts(tmp_path: Path) -> Counts:
    """What the app of `gunicorn` has counted."""
    return Counts(str(tmp_path / "shared"))


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where the app says that it has got somewhere: files named WHAT-PID."""
    path = tmp_path / "marks"
    path.mkdir(exist_ok=True)
    path.chmod(0o777)
    return path


class Client:
    """Somebody who asks a server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """One request on a connection of its own; raises OSError or HTTPException when there is no whole answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get_many(self, path: str, times: int, at_once: int = 8) -> Counter[Any]:
        """Many requests by several threads, on connections that are kept; returns statuses and failures."""
        results: Counter[Any] = Counter()
        numbers = iter(range(times))
        lock = threading.Lock()

        def work() -> None:
            while True:
                with lock:
                    if next(numbers, None) is None:
                        return
                try:
                    result: Any = self.get(path)[0]
                except (OSError, http.client.HTTPException) as error:
                    result = type(error).__name__
                with lock:
                    results[result] += 1

        threads = [threading.Thread(target=work) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def leave(self, path: str) -> None:
        """Ask, read the beginning of the answer, and go away as a crash does: by a reset."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            connection.recv(1000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def abandon(self, path: str) -> threading.Thread:
        """Ask, in a thread, for something that may never be answered."""

        def ask() -> None:
            try:
                self.get(path)
            except (OSError, http.client.HTTPException):
                return

        thread = threading.Thread(target=ask)
        thread.start()
        return thread


@pytest.fixture
def ask_for_files(wait_until: Callable[..., Any]) -> Callable[[Any, Client], list[list[str]]]:
    """`ask_for_files(running, client)` has the server send a file, with a number and without; returns what it did with each."""

    def told(running: Any) -> list[str]:
        return re.findall(r"^file: (\w+)$", running.output(), re.MULTILINE)

    def ask(running: Any, client: Client) -> list[list[str]]:
        with open(os.path.join(APPS, "answers.py"), "rb") as file:
            content = file.read()
        found = []
        for query in ("?numbered", ""):
            before = len(told(running))
            assert client.get(f"/sent{query}") == (200, content)
            wait_until(lambda before=before: "closed" in told(running)[before:], "the file is closed")
            found.append((before, len(told(running))))
        client.get("/json")  # whatever else would be done with it has been done
        return [told(running)[before:after] for before, after in found]

    return ask


@pytest.fixture
def ready_workers() -> Callable[[Any], int]:
    """`ready_workers(running)` tells how many workers of a gunicorn have come far enough to be ended by a signal.

    One that gets SIGTERM earlier ignores it, and gunicorn waits for it for the whole of its graceful timeout.
    """

    def count(running: Any) -> int:
        return sum(catches(child.pid, signal.SIGABRT) for child in psutil.Process(running.pid).children())

    return count


def catches(pid: int, number: int) -> bool:
    """Tell whether a process has a handler for a signal."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="ascii", errors="replace") as file:
            if not file.read():  # it is dead, its signal handlers live on until somebody asks how it ended
                return False
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            [caught] = [line for line in file if line.startswith("SigCgt:")]
    except OSError:
        return False
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.fixture
def gunicorn(
    gunicorn_app: Callable[..., Any],
    marks: Path,
    ready_workers: Callable[[Any], int],
    wait_until: Callable[..., Any],
) -> Callable[..., tuple[Any, Client]]:
    """`gunicorn(*options, env={}, hooks=True, program=…)` runs the app of these tests; returns the process and a client."""

    def start(*options: str, env: dict[str, str] | None = None, **how: Any) -> tuple[Any, Client]:
        environment = {"MARKS": str(marks), **(env or {})}
        running, port = gunicorn_app("answers:application", *options, cwd=APPS, env=environment, **how)
        wanted = int(options[options.index("--workers") + 1])
        wait_until(lambda: ready_workers(running) == wanted, f"{wanted} workers are ready")
        return running, Client(port)

    return start


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A running OTLP server."""
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.answers.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def public_path() -> Iterator[Path]:
    """A directory that every user may get into; pytest closes its own whenever another run starts."""
    with tempfile.TemporaryDirectory(prefix="wsgiapm-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)
