# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm verify` with the log of a real nginx, which answers some requests itself."""

from __future__ import annotations

import shutil
import socket
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from tests.access_log.test_gunicorn_log import explained, rows

CONF = """
daemon off;
pid {here}/nginx.pid;
error_log {here}/error.log;
events {{}}
http {{
  access_log {here}/{name}.log{form};
  {log_format}
  client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
  uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /private {{ return 403; }}
    location /old {{ return 301 /lucky; }}
    location / {{ proxy_pass http://127.0.0.1:{upstream}; gzip on; gzip_proxied any; gzip_http_version 1.0; }}
  }}
}}
"""

WITH_UPSTREAM = '$remote_addr - [$time_local] "$request" $status $body_bytes_sent $upstream_status $request_time'


@pytest.fixture
def nginx(process: Callable[..., Any], tmp_path: Any, free_port: Callable[[], int]) -> Callable[..., int]:
    """`nginx(upstream, name, log_format)` starts one that logs to NAME.log; returns its port."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("there is no nginx (package nginx-light)")

    def start(upstream: int, name: str, log_format: str = "") -> int:
        port = free_port()
        defined = f"log_format ours '{log_format}';" if log_format else ""
        text = CONF.format(
            here=tmp_path,
            name=name,
            port=port,
            upstream=upstream,
            log_format=defined,
            form=" ours" if log_format else "",
        )
        if log_format:  # it has to be known before it is used
            text = text.replace(defined, "").replace("http {", "http {\n  " + defined, 1)
        (tmp_path / "nginx.conf").write_text(text, encoding="utf-8")
        running = process(
            [program, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")]
        )
        running.wait_for_port(port)
        return port

    return start


def give_up(port: int) -> None:
    """Ask for the slow page, and go away before it is there."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.3)


def test_what_nginx_answered_itself_is_explained(
    start_site: Any, nginx: Callable[..., int], verify: Any, when_written: Any
) -> None:
    """With $upstream_status it is certain, whatever the status; nothing else is excused."""
    site = start_site("--workers", "2")
    port = nginx(site.port, "front", WITH_UPSTREAM)
    for path in ("/lucky", "/walks/7/", "/private", "/private/x", "/old"):
        site.get(path, port=port)
    log = site.log.with_name("front.log")
    when_written(log, 5)

    status, outcome = verify(log, "--format", WITH_UPSTREAM)

    assert (status, explained(outcome)) == (0, {"answered-by-proxy": 3})
    assert rows(outcome)["/lucky", 200][2] == 0
    forged = log.with_name("forged.log")
    forged.write_bytes(log.read_bytes() * 2)
    assert verify(forged, "--format", WITH_UPSTREAM)[0] == 1


def test_combined_log_with_clients_that_went_away_and_a_worker_that_died(
    start_site: Any, nginx: Callable[..., int], verify: Any, when_written: Any, wait_until: Any
) -> None:
    """499 is paired with the answer the app gave all the same, 502 with the aborted request, 403 and 301 are nginx's own."""
    site = start_site("--workers", "2")
    port = nginx(site.port, "nginx-access")
    for path in ("/lucky", "/private", "/old"):  # the redirect is followed: /lucky again
        site.get(path, port=port)
    give_up(port)
    assert site.get("/die", port=port) == 502
    log = site.log.with_name("nginx-access.log")
    when_written(log, 6)

    def look() -> tuple[int, dict[str, Any]] | None:
        done: tuple[int, dict[str, Any]] = verify(log)
        return done if done[0] == 0 and "client-gone" in explained(done[1]) else None

    status, outcome = wait_until(look, "the slow answer is counted", 60)

    found = explained(outcome)
    assert {name: found[name] for name in ("client-gone", "aborted", "answered-by-nginx")} == {
        "client-gone": 1,
        "aborted": 1,
        "answered-by-nginx": 2,
    }
    assert status == 0


def test_compressed_answers_have_fewer_bytes(
    start_site: Any, nginx: Callable[..., int], verify: Any, when_written: Any
) -> None:
    """Compressed on its way by nginx: fewer bytes in its log than the app gave are told, and are no difference."""
    site = start_site()
    port = nginx(site.port, "nginx-access")
    request = urllib.request.Request(f"http://127.0.0.1:{port}/walks/5000/", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert len(answer.read()) < 5000
    log = site.log.with_name("nginx-access.log")
    when_written(log, 1)

    status, outcome = verify(log)

    (size,) = outcome["bytes"]
    assert (status, size["ours"], "gzip" in size["explained"]) == (0, 5000, True)
