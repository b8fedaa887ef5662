# SPDX-License-Identifier: Apache-2.0
"""deploy/nginx.conf in a real nginx, in front of two gunicorns: queue time, one app with two instances, /metrics closed."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time

import pytest

from tests.servers.conftest import APPS, ROOT, Client, Counts
from tests.servers.matrix import covers

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
INSTANCES = ("blue", "green")


@pytest.fixture
def counts_of(tmp_path):
    """What each instance has counted."""
    return {name: Counts(str(tmp_path / f"shared-{name}")) for name in INSTANCES}


@pytest.fixture
def gunicorns(gunicorn_app, counts_of, server, marks):
    """The two instances of the app; each is the process and a client that asks it without nginx."""

    def start(name):
        env = {
            "WSGIAPM_SHARED_DIR": counts_of[name].path,
            "WSGIAPM_APP_NAME": "shop",
            "WSGIAPM_INSTANCE_NAME": name,
            "WSGIAPM_ENDPOINT": server.address,
            "WSGIAPM_HARVEST_INTERVAL": "1s",
            "WSGIAPM_METRICS_PATH": "/metrics",
            "MARKS": str(marks),
        }
        running, port = gunicorn_app("answers:application", "--workers", "1", cwd=APPS, env=env)
        return running, Client(port)

    return {name: start(name) for name in INSTANCES}


@pytest.fixture
def nginx(process, gunicorns, free_port, tmp_path):
    """Nginx with deploy/nginx.conf, on other ports; returns the process and a client."""
    port = free_port()
    with open(os.path.join(ROOT, "deploy", "nginx.conf"), encoding="utf-8") as file:
        site = file.read().replace("listen 80;", f"listen 127.0.0.1:{port};")
    for there, name in zip(("127.0.0.1:8000", "127.0.0.1:8001"), INSTANCES, strict=True):
        assert there in site
        site = site.replace(there, f"127.0.0.1:{gunicorns[name][1].port}")
    (tmp_path / "site.conf").write_text(site)
    temporary = "".join(
        f"{what}_temp_path {tmp_path}/{what};" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # who may look into the temporary directory
    (tmp_path / "nginx.conf").write_text(
        f"{user} daemon off; pid {tmp_path}/nginx.pid; error_log stderr; events {{}}"
        f" http {{ access_log {tmp_path}/access.log; {temporary} include {tmp_path}/site.conf; }}"
    )
    running = process([NGINX, "-p", str(tmp_path), "-e", "stderr", "-c", str(tmp_path / "nginx.conf")])
    running.wait_for_port(port)
    return running, Client(port)


@covers("nginx", "round robin over two gunicorns with an `instance_name` each", "SIGTERM of one of them and start")
def test_two_instances_are_one_app(nginx, gunicorns, counts_of, server, gunicorn_app, tmp_path, wait_until):
    """Each counts what nginx gave it, and the server adds them up: as many as the client was answered."""
    running, client = nginx
    assert client.get_many("/json", 100, at_once=4) == {200: 100}
    assert all(counts.total > 0 for counts in counts_of.values())
    assert sum(counts.total for counts in counts_of.values()) == 100
    green, _ = gunicorns["green"]
    assert green.stop() == 0
    assert client.get_many("/json", 20) == {200: 20}  # nginx goes on to the other one

    assert counts_of["blue"].total + counts_of["green"].total == 120

    def shop():
        return next((app for app in server.get("/api/v1/apps")["apps"] if app["name"] == "shop"), None)

    def reported():
        return shop() and server.get("/api/v1/summary", app="shop")["requests"]

    wait_until(lambda: reported() == 120, "all are on the server", 40)
    assert shop()["instances"] == 2
    with open(tmp_path / "access.log", encoding="ascii") as log:
        assert sum('"GET /json' in line for line in log) == 120
    assert running.stop(signal.SIGQUIT) == 0


def test_the_queue_is_what_a_request_waited_for_the_worker(nginx, gunicorns, counts_of, wait_until):
    """From nginx to the worker: a stopped worker makes it long, and a client cannot set it."""
    _, client = nginx
    for running, _ in gunicorns.values():
        os.killpg(running.pid, signal.SIGSTOP)
    asked = time.monotonic()
    waiting = threading.Thread(target=client.get_many, args=("/json", 2, 2))
    waiting.start()
    time.sleep(1.5)  # for so long nobody takes them, however slow nginx was to get there
    for running, _ in gunicorns.values():
        os.killpg(running.pid, signal.SIGCONT)
    waiting.join()
    longest = time.monotonic() - asked
    queues = [point for counts in counts_of.values() for point in counts.points("wsgiapm.queue.time") if point.count]

    assert sum(point.count for point in queues) == 2
    for point in queues:
        assert 0.5 * point.count < point.sum < longest * point.count
    hour = 3600
    for header in ("X-Request-Start", "X-Queue-Start"):
        assert client.get("/json", headers={header: f"t={time.time() - hour / 10}"})[0] == 200
    wait_until(lambda: sum(counts.total for counts in counts_of.values()) == 4, "all are counted")
    points = [point for counts in counts_of.values() for point in counts.points("wsgiapm.queue.time")]
    assert sum(point.sum for point in points) < 200


def test_the_metrics_are_not_for_the_world(nginx, gunicorns):
    """Not under any other spelling either; on the machine itself they are there."""
    status, body = gunicorns["blue"][1].get("/metrics")
    assert status == 200
    assert b"http_server_active_requests" in body
    for path in ("/metrics", "/metrics?x=1", "//metrics", "/%6Detrics", "/a/../metrics", "/metrics/"):
        status, body = nginx[1].get(path)
        assert status == 404, path
        assert b"http_server" not in body, path
