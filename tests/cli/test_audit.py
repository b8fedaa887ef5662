# SPDX-License-Identifier: Apache-2.0
"""`wsgiapm audit`: it shows what the next upload consists of, all of it, and no secret."""

from __future__ import annotations

import gzip
import http.server
import re
import signal
import sys
import threading

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tests.aggregate.counting import record
from wsgiapm.cli.audit_text import tree
from wsgiapm.config import resolve
from wsgiapm.next_upload import next_uploads
from wsgiapm.otlp.decoding import LOGS, METRICS

# What is different each time it is looked at.
CHANGING = r"\btime=\S+|value=\S+ worker=\d+|http\.server\.active_requests.*"
PAYLOAD = (
    b'{"event": "wsgiapm.worker.died", "body": "worker 3 was killed", "attributes": {"worker": 3, "signal": "SIGKILL"}}'
)


@pytest.fixture
def counted(recorder, shared):
    """A shared directory in which something was counted, and something happened."""
    for duration in (1, 10**6, 10**9):
        record(recorder, "/a b/<int:pk>", duration)
    record(recorder, "/error", 10**7, 500)
    recorder.instance.journal.append(1, PAYLOAD)
    recorder.instance.journal.flush()
    return shared


def uploads(path, **settings):
    """The next uploads by path."""
    found = next_uploads(path, resolve({"shared_dir": path, **settings}, environ={}).settings)
    return {upload.path: upload for upload in found}


def leaves(value):
    """Everything a message says, as single values."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


@pytest.mark.parametrize(
    ("path", "kind", "read"),
    [("/v1/metrics", ExportMetricsServiceRequest, METRICS), ("/v1/logs", ExportLogsServiceRequest, LOGS)],
)
def test_everything_in_the_bytes_is_shown(counted, path, kind, read):
    """Whatever the official library finds in them stands in the text: every name, every value, every bucket."""
    body = uploads(counted)[path].body
    text = "\n".join(tree(read(body)))
    decoded = MessageToDict(kind.FromString(body), preserving_proto_field_name=True, use_integers_for_enums=True)
    missing = [leaf for leaf in map(str, leaves(decoded)) if leaf not in text and not re.fullmatch(r"\d{19}", leaf)]
    assert [leaf for leaf in missing if leaf.replace("'", "\\'") not in text] == []
    assert "field " not in text


def test_a_field_it_does_not_know_is_shown():
    """By its number: nothing is hidden that a later version sends."""
    (line,) = tree(METRICS(b"\x0a\x04\xfa\x01\x01\x07"))
    assert line == "  sender field 31=07"


def test_it_shows_what_is_sent(wsgiapm, counted):
    """A server that gets the next upload gets what was shown, byte for byte but for the time and gauges of that moment."""
    bodies = {}

    class Taking(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies[self.path] = gzip.decompress(body), dict(self.headers)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        environment = {"WSGIAPM_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "WSGIAPM_APP_NAME": "shop"}
        shown = wsgiapm("audit", "--once", "--shared-dir", counted, env=environment)
        sent = wsgiapm("harvest", "--once", "--shared-dir", counted, env=environment)
        server.shutdown()
    assert (shown.returncode, sent.returncode) == (0, 0)
    for path, read in (("/v1/metrics", METRICS), ("/v1/logs", LOGS)):
        body, headers = bodies[path]
        for line in tree(read(body)):
            assert re.sub(CHANGING, "", line) in re.sub(CHANGING, "", shown.stdout), path
        assert f"POST {environment['WSGIAPM_ENDPOINT']}{path}: " in shown.stdout
        for name in ("Content-Type", "Content-Encoding", "User-Agent"):
            assert f"  {name}: {headers[name]}" in shown.stdout
    assert "body='worker 3 was killed'" in shown.stdout


def test_nothing_is_consumed(counted):
    """The events are there still, for who delivers them."""
    assert set(uploads(counted)) == set(uploads(counted)) == {"/v1/metrics", "/v1/logs"}


def test_no_secret_is_shown(wsgiapm, counted):
    """Neither the token nor a header that was set, only that they are sent."""
    secrets = {"WSGIAPM_LICENSE_KEY": "hush1", "WSGIAPM_HEADERS": "X-Key=hush2", "WSGIAPM_PROXY": "http://me:hush3@p:1"}
    secrets |= {"WSGIAPM_ENDPOINT": "https://apm.example.com", "WSGIAPM_METRICS_TOKEN": "hush4"}
    ran = wsgiapm("audit", "--once", "--shared-dir", counted, env=secrets)
    assert ran.returncode == 0
    assert "Authorization: (sent, not shown)" in ran.stdout
    assert "X-Key: (sent, not shown)" in ran.stdout
    assert "hush" not in ran.stdout + ran.stderr


def test_without_an_endpoint(wsgiapm, counted):
    """It says so, and shows what it would be."""
    ran = wsgiapm("audit", "--once", "--shared-dir", counted, env={"WSGIAPM_ENDPOINT": ""})
    assert ran.returncode == 0
    assert ran.stdout.startswith("nothing is uploaded (endpoint is empty)")


def test_a_directory_that_does_not_exist(wsgiapm, tmp_path):
    """Something is wrong."""
    ran = wsgiapm("audit", "--once", "--shared-dir", "nope")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "there is no shared directory" in ran.stderr


def test_ctrl_c_ends_it(process, counted):
    """Cleanly: it has shown what it has shown."""
    running = process([sys.executable, "-m", "wsgiapm", "audit", "--shared-dir", counted])
    running.wait_for_output("wsgiapm.worker.died")
    assert running.stop(signal.SIGINT) == 0
    assert "Traceback" not in running.output()
