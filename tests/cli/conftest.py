# SPDX-License-Identifier: Apache-2.0
"""Running the command as a user does, and stand-ins for the parts below it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# A main program whose merge, harvest and server are made up, so that only the command itself is tested.
STAND_IN = """\
import os, sys, time, types
from wsgiapm.errors import SharedDirectoryError

def module(name, **content):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(content)

def merge(path):
    if os.path.exists(path + "/damaged"):
        raise SharedDirectoryError(f"{path} has no header; remove it")
    return path

def render(snapshot):
    lines = int(os.environ.get("LINES_OF_TEXT", "1"))
    return (f"# {snapshot} {len(os.listdir(snapshot))}\\n" * lines).encode()

def run(path, settings, once):
    print("harvest", path, settings.app_name, once)
    return int(os.environ.get("STATUS", "0"))

def serve(**arguments):
    print(*(f"{name}={value}" for name, value in arguments.items()), sep="\\n", flush=True)
    if os.environ.get("MISSING"):
        raise ModuleNotFoundError("no", name=os.environ["MISSING"])
    if os.environ.get("WAIT"):
        time.sleep(60)
    return 0

module("wsgiapm.aggregate.merge", merge=merge)
module("wsgiapm.exporters.prometheus", render=render, CONTENT_TYPE="text/plain; version=0.0.4; charset=utf-8")
module("wsgiapm.last_harvest", run=run)
module("wsgiapm.serve", serve=serve)

from wsgiapm.cli import main
sys.exit(main())
"""


@pytest.fixture
def environment(tmp_path):
    """What the command finds in its environment: nothing of ours but the place for its state."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return kept | {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": ROOT}


@pytest.fixture
def wsgiapm(tmp_path, environment):
    """`wsgiapm(*arguments, env={})` runs the command in tmp_path and returns what it wrote and its status."""

    def run(*arguments, env=None, program=("-m", "wsgiapm")):
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=tmp_path,
            env=environment | (env or {}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def stand_in(tmp_path):
    """The program with stand-ins, as arguments of the Python that runs it."""
    path = tmp_path / "stand_in.py"
    path.write_text(STAND_IN)
    return (str(path),)


@pytest.fixture
def shared(tmp_path):
    """An existing directory that is given as the shared one."""
    path = tmp_path / "shared"
    path.mkdir()
    return path
