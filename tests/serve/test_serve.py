# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm serve` as a process: how it starts, answers, dies and comes back."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import sqlite3
import stat
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing

import pytest

from tests.collector.messages import Message

SERVE = [sys.executable, "-m", "wsgiapm", "serve"]


def send(server, body, *, timeout=20):
    """Post metrics and return the status."""
    headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {server.ingest_token}"}
    request = urllib.request.Request(f"{server.address}/v1/metrics", body, headers)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.status


def test_it_says_where_it_is_and_takes_and_shows(server):
    """One line on standard output; with its tokens data goes in and comes out."""
    assert re.fullmatch(r"http://127\.0\.0\.1:[0-9]+/\?token=[\w-]+", server.report)
    now = time.time()

    assert send(server, Message(start=now - 5, time=now).requests({-27: 3}).encode()) == 200

    assert server.get("/api/v1/summary", app="shop")["requests"] == 3
    assert server.running.output().count("\n") == 1


def test_a_stop_is_clean_and_quick(server):
    """SIGTERM: status 0, the database folded into one file, within the time supervisors give."""
    now = time.time()
    send(server, Message(start=now - 5, time=now).requests({-27: 3}).encode())

    assert server.running.stop(signal.SIGTERM, timeout=5) == 0

    path = server.store.removeprefix("sqlite:///")
    assert not os.path.exists(path + "-wal")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_interrupt_at_the_terminal_ends_it(server):
    """Ctrl-C is how most people stop it: no traceback."""
    os.killpg(server.running.pid, signal.SIGINT)

    assert server.running.popen.wait(10) == 0
    assert "Traceback" not in server.running.output()


def test_a_stop_does_not_wait_for_idle_connections(server):
    """A browser keeps some open."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as kept:
        kept.request("GET", "/healthz")
        assert kept.getresponse().read() == b"ok\n"

        assert server.running.stop(signal.SIGTERM, timeout=5) == 0


def test_files_are_private(server, tmp_path):
    """The state directory 0700, tokens and database 0600."""
    state = tmp_path / "state" / "wsgiapm"

    assert stat.S_IMODE(os.stat(state).st_mode) == 0o700
    for name in ("ingest-token", "view-token"):
        assert stat.S_IMODE(os.stat(state / name).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "report.db").st_mode) == 0o600


def test_a_second_start_has_the_same_tokens_and_data(start_server):
    """Agents and bookmarks go on working."""
    first = start_server()
    now = time.time()
    send(first, Message(start=now - 5, time=now).requests({-27: 3}).encode())
    first.running.stop()

    second = start_server()

    assert (second.view_token, second.ingest_token) == (first.view_token, first.ingest_token)
    assert second.get("/api/v1/summary", app="shop")["requests"] == 3


def test_the_default_store_lies_in_the_state_directory(process, tmp_path):
    """Without any option it works, for a user who has never used it."""
    running = process([*SERVE, "--listen", "127.0.0.1:0"])
    running.wait_for_output(r"^listening on ")

    assert sorted(os.listdir(tmp_path / "state" / "wsgiapm"))[:2] == ["ingest-token", "report.db"]


def test_given_tokens_are_used_and_none_is_made(process, tmp_path):
    """As containers are given secrets."""
    (tmp_path / "in").write_text("ingest-secret\n")
    (tmp_path / "view").write_text("view secret is/odd?".replace(" ", "-"))
    options = [
        "--listen",
        "127.0.0.1:0",
        "--store",
        "sqlite:///x.db",
        "--token-file",
        "in",
        "--view-token-file",
        "view",
    ]
    running = process([*SERVE, *options])

    address = running.wait_for_output(r"^listening on (\S+)")[1]

    assert address.endswith("/?token=view-secret-is%2Fodd%3F")
    assert not (tmp_path / "state").exists()
    assert (tmp_path / "x.db").exists()


def test_a_user_of_ipv6_is_served(process, tmp_path):
    """The printed address can be opened as it is."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    running = process([*SERVE, "--listen", "[::1]:0", "--store", "sqlite:///x.db"])

    address = running.wait_for_output(r"^listening on (\S+)")[1]

    with urllib.request.urlopen(address.partition("?")[0] + "healthz", timeout=20) as answer:
        assert answer.read() == b"ok\n"


