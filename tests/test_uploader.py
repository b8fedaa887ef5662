# SPDX-License-Identifier: Apache-2.0
"""The uploader against a real HTTP server: what it sends, what it makes of every answer, and when it tries again."""

from __future__ import annotations

import gzip
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections import deque
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from wsgiapm import clock, log, otlp
from wsgiapm.uploader import Outcome, Uploader
from wsgiapm.version import VERSION

BODY = b"some protobuf " * 100
SECOND = 10**9


class Request(NamedTuple):
    """What the server was sent."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: tuple[str, int]


class Receiver:
    """A server that gives the answers it was told to, then 200, and remembers the requests."""

    def __init__(self, context=None):
        self.requests: list[Request] = []
        self.answers: deque[tuple[int | None, dict[str, str], bytes]] = deque()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Request(self.path, dict(self.headers), body, self.client_address))
                status, headers, answer = receiver.answers.popleft() if receiver.answers else (200, {}, b"")
                if status is None:
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                """A client that goes away is what some tests are about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.address = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def answer(self, status, headers=None, body=b""):
        """Set what the next request gets; None = the connection is closed without an answer."""
        self.answers.append((status, headers or {}, body))

    def stop(self):
        """End the server."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.now = 1_000 * SECOND

    def __call__(self):
        """Nanoseconds."""
        return self.now


@pytest.fixture(autouse=True)
def fresh_log():
    """Let once() say everything again."""
    log.configure(None, "DEBUG")


@pytest.fixture(autouse=True)
def no_proxy_of_ours(monkeypatch):
    """The proxies of the person who runs the tests stay out."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def receiver():
    """A running server."""
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture
def upload(receiver):
    """`upload(endpoint=None, **arguments)` makes an uploader to the receiver, closed at the end."""
    made = []

    def make(endpoint=None, **arguments):
        arguments = {"token": lambda: "secret", "timeout": (5, 5), **arguments}
        made.append(Uploader(endpoint or receiver.address, **arguments))
        return made[-1]

    yield make
    for uploader in made:
        uploader.close()


def protobuf(status, body):
    """Arguments of `answer` for a protobuf body."""
    return status, {"Content-Type": otlp.PROTOBUF_TYPE}, body


def partial(refused, reason):
    """An ExportMetricsServiceResponse."""
    answer = ExportMetricsServiceResponse()
    answer.partial_success.rejected_data_points = refused
    answer.partial_success.error_message = reason
    return answer.SerializeToString()


def test_a_body_arrives_whole_with_token_and_headers(receiver, upload):
    """The body is gzipped, its type named, the token sent as a bearer, further headers added."""
    uploader = upload(receiver.address + "/", headers=(("X-Scope", "shop"),))
    assert uploader.send(otlp.METRICS_PATH, BODY) == Outcome("delivered", "", 200)
    [request] = receiver.requests
    assert request.path == "/v1/metrics"
    assert gzip.decompress(request.body) == BODY
    assert request.headers["Content-Type"] == "application/x-protobuf"
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["X-Scope"] == "shop"
    assert request.headers["User-Agent"] == f"wsgiapm/{VERSION}"


def test_one_connection_serves_many_sends_and_a_child_makes_its_own(receiver, upload, monkeypatch):
    """The session is kept; in another process (told by its pid) it is not used any more."""
    uploader = upload()
    for _ in range(2):
        uploader.send(otlp.METRICS_PATH, BODY)
    parents = uploader._session
    monkeypatch.setattr(os, "getpid", lambda: -1)
    uploader.send(otlp.METRICS_PATH, BODY)
    first, second, third = (request.connection for request in receiver.requests)
    assert first == second != third
    assert uploader._session is not parents
    parents.close()


def test_the_token_is_asked_for_at_every_send(receiver, upload):
    """A token that appears later is used from then on."""
    tokens = iter(["", " later\n"])
    uploader = upload(token=lambda: next(tokens))
    for _ in range(2):
        uploader.send(otlp.METRICS_PATH, BODY)
    assert [request.headers.get("Authorization") for request in receiver.requests] == [None, "Bearer later"]


