# SPDX-License-Identifier: Apache-2.0
"""Shared fixtures: real processes on free local ports, in temporary directories, ended by pid.

`process` is the only one that starts anything; `server` and `gunicorn_app` are made of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.aggregate.counting import recorder_at
from wsgiapm import log

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from pathlib import Path

    from wsgiapm.recorder import Recorder

# A busy machine is no failure.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")

HOST = "127.0.0.1"
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What `--unit` leaves out: these need the server's packages, a browser or the example shop.
BEYOND_UNIT = (
    "access_log",
    "browser",
    "collector",
    "discovery",
    "doctor",
    "entry/test_jobs.py",
    "examples",
    "instruments/http",
    "instruments/nosql",
    "instruments/sql",
    "report",
    "serve",
    "servers",
    "spine",
    "store",
    "stress/test_harvesters.py",
    "test_architecture.py",
    "test_build.py",
    "test_demo.py",
    "test_deploy.py",
    "wsgi/corpus",
)

# What a started process keeps of our environment; everything else is given to it by the test.
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")

_PROCESSES = pytest.StashKey[list["Running"]]()


# A shell's job in the background ignores SIGINT, and so would every server that we start and end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--unit`: only what runs with the agent's own dependencies and the test tools, on every Python."""
    parser.addoption("--unit", action="store_true", help="leave out what needs the server, a browser or the shop")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files out before they are imported: their imports are just what may be missing."""
    if not config.getoption("--unit"):
        return None
    inside = os.path.relpath(collection_path, os.path.join(ROOT, "tests")).split(os.sep)
    return True if inside[0] in BEYOND_UNIT or "/".join(inside[:2]) in BEYOND_UNIT else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the started processes wrote, when the test failed."""
    report = yield
    if report.failed:
        for running in item.stash.get(_PROCESSES, []):
            report.sections.append((f"output of {running.name}", running.output()[-20_000:]))
    return report


@pytest.fixture(autouse=True)
def _log_as_at_start() -> None:
    """Whatever an earlier test has configured in this process, or had said once an hour, is forgotten."""
    log.configure(None, "INFO")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the person who runs the tests gets in, and nothing is written to their state directory."""
    for name in [name for name in os.environ if name.startswith("WSGIAPM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A function that returns a port nobody listens on."""
    return _free_port


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until(condition: Callable[[], object], what: str, timeout: float, running: Running | None = None) -> Any:
    deadline = time.monotonic() + timeout
    while True:
        if value := condition():
            return value
        if running is not None and running.popen.poll() is not None:
            pytest.fail(f"{running.name} ended with status {running.popen.returncode} before {what}")
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:g} s in vain: {what}")
        time.sleep(0.02)


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """`wait_until(condition, what, timeout=20)` returns the first true value of the condition, or fails saying what."""

    def wait(condition: Callable[[], object], what: str, timeout: float = 20) -> Any:
        return _wait_until(condition, what, timeout)

    return wait


@pytest.fixture
def wait_for_port() -> Callable[..., None]:
    """`wait_for_port(port, timeout=20)` returns when somebody accepts connections there."""

    def wait(port: int, timeout: float = 20) -> None:
        _wait_until(lambda: _is_open(port), f"port {port} is open", timeout)

    return wait


def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


