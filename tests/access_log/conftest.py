# SPDX-License-Identifier: Apache-2.0
"""A site behind a real gunicorn that writes its own access log, and the command that compares."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SITE = """
import os
import sys

from flask import Flask, Response
from wsgiapm import APMMiddleware

flask_app = Flask(__name__)
sizes = iter(range(10, 10**9))

@flask_app.route("/walks/<int:number>/")
def walk(number):
    return "x" * number

@flask_app.route("/lucky")
def lucky():
    return "y" * (next(sizes) % 7 + 20)

@flask_app.route("/healthy/deep")
def healthy():
    return "fine"

@flask_app.route("/slow")
def slow():
    import time
    time.sleep(2)
    return "late"

@flask_app.route("/die")
def die():
    os.kill(os.getpid(), 9)

application = APMMiddleware(flask_app)
"""

Outcome = tuple[int, dict[str, Any]]


class Site(NamedTuple):
    """A running site: the address of its port, its access log, the directory it counts in."""

    port: int
    log: Path
    shared: Path

    def get(self, path: str, method: str = "GET", port: int = 0) -> int:
        """Send a request and return its status."""
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answer.read()
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def start_site(gunicorn_app: Callable[..., Any], tmp_path: Path) -> Callable[..., Site]:
    """`start_site("--option", env={})` starts it under gunicorn."""

    def start(*options: str, env: dict[str, str] | None = None) -> Site:
        (tmp_path / "site_app.py").write_text(SITE, encoding="utf-8")
        log = tmp_path / "access.log"
        _, port = gunicorn_app(
            "site_app:application", "--access-logfile", str(log), *options, cwd=tmp_path, env=env or {}
        )
        return Site(port, log, tmp_path / "shared")

    return start


@pytest.fixture
def verify(tmp_path: Path, wait_until: Callable[..., Any]) -> Callable[..., Outcome]:
    """`verify("access.log", "--option", env={}, text="")` runs the command; returns its status and what it printed as JSON."""

    def run(*arguments: object, env: dict[str, str] | None = None, given: bytes = b"") -> Outcome:
        command = [sys.executable, "-m", "wsgiapm", "verify", "--json", *map(str, arguments)]
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "WSGIAPM_SHARED_DIR": str(tmp_path / "shared"),
            **(env or {}),
        }
        done = subprocess.run(command, input=given, env=environment, capture_output=True, timeout=100, check=False)
        if done.returncode == 2 or not done.stdout:
            return done.returncode, {"stderr": done.stderr.decode()}
        return done.returncode, json.loads(done.stdout)

    return run


@pytest.fixture
def when_written(wait_until: Callable[..., Any]) -> Callable[..., None]:
    """`when_written(log, lines)` waits until the log has so many lines: a server writes them after it has answered."""

    def wait(log: Path, lines: int) -> None:
        wait_until(lambda: log.exists() and len(log.read_bytes().splitlines()) >= lines, f"{log} has {lines} lines", 30)

    return wait