def test_an_authorization_of_the_users_own_takes_the_place_of_the_token(receiver, upload):
    """What stands in the setting headers is meant."""
    upload(headers=(("authorization", "Basic abc"),)).send(otlp.METRICS_PATH, BODY)
    assert receiver.requests[0].headers["authorization"] == "Basic abc"
    assert "Authorization" not in receiver.requests[0].headers


def test_a_login_in_netrc_does_not_take_the_place_of_the_token(receiver, upload, monkeypatch, tmp_path, free_port):
    """Requests would send it for any host it lists, where it looks at the environment at all."""
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    uploader = upload("http://collector.example", proxy=receiver.address, headers=(("Authorization", "Basic abc"),))
    assert uploader.send(otlp.METRICS_PATH, BODY).kind == "delivered"
    assert receiver.requests[0].headers["Authorization"] == "Basic abc"


def test_over_plain_http_the_token_stays_on_this_machine(receiver, upload, capfd):
    """To another host it is withheld, which the log says once; the proxy stands in for the network here."""
    uploader = upload("http://collector.example", proxy=receiver.address)
    for _ in range(2):
        assert uploader.send(otlp.METRICS_PATH, BODY).kind == "delivered"
    assert [request.path for request in receiver.requests] == ["http://collector.example/v1/metrics"] * 2
    assert all("Authorization" not in request.headers for request in receiver.requests)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "the token is not sent to http://collector.example" in lines[0]
    assert "https" in lines[0]


