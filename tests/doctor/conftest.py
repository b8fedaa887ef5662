# SPDX-License-Identifier: Apache-2.0
"""Brings findings about: a directory with counters, and the doctor as a real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_RECORD = """
import sys
from wsgiref.util import setup_testing_defaults
from wsgiapm import APMMiddleware

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]

application = APMMiddleware(app)
for path in sys.argv[1:]:
    environ = {}
    setup_testing_defaults(environ)
    environ["PATH_INFO"] = path
    application(environ, lambda *_: None)
"""

Findings = dict[str, dict[str, str]]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Where the shared directory is, or will be."""
    return tmp_path / "shared"


@pytest.fixture
def environment(shared: Path, tmp_path: Path) -> dict[str, str]:
    """The settings of app and doctor: nothing is uploaded."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.getcwd(),
        "HOME": str(tmp_path),
        "WSGIAPM_SHARED_DIR": str(shared),
        "WSGIAPM_ENDPOINT": "",
    }


@pytest.fixture
def record(environment: dict[str, str]) -> Callable[..., None]:
    """`record("/a", "/b", setting="value")` has a process answer these requests and end."""

    def run(*paths: str, **settings: str) -> None:
        given = {f"WSGIAPM_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-c", _RECORD, *paths]
        subprocess.run(command, check=True, env=environment | given, timeout=30)

    return run


@pytest.fixture
def diagnose(environment: dict[str, str]) -> Callable[..., tuple[int, Findings]]:
    """`diagnose(setting="value")` runs `wsgiapm doctor --json`; returns its status and the findings by id."""

    def run(**settings: str) -> tuple[int, Findings]:
        given = {f"WSGIAPM_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "wsgiapm", "doctor", "--json"]
        done = subprocess.run(command, check=False, env=environment | given, timeout=60, capture_output=True, text=True)
        assert done.stderr == ""
        answer: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, {finding["id"]: finding for finding in answer["findings"]}

    return run
