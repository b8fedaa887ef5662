# SPDX-License-Identifier: Apache-2.0
"""Paths that are not recorded, and the one that tells the numbers."""

from __future__ import annotations

import base64
import sys
from wsgiref.util import setup_testing_defaults

import pytest

from wsgiapm.aggregate.index_file import Identity
from wsgiapm.aggregate.instance import alone
from wsgiapm.config import resolve
from wsgiapm.middleware import Middleware
from wsgiapm.recorder import Recorder
from wsgiapm.special_paths import find_special

TOKEN = "secret-token"


class Source:
    """A running agent."""

    def __init__(self):
        instance = alone(Identity("test", "", ""))
        instance.begin(500_000_000)
        self.recorder = Recorder(instance, max_series=100, error_status=[])
        self.failures = []

    def start(self):
        """See `wsgiapm.middleware.Source`."""
        return self.recorder

    def failed(self):
        """See `wsgiapm.middleware.Source`."""
        self.failures.append(sys.exc_info()[1])


def hello(environ, start_response):
    """An app."""
    start_response("200 OK", [])
    return [b"hello"]


@pytest.fixture
def source():
    """The agent of the app."""
    return Source()


@pytest.fixture
def ask(source):
    """`ask(settings, path, **environ)` returns status, headers and body."""

    def call(settings, path, **more):
        special = find_special(hello, resolve(settings).settings, source)
        app = Middleware(hello, source, special)
        environ = {"PATH_INFO": path, "SCRIPT_NAME": "", **more}
        setup_testing_defaults(environ)
        answers = []
        body = app(environ, lambda status, headers: answers.append((status, dict(headers))))
        return (*answers[0], b"".join(body))

    return call


def counted(body):
    """The count of requests in a Prometheus text."""
    lines = [
        line for line in body.decode().splitlines() if line.startswith("http_server_request_duration_seconds_count")
    ]
    return sum(int(line.rpartition(" ")[2]) for line in lines)


def basic(password, user="anybody"):
    """The header of basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_without_such_settings_no_path_is_special(source):
    """And the middleware does not ask."""
    assert find_special(hello, resolve({}).settings, source) is None


def test_the_numbers_are_told_at_the_path_that_was_set(ask):
    """Those of all workers, in Prometheus' text; being asked is no request of the app."""
    settings = {"metrics_path": "/-/metrics"}
    assert ask(settings, "/")[2] == b"hello"
    for _ in range(2):
        status, headers, body = ask(settings, "/-/metrics")
        assert status == "200 OK"
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert headers["Content-Length"] == str(len(body))
        assert counted(body) == 1


def test_head_tells_the_length_only(ask):
    """As HTTP has it."""
    status, headers, body = ask({"metrics_path": "/metrics"}, "/metrics", REQUEST_METHOD="HEAD")

    assert (status, body) == ("200 OK", b"")
    assert int(headers["Content-Length"]) > 0


def test_other_methods_are_refused(ask):
    """There is nothing to be changed."""
    status, headers, body = ask({"metrics_path": "/metrics"}, "/metrics", REQUEST_METHOD="POST")

    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize("path", ["/metrics/", "/metricsx", "/x/metrics", "", "/"])
def test_only_that_very_path_is_special(path, ask):
    """Everything else is the app's."""
    assert ask({"metrics_path": "/metrics"}, path)[2] == b"hello"


@pytest.mark.parametrize(
    "header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} ", basic(TOKEN), basic(TOKEN, "")]
)
def test_the_token_opens(header, ask):
    """As bearer or as the password of anybody."""
    settings = {"metrics_path": "/metrics", "metrics_token": TOKEN}

    assert ask(settings, "/metrics", HTTP_AUTHORIZATION=header)[0] == "200 OK"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Digest {TOKEN}",
        basic("wrong"),
        basic("", TOKEN),
        "Basic",
        "Basic =",
        "Basic !!!!",
        "Basic \xe9\xe9\xe9\xe9",
        "Basic /////w==",
        "Bearer \xff\xfe",
        f"Basic {base64.b64encode(TOKEN.encode()).decode()}",
    ],
)
def test_everything_else_is_kept_out(header, ask, source):
    """With a hint for browsers and people, whatever is sent."""
    settings = {"metrics_path": "/metrics", "metrics_token": TOKEN}
    more = {} if header is None else {"HTTP_AUTHORIZATION": header}
    status, headers, body = ask(settings, "/metrics", **more)

    assert status == "401 Unauthorized"
    assert headers["WWW-Authenticate"] == 'Basic realm="metrics"'
    assert TOKEN.encode() not in body
    assert source.failures == []


def test_numbers_that_cannot_be_read_are_no_error_of_the_app(ask, source, monkeypatch):
    """The failure is counted and told."""
    monkeypatch.setattr("wsgiapm.special_paths.take_snapshot", lambda *_: 1 / 0)

    assert ask({"metrics_path": "/metrics"}, "/metrics")[0] == "503 Service Unavailable"
    assert [type(failure) for failure in source.failures] == [ZeroDivisionError]


def test_without_a_recorder_there_are_no_numbers(ask, source):
    """A stopped agent's, for one."""
    source.recorder = None

    assert ask({"metrics_path": "/metrics"}, "/metrics")[0] == "503 Service Unavailable"


@pytest.mark.parametrize(
    ("script", "path", "recorded"),
    [
        ("", "/health", 0),
        ("", "/health/deep", 0),
        ("/static", "/x.css", 0),
        ("/sta", "tic/x.css", 0),
        ("/app", "/health", 1),
        ("", "/", 1),
        ("", "/healt", 1),
    ],
)
def test_ignored_paths_are_served_and_not_recorded(script, path, recorded, ask):
    """Prefixes of the whole path, SCRIPT_NAME included."""
    settings = {"ignore_paths": "/health,/static", "metrics_path": "/metrics"}
    assert ask(settings, path, SCRIPT_NAME=script)[2] == b"hello"

    assert counted(ask(settings, "/metrics")[2]) == recorded