def test_a_proxy_of_the_environment_never_sees_this_machines_token(receiver, upload, monkeypatch, free_port):
    """An endpoint on this machine is spoken to directly, whatever http_proxy says."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert upload().send(otlp.METRICS_PATH, BODY).kind == "delivered"
    assert receiver.requests[0].path == "/v1/metrics"


def test_a_proxy_elsewhere_is_not_given_the_token_for_this_machine(upload, capfd):
    """An explicit proxy on another host would read it in clear text."""
    uploader = upload("http://127.0.0.1:9", proxy="http://proxy.invalid:3128")
    assert uploader.send(otlp.METRICS_PATH, BODY).kind == "retry"
    output = capfd.readouterr().err
    assert "the token is not sent" in output
    assert "proxy failed" in output


def test_the_proxy_of_the_environment_is_used_for_other_hosts(receiver, upload, monkeypatch):
    """Without the setting, http_proxy holds."""
    monkeypatch.setenv("http_proxy", receiver.address)
    assert upload("http://collector.example").send(otlp.METRICS_PATH, BODY).kind == "delivered"
    assert receiver.requests[0].path == "http://collector.example/v1/metrics"


@pytest.mark.parametrize("token", ["two\r\nX-Lines: 1", "geheim€"])
def test_a_token_http_cannot_carry_is_neither_sent_nor_shown(receiver, upload, capfd, token):
    """No header is smuggled in, and the log names the setting, not the secret."""
    assert upload(token=lambda: token).send(otlp.METRICS_PATH, BODY).kind == "delivered"
    assert "Authorization" not in receiver.requests[0].headers
    assert "X-Lines" not in receiver.requests[0].headers
    output = capfd.readouterr().err
    assert "license_key" in output
    assert token[:3] not in output


def test_a_partial_success_is_reported_with_the_servers_message(receiver, upload, capfd):
    """Points the server refused are not sent again, and the log says why they were refused."""
    receiver.answer(*protobuf(200, partial(3, "too\nmany")))
    uploader = upload()
    assert uploader.send(otlp.METRICS_PATH, BODY) == Outcome("partial", "3 refused: too many", 200)
    assert uploader.ready()
    assert "3 refused: too many" in capfd.readouterr().err


def test_a_warning_of_a_server_that_took_everything_is_passed_on(receiver, upload):
    """A message with nothing refused is a delivery with a warning."""
    receiver.answer(*protobuf(200, partial(0, "old names")))
    assert upload().send(otlp.METRICS_PATH, BODY) == Outcome("delivered", "old names", 200)


@pytest.mark.parametrize(
    "answer",
    [(204, {}, b""), protobuf(200, b"OK"), (200, {"Content-Type": "application/json"}, b'{"partialSuccess":null}')],
    ids=["empty", "no protobuf", "json"],
)
def test_a_success_is_a_success_whatever_stands_in_it(receiver, upload, answer):
    """A body that cannot be read does not undo the delivery."""
    receiver.answer(*answer)
    assert upload().send(otlp.METRICS_PATH, BODY).kind == "delivered"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_is_tried_again(receiver, upload, status):
    """These four answers mean later; the next success ends the backing off."""
    moment = Clock()
    uploader = upload(monotonic=moment)
    receiver.answer(status, {}, b"busy")
    outcome = uploader.send(otlp.METRICS_PATH, BODY)
    assert (outcome.kind, outcome.status) == ("retry", status)
    assert "busy" in outcome.message
    assert not uploader.ready()
    assert uploader.send(otlp.METRICS_PATH, BODY).kind == "delivered"
    assert uploader.ready()


@pytest.mark.parametrize("status", [400, 404, 405, 413, 500, 501])
def test_any_other_error_is_final(receiver, upload, status, capfd):
    """What a server refuses once it would refuse again; the log shows its reason, on one line."""
    receiver.answer(status, {"Content-Type": "text/plain"}, b"no\nsuch thing")
    uploader = upload()
    outcome = uploader.send(otlp.METRICS_PATH, BODY)
    assert (outcome.kind, outcome.status) == ("rejected", status)
    assert uploader.ready()
    [line] = capfd.readouterr().err.splitlines()
    assert f"{receiver.address} answered {status}" in line
    assert "no such thing" in line


def test_the_reason_in_a_protobuf_error_is_read(receiver, upload):
    """An OTLP error is a google.rpc.Status."""
    receiver.answer(*protobuf(400, b"\x08\x03" + otlp.text(2, "bad point")))
    assert upload().send(otlp.METRICS_PATH, BODY).message == f"{receiver.address} answered 400 (bad point)"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("token", "said"), [("wrong", "the token sent is not its own"), ("", "no token was sent")])
def test_a_wrong_token_is_answered_by_what_to_do(receiver, upload, capfd, status, token, said):
    """The log names the setting, and whether a token was sent at all, but not the token."""
    receiver.answer(status)
    assert upload(token=lambda: token).send(otlp.METRICS_PATH, BODY).kind == "rejected"
    [line] = capfd.readouterr().err.splitlines()
    assert said in line
    assert "license_key" in line
    assert "wrong" not in line


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver, upload, status):
    """Neither the body nor the token goes to an address that was not configured."""
    receiver.answer(status, {"Location": f"{receiver.address}/elsewhere"})
    outcome = upload().send(otlp.METRICS_PATH, BODY)
    assert (outcome.kind, outcome.status) == ("rejected", status)
    assert "/elsewhere" in outcome.message
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [200, 302, 400])
def test_an_endless_answer_is_not_read_to_its_end(receiver, upload, status):
    """Of a body that says it is a terabyte long, only the start is read, and the send returns."""
    headers = {"Content-Length": str(2**40), "Location": receiver.address}
    receiver.answer(status, headers, b"x" * 100_000)
    outcome = upload().send(otlp.METRICS_PATH, BODY)
    assert (outcome.kind, outcome.status) == ("delivered" if status == 200 else "rejected", status)
    assert len(outcome.message) < 1000


def test_waiting_grows_from_a_second_to_a_minute(receiver, upload):
    """Each failure doubles the wait, the jitter takes at most half of it, and it never exceeds a minute."""
    shortest: list[float] = []
    longest: list[float] = []
    for random, waits in ((0.0, shortest), (1.0, longest)):
        moment = Clock()
        uploader = upload(monotonic=moment, random=lambda random=random: random)
        for _ in range(8):
            receiver.answer(503)
            uploader.send(otlp.METRICS_PATH, BODY)
            waits.append((uploader._not_before - moment.now) / SECOND)
    assert shortest == [1, 2, 4, 8, 16, 30, 30, 30]
    assert longest == [2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("30", 30),
        (formatdate(5_000_045, usegmt=True), 45),
        ("Thu Feb 27 20:54:05 1970", 45),
        ("9" * 400, 300),
        (formatdate(5_900_000, usegmt=True), 300),
        (formatdate(4_000_000, usegmt=True), 1),
        ("-5", 1),
        ("soon", 1),
    ],
)
def test_retry_after_is_honoured_within_reason(receiver, upload, monkeypatch, retry_after, seconds):
    """Seconds or a date, but never more than five minutes, and never less than our own back-off."""
    monkeypatch.setattr(clock, "time", lambda: 5_000_000.0)
    moment = Clock()
    uploader = upload(monotonic=moment, random=lambda: 0.0)
    receiver.answer(503, {"Retry-After": retry_after})
    uploader.send(otlp.METRICS_PATH, BODY)
    moment.now += seconds * SECOND - 1
    assert not uploader.ready()
    moment.now += 1
    assert uploader.ready()


def test_nobody_listening_is_tried_again_and_said_once(upload, free_port, capfd):
    """A server that is not there yet is no error to repeat every ten seconds."""
    uploader = upload(f"http://127.0.0.1:{free_port()}")
    for _ in range(3):
        outcome = uploader.send(otlp.METRICS_PATH, BODY)
        assert (outcome.kind, outcome.status) == ("retry", None)
    [line] = capfd.readouterr().err.splitlines()
    assert "[WARNING]" in line
    assert "nothing listens there" in line


def test_an_endpoint_that_does_not_resolve_is_tried_again_and_said_once(upload, capfd):
    """The line names the endpoint and the setting."""
    uploader = upload("http://collector.invalid:4318", token=lambda: "")
    for _ in range(2):
        outcome = uploader.send(otlp.METRICS_PATH, BODY)
        assert (outcome.kind, outcome.status) == ("retry", None)
    [line] = capfd.readouterr().err.splitlines()
    assert "http://collector.invalid:4318: the host name does not resolve" in line
    assert "check the setting endpoint" in line


def test_a_server_that_hangs_up_or_stays_silent_is_tried_again(receiver, upload):
    """A connection closed without an answer, and no answer in time, are failures of transport."""
    receiver.answer(None)
    assert upload().send(otlp.METRICS_PATH, BODY).kind == "retry"
    receiver.answer(200, {"Content-Length": "10"}, b"")
    assert upload(timeout=(5, 0.1)).send(otlp.METRICS_PATH, BODY).kind == "retry"


@pytest.mark.parametrize("endpoint", ["collector", "ftp://collector.example", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused_not_raised(upload, endpoint):
    """Settings are checked elsewhere; whatever comes through is an outcome that names the setting."""
    outcome = upload(endpoint).send(otlp.METRICS_PATH, BODY)
    assert outcome.kind == "rejected"
    assert "endpoint" in outcome.message


def test_requests_that_cannot_be_imported_is_an_outcome(upload, monkeypatch, capfd):
    """A broken installation stops uploads, not the app; the log says what to install."""
    monkeypatch.setitem(sys.modules, "requests", None)
    assert upload().send(otlp.METRICS_PATH, BODY).kind == "rejected"
    assert "requests cannot be imported" in capfd.readouterr().err


def test_a_success_after_failures_is_said(receiver, upload, capfd):
    """The operator reads that it works again."""
    uploader = upload()
    receiver.answer(503)
    for _ in range(2):
        uploader.send(otlp.METRICS_PATH, BODY)
    assert f"{receiver.address} answers again" in capfd.readouterr().err


@pytest.fixture
def certificate(tmp_path):
    """Certificate and key of 127.0.0.1, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is not installed: no certificate can be made")
    paths = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]]
    subprocess.run(command, check=True, capture_output=True)
    return paths


def test_tls_is_verified_against_ca_file(upload, certificate, monkeypatch, capfd):
    """A certificate nobody vouches for is a failure that names ca_file; with ca_file it is trusted, and only with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    receiver = Receiver(context)
    try:
        outcome = upload(receiver.address).send(otlp.METRICS_PATH, BODY)
        assert outcome.kind == "retry"
        assert "check the setting ca_file" in outcome.message
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(os.devnull))
        trusting = upload(receiver.address, ca_file=certificate[0])
        assert trusting.send(otlp.METRICS_PATH, BODY).kind == "delivered"
        trusting.close()
        assert receiver.requests[0].headers["Authorization"] == "Bearer secret"
    finally:
        receiver.stop()
    missing = upload(receiver.address, ca_file="/nowhere.pem").send(otlp.METRICS_PATH, BODY)
    assert missing.kind == "retry"
    assert "/nowhere.pem" in missing.message
