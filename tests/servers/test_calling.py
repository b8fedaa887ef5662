# SPDX-License-Identifier: Apache-2.0
"""Two apps under gunicorn, each monitored, of which one calls the other with every HTTP client."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.servers.conftest import APPS, Client

CLIENTS = ("by_requests", "by_urllib3", "by_http_client", "by_httpx")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TIMES = 5


def requests_sent(counts):
    """How often which server has answered with which status, as it was counted."""
    found = Counter()
    for point in counts.points("http.client.request.duration"):
        attributes = dict(point.attributes)
        found[attributes.get("server.port"), attributes.get("http.response.status_code")] += point.count
    return found


@pytest.mark.parametrize(
    ("worker", "clients"),
    [("sync", (*CLIENTS, "by_httpx_async")), ("gevent", CLIENTS)],
    ids=["sync", "gevent"],
)
def test_calls_between_two_apps_are_one_trace_and_counted_once(worker, clients, gunicorn_app, counts, wait_until):
    """With the trace of the request, which may come from further off; uploads of our own are not among the calls."""
    other, other_port = gunicorn_app("calling:application", "--workers", "1", cwd=APPS, env={"OTHER": ""})
    running, port = gunicorn_app(
        "calling:application", "--workers", "2", "--worker-class", worker, cwd=APPS,
        env={"OTHER": f"http://127.0.0.1:{other_port}", "NO_PROXY": "*"},
    )  # fmt: skip
    client = Client(port)
    traces = []
    for name in clients:
        for _ in range(TIMES):
            status, body = client.get(f"/{name}")
            assert status == 200, name
            answer = json.loads(body)
            assert answer["trace"] == answer["other"]["trace"], name
            traces.append(answer["trace"])
    assert len(set(traces)) == len(traces)
    _, body = client.get(f"/{clients[0]}", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    traces.append(json.loads(body)["other"]["trace"])
    assert traces[-1] == TRACE
    wait_until(
        lambda: requests_sent(counts) == {(other_port, 200): len(traces)}, "all calls are counted, and nothing else"
    )
    assert running.stop() == other.stop() == 0
    assert requests_sent(counts) == {(other_port, 200): len(traces)}
    assert "] wsgiapm: internal error" not in running.output() + other.output()
