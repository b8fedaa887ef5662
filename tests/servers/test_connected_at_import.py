# SPDX-License-Identifier: Apache-2.0
"""A connection that an app opens while gunicorn imports it: what it is used for later is recorded, unless that is not wanted."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.servers.conftest import APPS, Client

STATEMENTS = ("INSERT", "SELECT")
REQUESTS = 30
WORKERS = {
    "sync": ["--workers", "2"],
    "gevent": ["--workers", "2", "--worker-class", "gevent"],
}


@pytest.fixture
def connected(gunicorn_app, ready_workers, wait_until):
    """`connected(*options, env={})` serves the app; returns it and a client."""

    def start(*options, env=None):
        running, port = gunicorn_app("connected:application", *options, cwd=APPS, env=env)
        wanted = int(options[options.index("--workers") + 1])
        wait_until(lambda: ready_workers(running) == wanted, f"{wanted} workers are ready")
        return running, Client(port)

    return start


def calls(counts):
    """How often each operation was called that is a statement."""
    found = Counter()
    for point in counts.points("db.client.operation.duration"):
        found[dict(point.attributes).get("db.operation.name")] += point.count
    return {name: found[name] for name in STATEMENTS if found[name]}


@pytest.mark.parametrize("keywords", ["null", "{}"], ids=["", "middleware"])
@pytest.mark.parametrize("worker", WORKERS)
def test_its_statements_are_counted_exactly(worker, keywords, connected, counts, wait_until):
    """Whoever makes the middleware; gevent has patched before anything of ours was loaded."""
    running, client = connected(*WORKERS[worker], env={"KEYWORDS": keywords})
    assert client.get_many("/walks", REQUESTS) == {200: REQUESTS}
    assert client.get("/walks") == (200, b"patched")
    wait_until(lambda: counts.total == REQUESTS + 1, "all are counted")
    wait_until(lambda: calls(counts) == dict.fromkeys(STATEMENTS, REQUESTS + 1), "all statements are counted")
    assert running.stop() == 0

    assert calls(counts) == dict.fromkeys(STATEMENTS, REQUESTS + 1)
    assert "MonkeyPatchWarning" not in running.output()
    assert "] wsgiapm: internal error" not in running.output()


@pytest.mark.parametrize(
    "env",
    [
        {"WSGIAPM_DISABLED_INSTRUMENTS": "sqlite3"},
        {"WSGIAPM_ENABLED": "no"},
        {"KEYWORDS": json.dumps({"disabled_instruments": "sqlite3"})},
        {"KEYWORDS": json.dumps({"enabled": False})},
    ],
    ids=["instrument", "agent", "instrument by keyword", "agent by keyword"],
)
def test_what_is_disabled_is_not_patched(env, connected):
    """A keyword of the middleware is known only when the app has been loaded: what has been patched by then is put back."""
    running, client = connected("--workers", "1", env=env)
    assert client.get("/walks") == (200, b"as it was")
    assert running.stop() == 0
    assert "instrument sqlite3" not in running.output()


def test_an_app_that_has_gevent_patch_by_itself(connected, counts, wait_until):
    """In a worker that does not: it imports a library before, and gevent finds nothing to warn of that is not gunicorn's doing."""
    warnings = []
    for enabled in ("no", "yes"):
        running, client = connected("--workers", "1", env={"PATCH_LATE": "1", "WSGIAPM_ENABLED": enabled})
        assert client.get_many("/walks", REQUESTS) == {200: REQUESTS}
        assert running.stop() == 0
        warnings.append([line for line in running.output().splitlines() if line.startswith("gevent warns:")])
    assert warnings[0] == warnings[1]
    assert calls(counts) == dict.fromkeys(STATEMENTS, REQUESTS)


def test_a_preloaded_app_is_as_it_was(connected, counts, wait_until):
    """It is loaded in the master, where nothing of ours may come before gevent: its own connection is not recorded, others are."""
    running, client = connected("--workers", "1", "--preload")
    assert client.get("/walks") == (200, b"patched")
    wait_until(lambda: counts.total == 1, "it is counted")
    assert running.stop() == 0
    assert calls(counts) == {}
