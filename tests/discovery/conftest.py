# SPDX-License-Identifier: Apache-2.0
"""The command, run beside real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PLAIN = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""
WRAPPED = f"from wsgiapm import APMMiddleware\n{PLAIN}\napplication = APMMiddleware(application)\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with an app that is watched, `watched_app`, and one that is not, `plain_app`."""
    (tmp_path / "plain_app.py").write_text(PLAIN, encoding="utf-8")
    (tmp_path / "watched_app.py").write_text(WRAPPED, encoding="utf-8")
    return tmp_path


@pytest.fixture
def discover(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`discover()` runs the command and returns what it found; `discover(pid)` only the service at that process."""

    def run(pid: int | None = None) -> dict[str, Any]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "wsgiapm", "discover", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        if pid is None:
            return found
        (service,) = [service for service in found["services"] if service["pid"] == pid]
        return dict(service)

    return run
