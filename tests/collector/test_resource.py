# SPDX-License-Identifier: Apache-2.0
"""The OTLP/HTTP end points: tokens, encodings, limits, answers."""

from __future__ import annotations

import gzip
import json

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.collector.messages import DELTA, DURATION, Message
from wsgiapm.collector.body import MAX_COMPRESSED, MAX_DECOMPRESSED
from wsgiapm.store.model import Selection

T = 1_800_000_000
PROTOBUF, JSON = "application/x-protobuf", "application/json"


def post(client, body, path="/v1/metrics", content_type=PROTOBUF, **headers):
    """Post a body; underscores in header names are written as hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.simulate_post(path, body=body, headers={"Content-Type": content_type, **named})


def requests(store, app=1):
    """Return how many requests are stored."""
    with store.reading() as reader:
        amounts = reader.amounts(Selection(app, DURATION, None, 10, 0, 1 << 40), step=0, by_series=False)
    return sum(amount.n for amount in amounts)


def as_otlp_json(message):
    """Return the JSON form by protobuf's own rules, which OTLP shares but for ids."""
    return json_format.MessageToJson(message)


def sample():
    """Return a good message of three requests."""
    return Message(start=T - 5, time=T).requests({-27: 3})


def test_protobuf_is_stored(client, store):
    """An empty answer says that all was taken."""
    answer = post(client, sample().encode())

    assert answer.status_code == 200
    assert answer.headers["content-type"] == PROTOBUF
    assert ExportMetricsServiceResponse.FromString(answer.content) == ExportMetricsServiceResponse()
    assert requests(store) == 3


def test_json_is_stored_and_answered_in_json(client, store):
    """64-bit numbers come as strings, as protobuf's JSON writes them."""
    text = as_otlp_json(sample().request)
    assert '"count": "3"' in text

    answer = post(client, text, content_type=f"{JSON}; charset=utf-8")

    assert (answer.status_code, answer.json) == (200, {})
    assert answer.headers["content-type"] == JSON
    assert requests(store) == 3


def test_json_with_numbers_hex_ids_and_unknown_fields_is_stored(client, store):
    """What other SDKs send: plain numbers, hexadecimal ids in exemplars, fields of a later version."""
    tree = json.loads(as_otlp_json(sample().request))
    point = tree["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["exponentialHistogram"]["dataPoints"][0]
    point.update(count=3, startTimeUnixNano=(T - 5) * 10**9, timeUnixNano=T * 10**9, later={"a": [1]})
    point["positive"]["bucketCounts"] = [3]
    point["exemplars"] = [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b17", "asDouble": 1.5}]
    tree["laterField"] = True

    answer = post(client, json.dumps(tree), content_type=JSON)

    assert answer.status_code == 200, answer.text
    assert requests(store) == 3


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity"])
def test_compressed_bodies_are_stored(client, store, encoding):
    """Gzip is what every exporter does."""
    body = sample().encode()

    answer = post(client, gzip.compress(body) if encoding.lower() == "gzip" else body, Content_Encoding=encoding)

    assert answer.status_code == 200
    assert requests(store) == 3


def test_refused_points_are_told(client, store):
    """A partial success names their number and why; the rest is stored."""
    message = sample()
    bad = Message(start=T - 5, time=T, temporality=DELTA).sum(1, name="c").request.resource_metrics[0]
    message.request.resource_metrics.add().CopyFrom(bad)

    answer = post(client, message.encode())
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success

    assert answer.status_code == 200
    assert partial.rejected_data_points == 1
    assert "cumulative" in partial.error_message
    assert requests(store) == 3


@pytest.mark.parametrize(
    "token", ["", "Bearer", "Bearer wrong", "Basic ingest-secret", "Bearer ingest-secret2", "Bearer \xe9"]
)
def test_without_the_token_nothing_is_taken(client, store, token):
    """Not even read."""
    answer = post(client, b"garbage", Authorization=token)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert b"ingest-token" in answer.content


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/protobuf"]
)
def test_another_content_type_is_refused(client, content_type):
    """The message says which there are."""
    answer = post(client, sample().encode(), content_type=content_type)

    assert answer.status_code == 415
    assert b"application/x-protobuf" in answer.content


def test_another_encoding_is_refused(client):
    """Rather than taken for garbage."""
    answer = post(client, sample().encode(), Content_Encoding="br")

    assert answer.status_code == 415
    assert b"gzip" in answer.content


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/traces", "/v1/logs"])
def test_garbage_is_refused_with_a_status_message(client, path):
    """google.rpc.Status: field 1 the code, field 2 the text; in JSON to JSON."""
    protobuf = post(client, b"\xff\xff\xff", path)
    text = post(client, b"{", path, JSON)

    assert protobuf.status_code == text.status_code == 400
    assert protobuf.content.startswith(b"\x08\x03\x12")
    assert b"not a protobuf" in protobuf.content
    assert text.json["code"] == 3
    assert "not JSON" in text.json["message"]


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "null",
        "1",
        '"x"',
        '{"resourceMetrics": 1}',
        '{"resourceMetrics": [1]}',
        '{"resourceMetrics": [{"resource": {"attributes": [{"key": 5}]}}]}',
        '{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"sum": {"dataPoints": [{"asInt": "1e400"}]}}]}]}]}',
        "[" * 100_000,
        '{"resourceMetrics": ' * 500 + "1" + "}" * 500,
        '{"resourceMetrics": [{"schemaUrl": "\\ud800"}]}',
    ],
)
def test_json_of_another_shape_is_refused(client, body):
    """A sentence, not a traceback."""
    answer = post(client, body, content_type=JSON)

    assert answer.status_code == 400
    assert "JSON" in answer.json["message"]
    assert len(answer.json["message"]) <= 1000


