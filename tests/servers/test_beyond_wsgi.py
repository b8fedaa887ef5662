# SPDX-License-Identifier: Apache-2.0
"""What gunicorn does besides WSGI: an ASGI worker says what it does not record, dirty workers leave the numbers exact."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.servers.conftest import APPS, ROOT, Client
from tests.servers.matrix import covers

pytestmark = pytest.mark.long


@pytest.fixture
def start(gunicorn_app):
    """`start(app, *options)` runs an app of apps/beyond_wsgi.py."""

    def begin(app, *options):
        running, port = gunicorn_app(f"beyond_wsgi:{app}", *options, cwd=APPS)
        return running, Client(port)

    return begin


def diagnose(path):
    """What the doctor finds, by id."""
    argv = [sys.executable, "-m", "wsgiapm", "doctor", "--json", "--shared-dir", path]
    environment = {**os.environ, "PYTHONPATH": ROOT, "WSGIAPM_ENDPOINT": ""}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment, timeout=60)
    return {finding["id"]: finding for finding in json.loads(done.stdout)["findings"]}


@covers("gunicorn", "asgi, a WSGI app inside", "SIGTERM")
def test_an_asgi_worker_says_what_it_does_not_record(start, counts, wait_until):
    """In the log and to the doctor; the WSGI app inside is recorded exactly."""
    running, client = start("asgi", "--worker-class", "asgi", "--workers", "2")
    assert client.get_many("/json", 40) == {200: 40}
    assert client.get("/async") == (200, b"async")
    running.wait_for_output(r"\[WARNING\] wsgiapm: gunicorn: this worker speaks ASGI")
    findings = diagnose(counts.path)
    assert "WsgiToAsgi(APMMiddleware(app))" in findings["asgi-worker"]["remedy"]
    assert "dirty-workers" not in findings
    assert running.stop() == 0

    assert counts.requests == {("/json", 200): 40}
    assert (counts.running, counts.aborted) == (0, {})


@covers("gunicorn", "gthread, dirty workers beside it", "SIGTERM")
def test_dirty_workers_leave_the_numbers_exact(start, counts, tmp_path):
    """Requests that ask them are recorded with the time they take; the log and the doctor say that their own work is not."""
    options = ["--worker-class", "gthread", "--threads", "4", "--workers", "2"]
    running, client = start("asking", *options, "--dirty-app", "beyond_wsgi:Slow", "--dirty-workers", "1")
    running.wait_for_output("what the dirty workers do for them is not")
    running.wait_for_output("(?i)booting dirty worker|dirty worker .* ready|initialized")
    assert client.get("/ask") == (200, b"42")
    assert client.get_many("/ask", 40) == {200: 40}
    found = diagnose(counts.path)["dirty-workers"]
    assert found["severity"] == "info"
    assert "2 workers" in found["message"]
    assert running.stop() == 0

    assert counts.requests == {("/ask", 200): 41}
    assert (counts.running, counts.aborted) == (0, {})
    assert len([name for name in os.listdir(tmp_path / "shared") if name.startswith("segment")]) <= 2