class Running:
    """A process that a test started. It leads a process group of its own."""

    def __init__(self, argv: Sequence[str], cwd: str, environment: Mapping[str, str], log: str) -> None:
        self.name = os.path.basename(argv[2] if argv[1:2] == ["-m"] else argv[0])
        self.log = log
        with open(log, "wb") as output:
            self.popen = subprocess.Popen(
                argv,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id, also that of its group."""
        return self.popen.pid

    def output(self) -> str:
        """Everything it has written so far, to standard output and standard error."""
        with open(self.log, encoding="utf-8", errors="replace") as written:
            return written.read()

    def wait_for_output(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """Wait for a line that matches, and return the match; fail if the process ends first."""
        found = _wait_until(
            lambda: re.search(pattern, self.output(), re.MULTILINE), f"its output has {pattern!r}", timeout, self
        )
        assert isinstance(found, re.Match)
        return found

    def wait_for_port(self, port: int, timeout: float = 30) -> None:
        """Wait until somebody accepts connections there; fail if the process ends first."""
        _wait_until(lambda: _is_open(port), f"port {port} is open", timeout, self)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        """Send a signal, wait for the end and return the exit status (negative: the signal that ended it)."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(timeout)

    def end(self) -> None:
        """End it and whatever it left behind in its process group, by force if need be."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


@pytest.fixture
def process(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Running]]:
    """`process(argv, env={}, cwd=tmp_path)` starts a program with a clean environment and returns a `Running`.

    Its HOME and state directory are temporary; nothing of the environment but the bare necessities is passed on.
    """
    started: list[Running] = []
    request.node.stash[_PROCESSES] = started
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)

    def start(argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | Path | None = None) -> Running:
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        environment.update(
            {"HOME": str(home), "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "1"}
        )
        environment.update(env or {})
        running = Running(list(argv), str(cwd or tmp_path), environment, str(tmp_path / f"process-{len(started)}.log"))
        started.append(running)
        return running

    yield start
    for running in reversed(started):
        running.end()


class Server:
    """A running `wsgiapm serve` and its two tokens."""

    def __init__(self, running: Running, state: str, store: str) -> None:
        self.running = running
        self.store = store
        address = running.wait_for_output(r"^listening on (\S+)")[1]
        parts = urllib.parse.urlsplit(address)
        self.address = f"http://{parts.netloc}"
        self.port = parts.port or 0
        self.report = address
        self.view_token = urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        with open(os.path.join(state, "wsgiapm", "ingest-token"), encoding="ascii") as token:
            self.ingest_token = token.readline().strip()

    def get(self, path: str, **parameters: object) -> Any:
        """What the JSON API answers, read with the view token."""
        query = urllib.parse.urlencode(parameters)
        request = urllib.request.Request(
            f"{self.address}{path}?{query}", headers={"Authorization": f"Bearer {self.view_token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


@pytest.fixture
def start_server(process: Callable[..., Running], tmp_path: Path) -> Callable[..., Server]:
    """`start_server(port=0, *options)` starts `wsgiapm serve`; each on the same store, so that one can be started anew."""

    def start(port: int = 0, *options: str, env: Mapping[str, str] | None = None) -> Server:
        store = f"sqlite:///{tmp_path}/report.db"
        argv = [sys.executable, "-m", "wsgiapm", "serve", "--listen", f"{HOST}:{port}", "--store", store, *options]
        return Server(process(argv, env=env), str(tmp_path / "state"), store)

    return start


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    """A running server on a free port, with a store of its own; agents started by `process` find its ingest token."""
    return start_server()


@pytest.fixture
def gunicorn_app(process: Callable[..., Running], tmp_path: Path) -> Callable[..., tuple[Running, int]]:
    """`gunicorn_app("module:app", *options, cwd=…, env=…)` starts gunicorn with our hooks; returns it and its port.

    The agent's shared directory is `tmp_path / "shared"`, and it uploads nothing unless `env` has an endpoint.
    """

    def start(
        app: str,
        *options: str,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        hooks: bool = True,
        program: Sequence[str] = (sys.executable, "-m", "gunicorn"),
    ) -> tuple[Running, int]:
        port = _free_port()
        argv = [*program, "--bind", f"{HOST}:{port}", "--no-control-socket"]
        argv += ["--config", "python:wsgiapm.gunicorn_hooks"] if hooks else []
        environment = {"WSGIAPM_SHARED_DIR": str(tmp_path / "shared"), "WSGIAPM_ENDPOINT": "", **(env or {})}
        running = process([*argv, *options, app], env=environment, cwd=cwd)
        running.wait_for_port(port)
        return running, port

    return start


@pytest.fixture
def shared(tmp_path: Path) -> str:
    """The path of a shared directory that does not exist yet."""
    return str(tmp_path / "shop")


@pytest.fixture
def recorder(shared: str) -> Iterator[Recorder]:
    """A recorder at `shared`."""
    recorder = recorder_at(shared)
    yield recorder
    recorder.instance.close()
