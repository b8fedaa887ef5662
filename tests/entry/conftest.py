# SPDX-License-Identifier: Apache-2.0
"""Programs started by `wsgiapm run-program`, and what was counted of them."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile

import pytest

from tests.servers.conftest import ROOT, Client, Counts

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
BIN = os.path.dirname(sys.executable)
PATH = f"{BIN}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def counts(tmp_path):
    """What was counted with the plain settings."""
    return Counts(str(tmp_path / "shared"))


@pytest.fixture
def public_path():
    """A directory that every user may get into; pytest closes its own whenever another run starts."""
    with tempfile.TemporaryDirectory(prefix="wsgiapm-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@pytest.fixture
def settings(counts):
    """The environment of a program: ours, and where its modules and programs are."""
    return {
        "WSGIAPM_SHARED_DIR": counts.path,
        "WSGIAPM_ENDPOINT": "",
        "PATH": PATH,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{APPS}",
    }


@pytest.fixture
def serve(process, settings, free_port):
    """`serve(*words, cwd=APPS, env={}, through=True)` runs a server by run-program, {port} filled in; returns it and a client."""

    def start(*words, cwd=APPS, env=None, through=True):
        port = free_port()
        argv = [word.replace("{port}", str(port)) for word in words]
        if through:
            argv = [sys.executable, "-m", "wsgiapm", "run-program", *argv]
        else:
            argv = [os.path.join(BIN, argv[0]), *argv[1:]]
        running = process(argv, env={**settings, **(env or {})}, cwd=cwd)
        running.wait_for_port(port)
        return running, Client(port)

    return start


@pytest.fixture
def count_walks(counts, wait_until):
    """`count_walks(client, route, times=10)` asks for pages of one route and fails unless exactly they are counted."""

    def ask(client, route, times=10, path="/walks/{}"):
        for number in range(times):
            assert client.get(path.format(number))[0] == 200
        wait_until(lambda: counts.total >= times, "all are counted")
        assert counts.requests == {(route, 200): times}

    return ask