def test_the_name_of_a_proxy_is_known_when_it_was_given(start_server):
    """Behind a proxy with TLS: its name passes, also in upper case and as the origin; the cookie is for TLS alone."""
    server = start_server(0, "--host", "apm.example.com", "--host", "monitor")
    headers = {"Host": "APM.example.com", "Origin": "https://apm.example.com", "X-Forwarded-Proto": "https"}
    body = f"token={server.view_token}".encode()
    with closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.request("POST", "/login", body, headers | {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        assert "; Secure" in answer.headers["Set-Cookie"]
        for host, status in (("monitor:8080", 200), ("other.example.com", 403)):
            connection.request("GET", "/healthz", headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status


def test_unknown_hosts_are_refused_by_the_whole_server(server):
    """The end points, the API and the page alike."""
    for path in ("/", "/healthz", "/api/v1/apps"):
        request = urllib.request.Request(server.address + path, headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(request, timeout=20)
        with raised.value as answer:
            assert answer.status == 403


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--store", "sqlite:///notes.txt"], "is not a database"),
        (["--store", "sqlite:///."], "is not a file"),
        (["--store", "sqlite:///missing/x.db"], "No such file or directory"),
        (["--store", "mysql://x"], "sqlite:///PATH"),
        (["--store", "sqlite:///x.db", "--retention", "5m"], "shorter than an hour"),
        (["--store", "sqlite:///x.db", "--token-file", "missing"], "cannot be read"),
        (["--store", "sqlite:///x.db", "--view-token-file", "empty"], "is empty"),
        (["--store", "sqlite:///x.db", "--listen", "203.0.113.7:0"], "cannot listen at"),
    ],
)
def test_what_is_wrong_is_said_before_anything_listens(process, tmp_path, options, reason):
    """Status 2, one sentence on standard error, and nothing of the user's is touched."""
    (tmp_path / "notes.txt").write_text("mine\n")
    (tmp_path / "empty").touch()
    running = process([*SERVE, "--listen", "127.0.0.1:0", *options])

    assert running.popen.wait(30) == 2
    assert reason in running.output()
    assert running.output().count("\n") == 1
    assert (tmp_path / "notes.txt").read_text() == "mine\n"


def test_a_port_in_use_is_said_at_once(process, server):
    """Status 2 and what to do."""
    running = process([*SERVE, "--listen", f"127.0.0.1:{server.port}", "--store", "sqlite:///other.db"])

    assert running.popen.wait(30) == 2
    assert "another program listens there" in running.output()


def test_nothing_of_the_users_own_gunicorn_is_read_or_touched(start_server, tmp_path):
    """Neither its config file, arguments or environment, nor its control socket."""
    (tmp_path / "gunicorn.conf.py").write_text("raise SystemExit('read')\n")
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {
        "GUNICORN_CMD_ARGS": "--workers=3 --bind=127.0.0.1:1",
        "WEB_CONCURRENCY": "4",
        "PORT": "1",
        "GUNICORN_PID": "1",
        "GUNICORN_FD": "77",
        "XDG_RUNTIME_DIR": str(runtime),
    }

    server = start_server(env=environment)

    assert server.get("/api/v1/apps") == {"apps": []}
    assert list(runtime.iterdir()) == []
    assert not list(tmp_path.glob("**/*.ctl"))
    children = os.listdir(f"/proc/{server.running.pid}/task")
    assert len(children) >= 1
    with open(f"/proc/{server.running.pid}/task/{server.running.pid}/children") as file:
        assert len(file.read().split()) == 1


def test_a_worker_that_dies_is_replaced(server, wait_until):
    """The process that listens starts another one; the address is not printed again."""
    with open(f"/proc/{server.running.pid}/task/{server.running.pid}/children") as file:
        worker = int(file.read())
    os.kill(worker, signal.SIGKILL)

    def answers():
        try:
            return server.get("/api/v1/apps") == {"apps": []}
        except (OSError, http.client.HTTPException):
            return False

    wait_until(answers, "the new worker answers")
    assert server.running.output().count("listening on") == 1


def test_a_request_of_unknown_length_is_read(server):
    """Chunked, as some exporters stream."""
    now = time.time()
    body = Message(start=now - 5, time=now).requests({-27: 3}).encode()
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {server.ingest_token}"}
        connection.request("POST", "/v1/metrics", iter([body[:10], body[10:]]), headers, encode_chunked=True)
        assert connection.getresponse().status == 200

    assert server.get("/api/v1/summary", app="shop")["requests"] == 3


def test_a_client_that_falls_silent_does_not_keep_a_thread(process, tmp_path):
    """Half a request from each of many connections: they are given up, and the server answers others."""
    # With the patience of a test; the number in the product is for slow networks.
    program = (
        "import struct, sys; from wsgiapm.serve import listening; listening._PATIENCE = struct.pack('@ll', 1, 0);"
        "from wsgiapm.serve import serve; sys.exit(serve('127.0.0.1:0', 'sqlite:///x.db', '30d', None, None))"
    )
    running = process([sys.executable, "-c", program])
    port = int(running.wait_for_output(r"^listening on http://127\.0\.0\.1:([0-9]+)")[1])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    try:
        for i, connection in enumerate(silent):
            connection.sendall(b"GET /hea" if i % 2 else b"POST /v1/metrics HTTP/1.1\r\nHost: localhost\r\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=20) as answer:
            assert answer.read() == b"ok\n"
    finally:
        for connection in silent:
            connection.close()
    assert running.stop() == 0


class Sender(threading.Thread):
    """Posts growing cumulative sums as fast as it can, whatever the answers, until it is told to end."""

    def __init__(self, port, token, uid):
        super().__init__()
        self.sent = 0
        self.uid = uid
        self.ended = threading.Event()
        self._port = port
        self._token = token
        self._start = time.time() - 1

    def message(self):
        """Everything so far."""
        message = Message(start=self._start, time=time.time(), uid=self.uid)
        for i in range(5):
            message.requests({-27: self.sent, -20 + i: self.sent}, route=f"/{i}/")
        return message.sum(self.sent, name="wsgiapm.aborted_requests", http__route="/0/", reason="killed").encode()

    def run(self):
        """Send."""
        while not self.ended.is_set():
            self.sent += 1
            self.post()

    def post(self):
        """Send everything so far once; return whether it was taken."""
        headers = {"Content-Type": "application/x-protobuf", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/v1/metrics", self.message(), headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status == 200
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
            return False


def test_a_kill_at_any_moment_neither_loses_nor_doubles(start_server, free_port, wait_until):
    """SIGKILL of all its processes in the middle of posts, again and again; in the end every request is there once."""
    port = free_port()
    server = start_server(port)
    senders = [Sender(port, server.ingest_token, uid) for uid in ("one", "two")]
    for sender in senders:
        sender.start()
    try:
        for i in range(5):
            time.sleep(0.3 + 0.11 * i)
            os.killpg(server.running.pid, signal.SIGKILL)
            server.running.popen.wait(20)
            server = start_server(port)
    finally:
        for sender in senders:
            sender.ended.set()
            sender.join()
    for sender in senders:
        wait_until(sender.post, "the last report is taken")

    total = sum(sender.sent for sender in senders)
    summary = server.get("/api/v1/summary", app="shop")
    table = server.get("/api/v1/transactions", app="shop")["transactions"]
    assert total > 20
    assert summary["requests"] == 10 * total
    assert summary["aborted"] == total
    assert {row["requests"] for row in table} == {2 * total}
    assert len(table) == 5