def test_a_gzip_bomb_is_refused(client):
    """413, and no retry: it would not become smaller."""
    answer = post(client, gzip.compress(bytes(MAX_DECOMPRESSED + 1)), Content_Encoding="gzip")

    assert answer.status_code == 413
    assert b"inflates" in answer.content


def test_a_large_body_is_refused_by_its_length(client):
    """Before it is read."""
    answer = post(client, b"x" * (MAX_COMPRESSED + 1))

    assert answer.status_code == 413


def test_a_store_that_cannot_write_asks_to_come_again(client, store):
    """503 and Retry-After; afterwards the same report is taken."""
    store._writer.execute("PRAGMA max_page_count = 1")
    message = Message(start=T - 5, time=T)
    for i in range(1000):
        message.requests({-27: 1}, route=f"/{i}/")

    answer = post(client, message.encode())

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert requests(store) == 0
    store._writer.execute("PRAGMA max_page_count = 1000000")
    assert post(client, message.encode()).status_code == 200
    assert requests(store) == 1000


def test_spans_are_refused_honestly(client):
    """A partial success that counts them, until there is a store for them."""
    traces = ExportTraceServiceRequest()
    traces.resource_spans.add().scope_spans.add().spans.add(name="a")

    answer = post(client, traces.SerializeToString(), "/v1/traces")
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success

    assert (answer.status_code, partial.rejected_spans, partial.error_message) == (200, 1, "spans are not stored yet")


def test_spans_as_json_are_counted(client):
    """Their ids are hexadecimal, which protobuf's JSON would not take."""
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b17", "name": "x", "kind": 2}
    tree = {"resourceSpans": [{"scopeSpans": [{"spans": [span, span]}]}]}

    answer = post(client, json.dumps(tree), "/v1/traces", JSON)

    assert answer.json["partialSuccess"]["rejectedSpans"] == "2"


def test_an_empty_request_is_fine(client):
    """An exporter may have nothing to say."""
    assert post(client, b"").status_code == 200
    assert post(client, b"{}", content_type=JSON).status_code == 200


def test_reading_is_not_what_these_are_for(client):
    """405 and which methods there are."""
    answer = client.simulate_get("/v1/metrics")

    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.data())
@example(sample().encode(), None)
def test_no_body_breaks_the_collector(client, noise, data):
    """Noise, and good messages with noise in them: always an answer that is 200 or 400."""
    good = sample().encode()
    body = noise
    if data is not None and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(good) - 1))
        body = good[:place] + noise[:3] + good[place + len(noise[:3]) :]

    assert post(client, body).status_code in (200, 400)
    assert post(client, body, content_type=JSON).status_code == 400 or not body.strip()
