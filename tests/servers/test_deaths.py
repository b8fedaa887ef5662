# SPDX-License-Identifier: Apache-2.0
"""Workers of a real gunicorn die in mid-request; what they were doing reaches the log, the counters and the server."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.control_group import MemoryGroup, memory_group

HERE = os.path.dirname(os.path.abspath(__file__))


def send(port: int, path: str) -> None:
    """Send a request that may never be answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=40)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()


def counted(shared: Path, family: str) -> dict[tuple[str, ...], int]:
    """Return a metric from `wsgiapm metrics`, by the values of its labels that are not empty."""
    command = [sys.executable, "-m", "wsgiapm", "metrics", "--shared-dir", str(shared)]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    return {
        tuple(sample.labels.values()): int(sample.value)
        for found in text_string_to_metric_families(text)
        for sample in found.samples
        if sample.name == family and sample.value
    }


@pytest.mark.parametrize(
    ("path", "options", "reason", "words"),
    [
        ("/kill", ["--worker-class", "sync"], "killed", r"died \(killed, SIGKILL\) while serving GET /kill \("),
        (
            "/segv",
            ["--worker-class", "gthread", "--threads", "4"],
            "killed",
            r"died \(killed, SIGSEGV\) while serving GET /segv \(.*crashing\.py:\d+ in crash\), GET /slow \(",
        ),
        (
            "/stuck",
            ["--worker-class", "sync", "--timeout", "2"],
            "timeout",
            r"died \(timeout, SIGKILL\) while serving GET /stuck \(.*crashing\.py:\d+ in hold_the_interpreter\)",
        ),
    ],
)
def test_a_death_in_mid_request_is_told_and_counted(
    path: str, options: list[str], reason: str, words: str, gunicorn_app: Callable[..., Any], tmp_path: Path
) -> None:
    """The log names signal, request and line; the request counts as aborted by route; none is in flight any more."""
    gunicorn, port = gunicorn_app("crashing:application", "--workers", "1", *options, cwd=HERE)
    send(port, "/fine")
    slow = threading.Thread(target=send, args=(port, "/slow"), daemon=True)
    if "gthread" in options:
        slow.start()
        wait_for_flight(tmp_path / "shared", 1)

    send(port, path)

    gunicorn.wait_for_output(words)
    send(port, "/fine")
    shared = tmp_path / "shared"
    expected = {(path, reason): 1} | ({("/slow", reason): 1} if slow.ident else {})
    assert counted(shared, "wsgiapm_aborted_requests_total") == expected
    assert counted(shared, "http_server_active_requests") == {}
    assert counted(shared, "http_server_request_duration_seconds_count") == {("GET", "200", "/fine", "http"): 2}


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    """A control group with a memory limit. To be asked for first: its processes have to end before it can be removed."""
    with memory_group() as made:
        yield made


def test_the_kernels_oom_killer_is_told_with_route_and_memory(
    group: MemoryGroup, gunicorn_app: Callable[..., Any], tmp_path: Path
) -> None:
    """SIGKILL from the kernel, without any warning: the request is named, and how much memory was in use."""
    gunicorn, port = gunicorn_app(
        "crashing:application", "--workers", "1", cwd=HERE, env={"WSGIAPM_HARVEST_INTERVAL": "1s"}
    )
    send(port, "/fine")
    for pid in (gunicorn.pid, *(child.pid for child in psutil.Process(gunicorn.pid).children())):
        group.take(pid)
    group.limit(100)

    send(port, "/grow")

    died = gunicorn.wait_for_output(r"died \(killed, SIGKILL\) while serving GET /grow \(.*")[0]
    assert group.kills() == 1
    assert re.search(r"it had served 1 requests in .* and used \d\d+ MiB", died)
    send(port, "/fine")
    shared = tmp_path / "shared"
    assert counted(shared, "wsgiapm_aborted_requests_total") == {("/grow", "killed"): 1}
    assert counted(shared, "http_server_active_requests") == {}
    assert counted(shared, "http_server_request_duration_seconds_count") == {("GET", "200", "/fine", "http"): 2}


def wait_for_flight(shared: Path, running: int) -> None:
    """Wait until so many requests are in flight."""
    for _ in range(100):
        if sum(counted(shared, "http_server_active_requests").values()) >= running:
            return
    pytest.fail(f"{running} requests never ran at once")


def test_last_words_reach_the_server(
    gunicorn_app: Callable[..., Any], server: Any, wait_until: Callable[..., Any]
) -> None:
    """The event stands in /api/v1/events with its sentence, its line and the requests it was in."""
    env = {"WSGIAPM_ENDPOINT": server.address, "WSGIAPM_HARVEST_INTERVAL": "1s"}
    _, port = gunicorn_app("crashing:application", "--workers", "2", "--worker-class", "gthread", cwd=HERE, env=env)

    send(port, "/segv")

    def find() -> Any:
        known = [app["name"] for app in server.get("/api/v1/apps")["apps"]]
        return "crashing" in known and server.get("/api/v1/events", app="crashing")["events"]

    (event,) = wait_until(find, "the event arrives", 40)
    assert "died (killed, SIGSEGV) while serving GET /segv" in event["message"]
    assert event["attributes"]["code.function.name"] == "crash"
    assert [row["route"] for row in event["attributes"]["wsgiapm.in_flight"]] == ["/segv"]
