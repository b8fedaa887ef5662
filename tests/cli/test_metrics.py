# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm metrics`, as far as the command line goes."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import uuid

import pytest


@pytest.fixture
def served(process, stand_in, shared):
    """A running `wsgiapm metrics --listen` over the shared directory, and its port."""
    running = process([sys.executable, *stand_in, "metrics", "--shared-dir", str(shared), "--listen", "127.0.0.1:0"])
    port = int(running.wait_for_output(r"^listening on http://127\.0\.0\.1:(\d+)/metrics$")[1])
    return running, port


def ask(port, method="GET", path="/metrics"):
    """The status, headers and body of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body


def test_it_prints_the_text(wsgiapm, stand_in, shared):
    """Of the directory that is given."""
    ran = wsgiapm("metrics", "--shared-dir", "shared", program=stand_in)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"# {shared} 0\n", "")


def test_the_directory_of_the_settings(wsgiapm, stand_in, shared):
    """Is the one that counts when none is given."""
    ran = wsgiapm("metrics", program=stand_in, env={"WSGIAPM_SHARED_DIR": str(shared)})
    assert (ran.returncode, ran.stdout) == (0, f"# {shared} 0\n")


def test_a_directory_that_does_not_exist(wsgiapm, stand_in, tmp_path):
    """Which one, who says so, and what to do."""
    ran = wsgiapm("metrics", "--shared-dir", "nope", program=stand_in)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"there is no shared directory {tmp_path}/nope (--shared-dir)" in ran.stderr


def test_a_file_in_place_of_the_directory(wsgiapm, stand_in, tmp_path):
    """Is told as such."""
    (tmp_path / "file").touch()
    ran = wsgiapm("metrics", "--shared-dir", "file", program=stand_in)
    assert ran.returncode == 1
    assert "is not a directory" in ran.stderr


def test_the_name_of_the_default_directory_is_explained(wsgiapm, stand_in):
    """A name nobody uses: the message says where the name came from."""
    name = f"test-{uuid.uuid4()}"
    ran = wsgiapm("metrics", program=stand_in, env={"WSGIAPM_APP_NAME": name})
    assert ran.returncode == 1
    assert f"(the default for app_name '{name}', environment WSGIAPM_APP_NAME)" in ran.stderr
    unnamed = wsgiapm("metrics", program=stand_in)
    assert "(the default for an app without app_name in this working directory)" in unnamed.stderr


def test_a_directory_that_cannot_be_merged(wsgiapm, stand_in, shared):
    """The reason is told without a traceback."""
    (shared / "damaged").touch()
    ran = wsgiapm("metrics", "--shared-dir", "shared", program=stand_in)
    assert (ran.returncode, ran.stderr) == (1, f"wsgiapm: {shared} has no header; remove it\n")


def test_a_bad_setting(wsgiapm, stand_in, shared):
    """Is named, with exit status 2."""
    ran = wsgiapm("metrics", "--shared-dir", "shared", program=stand_in, env={"WSGIAPM_APDEX_T": "x"})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "apdex_t is 'x'" in ran.stderr


def test_a_server_computes_each_answer_afresh(served, shared):
    """A change of the directory is in the next answer."""
    _, port = served
    status, headers, body = ask(port)
    assert (status, body) == (200, f"# {shared} 0\n")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    (shared / "new").touch()
    assert ask(port, path="/metrics?x=1")[2] == f"# {shared} 1\n"


def test_head_has_no_body(served, shared):
    """But the length of it."""
    _, headers, body = ask(served[1], "HEAD")
    assert (headers["Content-Length"], body) == (str(len(f"# {shared} 0\n")), "")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics.txt", "/../etc/passwd"])
def test_other_paths_are_not_found(served, path):
    """There is one page."""
    status, _, body = ask(served[1], path=path)
    assert (status, body) == (404, "there is only /metrics here\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(served, method):
    """With the methods that are not."""
    status, headers, _ = ask(served[1], method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_directory_that_is_not_readable_is_a_503(served, shared):
    """With the sentence, and only as long as it lasts."""
    running, port = served
    (shared / "damaged").touch()
    assert ask(port)[::2] == (503, f"{shared} has no header; remove it\n")
    os.unlink(shared / "damaged")
    shared.rmdir()
    status, _, body = ask(port)
    assert status == 503
    assert f"there is no shared directory {shared} (--shared-dir)" in body
    shared.mkdir()
    assert ask(port)[0] == 200
    assert "Traceback" not in running.output()


def test_a_client_that_sends_nothing_does_not_hold_up_others(served):
    """Each connection has a thread, and a limited time."""
    with socket.create_connection(("127.0.0.1", served[1])):
        assert ask(served[1])[0] == 200


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_the_server_cleanly(served, number, status):
    """Without a traceback."""
    running, port = served
    assert ask(port)[0] == 200
    assert running.stop(number) == status
    assert "Traceback" not in running.output()


def test_an_address_in_use(wsgiapm, stand_in, served):
    """Which one, why, and what to do."""
    address = f"127.0.0.1:{served[1]}"
    ran = wsgiapm("metrics", "--shared-dir", "shared", "--listen", address, program=stand_in)
    assert ran.returncode == 1
    assert ran.stderr == f"wsgiapm: cannot listen on {address}: Address already in use; choose another --listen\n"


def test_a_name_that_does_not_resolve(wsgiapm, stand_in, shared):
    """Is no traceback either."""
    ran = wsgiapm("metrics", "--shared-dir", "shared", "--listen", "nowhere.invalid:9464", program=stand_in)
    assert ran.returncode == 1
    assert ran.stderr.startswith("wsgiapm: cannot listen on nowhere.invalid:9464: ")


def test_ipv6(process, stand_in, shared):
    """An address in brackets is listened on as such."""
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    running = process([sys.executable, *stand_in, "metrics", "--shared-dir", str(shared), "--listen", "[::1]:0"])
    port = int(running.wait_for_output(r"^listening on http://\[::1\]:(\d+)/metrics$")[1])
    with socket.create_connection(("::1", port), timeout=20) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.0 200 OK"


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        return False
    return True
