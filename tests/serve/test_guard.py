# SPDX-License-Identifier: Apache-2.0
"""What every request must be, and what every answer says."""

from __future__ import annotations

import falcon
import pytest
from falcon import testing

from wsgiapm.serve.guard import Guard


class Resource:
    """Answers everything."""

    def on_get(self, req, resp):
        """Answer."""
        resp.text = "ok"

    on_post = on_get


@pytest.fixture
def client():
    """A client of a guarded resource."""
    app = falcon.App(middleware=[Guard({"localhost", "127.0.0.1", "::1", "apm.example.com"})])
    app.add_route("/", Resource())
    return testing.TestClient(app)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:4318", "LocalHost:99", "127.0.0.1:4318", "[::1]", "[::1]:4318"]
)
def test_known_hosts_pass(client, host):
    """With any port: a tunnel may have another."""
    assert client.simulate_get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4318",
        "localhost.evil.example",
        "",
        ":4318",
        "localhost:x",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost/x",
        "localhost:4318,evil.example",
        "[::1",
        "10.0.0.1",
    ],
)
def test_unknown_hosts_are_refused(client, host):
    """A page that lets its name point to 127.0.0.1 reads nothing."""
    answer = client.simulate_get("/", headers={"Host": host})

    assert answer.status_code == 403
    assert "Host" in answer.text


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:4318", "http://localhost:4318"),
        ("apm.example.com", "https://apm.example.com"),
        ("apm.example.com:443", "https://apm.example.com"),
        ("[::1]:4318", "http://[::1]:4318"),
        ("localhost", "http://LOCALHOST"),
    ],
)
def test_our_own_pages_pass(client, host, origin):
    """Through a proxy that speaks TLS, too."""
    assert client.simulate_post("/", headers={"Host": host, "Origin": origin}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:4318",
        "file://",
        "chrome-extension://localhost:4318",
        "http://localhost:4318.evil.example",
        "http://localhost:4318@evil.example",
        "http://[",
        "localhost:4318",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_pages_are_refused(client, method, origin):
    """Another site, another port of this machine, a sandboxed frame, an extension."""
    answer = client.simulate_request(method, "/", headers={"Host": "localhost:4318", "Origin": origin})

    assert answer.status_code == 403
    assert "Origin" in answer.text


@pytest.mark.parametrize(("path", "host"), [("/", "localhost"), ("/nothing", "localhost"), ("/", "evil.example")])
def test_every_answer_has_the_security_headers(client, path, host):
    """Errors too."""
    headers = client.simulate_get(path, headers={"Host": host}).headers

    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
