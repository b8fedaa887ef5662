# SPDX-License-Identifier: Apache-2.0
"""Tornado's own handlers behind `wsgiapm run-program`: each request is one transaction, whatever runs meanwhile."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter

import pytest

from tests.entry.conftest import APPS
from wsgiapm.entry.tornado import readable_pattern

pytest.importorskip("tornado", reason="Tornado is not installed for this Python")
PROGRAM = [sys.executable, os.path.join(APPS, "tornadoed.py"), "{port}"]


@pytest.mark.parametrize(
    ("pattern", "route"),
    [
        (r"/walks/([0-9]+)$", "/walks/*"),
        (r"/walks/(?P<pk>\d+(?:-(a|b))?)/([^/]+)$", "/walks/<pk>/*"),
        (r"/\(odd\)/x\.html$", "/(odd)/x.html"),
        (r"/$", "/"),
    ],
)
def test_a_pattern_is_made_readable(pattern, route):
    """What the handler is given by name has that name, and what it is given by its place is a `*`."""
    assert readable_pattern(pattern) == route


def test_handlers_are_counted_by_route_and_status(serve, counts, wait_until):
    """Also what raises and what is not found; a WSGI app beside them is counted once, by its own middleware."""
    _, client = serve(*PROGRAM)
    for path, status in {
        "/walks/2": 200,
        "/hikes/1/": 200,
        "/fails/value": 500,
        "/fails/gone": 410,
        "/no": 404,
    }.items():
        assert client.get(path)[0] == status
    for _ in range(3):
        assert client.get("/plain/walk") == (200, b"ok")
    wait_until(lambda: counts.total >= 8, "all are counted")

    assert counts.requests == {
        ("/walks/*", 200): 1,
        ("/hikes/<number>/?", 200): 1,
        ("/fails/*", 500): 1,
        ("/fails/*", 410): 1,
        ("(not found)", 404): 1,
        ("/plain/walk", 200): 3,
    }
    errors = {dict(p.attributes).get("error.type") for p in counts.points("http.server.request.duration") if p.count}
    assert {"ValueError", None} <= errors
    assert counts.size["/walks/*"] == 2
    assert counts.running == 0


def test_requests_that_run_at_once_do_not_mix(serve, counts, wait_until):
    """On one event loop: each one's statements are counted under its own route."""
    _, client = serve(*PROGRAM)
    paths = ["/walks/5", "/hikes/3"] * 10
    threads = [threading.Thread(target=client.get, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: counts.total == len(paths), "all are counted")
    assert counts.requests == {("/walks/*", 200): 10, ("/hikes/<number>/?", 200): 10}

    statements = {}
    for point in counts.points("wsgiapm.db.statement.duration"):
        attributes = dict(point.attributes)
        statements[attributes.get("wsgiapm.operation")] = attributes.get("db.query.text")
    calls = Counter()
    for point in counts.points("wsgiapm.caller.calls"):
        attributes = dict(point.attributes)
        calls[attributes["http.route"], statements.get(attributes["wsgiapm.operation"])] += point.value
    assert {key: count for key, count in calls.items() if key[1]} == {
        ("/walks/*", "SELECT ? AS walks"): 50,
        ("/hikes/<number>/?", "SELECT ? AS hikes"): 30,
    }
    assert counts.running == 0


@pytest.mark.parametrize("through", [True, False], ids=["run-program, too", ""])
def test_one_line_is_enough(serve, counts, wait_until, through):
    """`wsgiapm.start()` in the app; with run-program in front of it, a request is still one transaction."""
    words = PROGRAM if through else ["python", *PROGRAM[1:]]
    _, client = serve(*words, env={"START": "1"}, through=through)
    for _ in range(3):
        assert client.get("/walks/1") == (200, b"ok")
    wait_until(lambda: counts.total >= 3, "all are counted")
    assert counts.requests == {("/walks/*", 200): 3}


def test_it_can_be_switched_off(serve, counts):
    """As an instrument: by its name."""
    running, client = serve(*PROGRAM, env={"WSGIAPM_DISABLED_INSTRUMENTS": "tornado"})
    assert client.get("/walks/1") == (200, b"ok")
    assert client.get("/plain/walk") == (200, b"ok")
    running.stop()
    assert counts.requests == {("/plain/walk", 200): 1}


@pytest.mark.long
def test_under_gunicorn(serve, counts, wait_until):
    """Its worker for Tornado, which serves handlers too."""
    words = ["gunicorn", "--bind=127.0.0.1:{port}", "--no-control-socket", "--worker-class=tornado"]
    _, client = serve(*words, "tornadoed:make_app()")
    for _ in range(3):
        assert client.get("/walks/1") == (200, b"ok")
    assert client.get("/plain/walk") == (200, b"ok")
    wait_until(lambda: counts.total >= 4, "all are counted")
    assert counts.requests == {("/walks/*", 200): 3, ("/plain/walk", 200): 1}
