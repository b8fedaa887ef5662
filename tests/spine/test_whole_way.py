# SPDX-License-Identifier: Apache-2.0
"""From a request to a Django site under gunicorn to the number in the report, through everything in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

SITE = os.path.dirname(os.path.abspath(__file__))
ROUTES = {
    "/ping": ("/ping", 200),
    "/items/7/": ("/items/<int:pk>/", 200),
    "/items/12/": ("/items/<int:pk>/", 200),
    "/export.csv": ("/export.csv", 200),
    "/broken/": ("/broken/", 500),
    "/no/such/page": ("(not found)", 404),
}

Books = Counter[tuple[str, int]]


class Client:
    """Sends requests and keeps books of the answers it got in full."""

    def __init__(self, port: int) -> None:
        self.books: Books = Counter()
        self._address = f"http://127.0.0.1:{port}"

    def send(self, path: str) -> None:
        """Send one request on a connection of its own."""
        request = urllib.request.Request(self._address + path, headers={"Connection": "close"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                answer.read()
                status = answer.status
        except urllib.error.HTTPError as error:
            error.read()
            status = error.code
        route, expected = ROUTES[path]
        assert status == expected
        self.books[route, status] += 1

    def send_mix(self, rounds: int) -> None:
        """Send every kind of request so many times."""
        for _ in range(rounds):
            for path in ROUTES:
                self.send(path)


def in_the_report(server: Any) -> Books:
    """What the server's API says, by route and status."""
    window = {"app": "site", "from": int(time.time()) - 3600, "to": int(time.time()) + 60}
    if not any(app["name"] == "site" for app in server.get("/api/v1/apps")["apps"]):
        return Counter()
    transactions = server.get("/api/v1/transactions", **window)["transactions"]
    return Counter({(t["name"], int(code)): n for t in transactions for code, n in t["status_codes"].items()})


def in_the_files(shared: Path) -> Books:
    """What `wsgiapm metrics` says, by route and status."""
    command = [sys.executable, "-m", "wsgiapm", "metrics", "--shared-dir", str(shared)]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    books: Books = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "http_server_request_duration_seconds_count":
                labels = sample.labels
                books[labels["http_route"], int(labels["http_response_status_code"])] += int(sample.value)
    return books


@pytest.mark.parametrize("kind", ["gevent", "gthread", "sync"])
def test_every_request_arrives_under_its_route_and_status(
    kind: str, server: Any, gunicorn_app: Callable[..., Any], wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    """Sent, recorded in the files and shown by the server are equal, over recycled and reloaded workers."""
    options = ["--workers", "3", "--worker-class", kind, "--max-requests", "20", "--threads", "2"]
    env = {"WSGIAPM_ENDPOINT": server.address, "WSGIAPM_HARVEST_INTERVAL": "1s"}
    gunicorn, port = gunicorn_app("spine_site:application", *options, cwd=SITE, env=env)
    client = Client(port)

    client.send_mix(15)
    gunicorn.popen.send_signal(signal.SIGHUP)
    client.send_mix(15)

    assert client.books == in_the_files(tmp_path / "shared")
    wait_until(lambda: in_the_report(server).total() >= client.books.total(), "the server has it all")
    assert client.books == in_the_report(server)
    assert server.get("/api/v1/summary", app="site")["requests"] == client.books.total()


def test_a_server_killed_in_between_neither_loses_nor_doubles(
    start_server: Callable[..., Any],
    gunicorn_app: Callable[..., Any],
    wait_until: Callable[..., Any],
    free_port: Callable[[], int],
) -> None:
    """SIGKILL of the server under traffic, and a new one on the same store: the totals are those that were sent."""
    port = free_port()
    server = start_server(port)
    env = {"WSGIAPM_ENDPOINT": server.address, "WSGIAPM_HARVEST_INTERVAL": "1s"}
    _, app_port = gunicorn_app(
        "spine_site:application", "--workers", "2", "--worker-class", "gevent", cwd=SITE, env=env
    )
    client = Client(app_port)
    ended = threading.Event()

    def traffic() -> None:
        while not ended.is_set():
            client.send_mix(1)

    sender = threading.Thread(target=traffic)
    sender.start()
    try:
        wait_until(lambda: in_the_report(server).total(), "the first numbers arrive")
        server.running.stop(signal.SIGKILL)
        time.sleep(2.5)  # a harvest or two find nobody
        server = start_server(port)
        before = client.books.total()
        wait_until(lambda: in_the_report(server).total() > before, "numbers arrive again", 60)
    finally:
        ended.set()
        sender.join()

    wait_until(lambda: in_the_report(server).total() >= client.books.total(), "the server has it all", 60)
    assert client.books == in_the_report(server)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_server_started_a_minute_late_has_all_and_marks_it(
    start_server: Callable[..., Any],
    gunicorn_app: Callable[..., Any],
    wait_until: Callable[..., Any],
    free_port: Callable[[], int],
) -> None:
    """With no server for 60 seconds the app answers as ever; the server then has every request, marked as late."""
    port = free_port()
    env = {"WSGIAPM_ENDPOINT": f"http://127.0.0.1:{port}"}
    _, app_port = gunicorn_app(
        "spine_site:application", "--workers", "2", "--worker-class", "gevent", cwd=SITE, env=env
    )
    client = Client(app_port)
    began = time.monotonic()
    while time.monotonic() - began < 60:
        client.send_mix(1)
        time.sleep(0.5)

    server = start_server(port)
    wait_until(lambda: in_the_report(server).total() >= client.books.total(), "the server has it all", 120)

    assert client.books == in_the_report(server)
    summary = server.get("/api/v1/summary", app="site")
    assert summary["late"] == client.books.total()


def test_without_a_server_the_app_answers_and_the_log_says_why_nothing_arrives(
    gunicorn_app: Callable[..., Any], free_port: Callable[[], int], tmp_path: Path
) -> None:
    """An endpoint where nobody listens costs no answer, is said in one line, and all is counted in the files."""
    env = {"WSGIAPM_ENDPOINT": f"http://127.0.0.1:{free_port()}", "WSGIAPM_HARVEST_INTERVAL": "1s"}
    gunicorn, port = gunicorn_app("spine_site:application", "--worker-class", "gevent", cwd=SITE, env=env)
    client = Client(port)

    client.send_mix(3)
    gunicorn.wait_for_output("not uploaded, will be tried again: .*nothing listens there")
    client.send_mix(3)

    assert client.books == in_the_files(tmp_path / "shared")
    assert gunicorn.stop() == 0


def test_an_endpoint_that_does_not_resolve_is_said_clearly(gunicorn_app: Callable[..., Any]) -> None:
    """The log names the address, that its name is not known, and the setting."""
    env = {"WSGIAPM_ENDPOINT": "http://no-such-host.invalid:4318", "WSGIAPM_HARVEST_INTERVAL": "1s"}
    gunicorn, port = gunicorn_app("spine_site:application", cwd=SITE, env=env)

    Client(port).send_mix(1)

    gunicorn.wait_for_output(r"no-such-host\.invalid.*endpoint")
