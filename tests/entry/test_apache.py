# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm run-program mod_wsgi-express`: the app is wrapped in Apache's processes."""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.entry.conftest import APPS
from tests.servers.apache import command, make_shared
from tests.servers.conftest import ROOT, Client

pytestmark = pytest.mark.long


def test_mod_wsgi_express(process, counts, free_port, public_path, wait_until):
    """An unchanged app: every request is counted once."""
    port = free_port()
    counts.path = make_shared(public_path)
    apps = public_path / "apps"
    shutil.copytree(APPS, apps)
    argv = command(port, public_path, "plain", apps=apps)
    environment = {"WSGIAPM_SHARED_DIR": counts.path, "WSGIAPM_ENDPOINT": "", "PYTHONPATH": ROOT}
    running = process([sys.executable, "-m", "wsgiapm", "run-program", *argv], env=environment)
    running.wait_for_port(port)
    client = Client(port)
    for _ in range(10):
        assert client.get("/walks/9") == (200, b"ok")
    wait_until(lambda: counts.total >= 10, "all are counted")
    assert counts.requests == {("/walks/*", 200): 10}
