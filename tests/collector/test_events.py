# SPDX-License-Identifier: Apache-2.0
"""Log records that are events are kept, each once; others are refused."""

from __future__ import annotations

import gzip
import json

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from tests.collector.messages import LogMessage
from wsgiapm.aggregate.journal import Event as JournalEvent
from wsgiapm.exporters.events import encode_events

T = 1_800_000_000
PROTOBUF, JSON = "application/x-protobuf", "application/json"
RESOURCE = (("service.instance.id", "uid"), ("service.name", "shop"))


def post(client, body, content_type=PROTOBUF, **headers):
    """Post log records; return the status and what was refused, as JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.simulate_post("/v1/logs", body=body, headers={"Content-Type": content_type, **named})
    if content_type == JSON:
        return answer.status_code, answer.json.get("partialSuccess", {})
    refused = ExportLogsServiceResponse.FromString(answer.content).partial_success
    return answer.status_code, json_format.MessageToDict(refused)


def events(store, app=1):
    """Return the events of an app, newest first."""
    with store.reading() as reader:
        return reader.events(app, start=0, end=1 << 33, limit=1000)


def test_what_the_agent_sends_is_kept(client, store):
    """Protobuf, its event name in the record's own field."""
    payload = {
        "event": "wsgiapm.worker.died",
        "body": "worker 1 died",
        "attributes": {"worker": 1, "code.file.path": "é"},
    }
    body = encode_events(RESOURCE, [JournalEvent(1, (T - 3) * 10**9, json.dumps(payload).encode())])

    assert post(client, gzip.compress(body), Content_Encoding="gzip") == (200, {})

    (event,) = events(store)
    assert event[1:] == (
        (T - 3) * 10**9,
        "wsgiapm.worker.died",
        13,
        "worker 1 died",
        "uid",
        '{"code.file.path":"é","worker":1}',
    )
    with store.reading() as reader:
        assert [(app.name, app.last_seen) for app in reader.apps()] == [("shop", T)]


def test_json_and_the_older_attribute_are_taken(client, store):
    """What other SDKs send: JSON, hexadecimal ids, the name as an attribute, a body that is no text."""
    message = LogMessage().record("", event__name="disk.full", path="/var", free=0.5, ok=False)
    tree = json.loads(json_format.MessageToJson(message.request))
    record = tree["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]
    record["traceId"] = "5b8efff798038103d269b633813fc60c"
    record["body"] = {
        "kvlistValue": {"values": [{"key": "a", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}}]}
    }

    assert post(client, json.dumps(tree), JSON) == (200, {})

    (event,) = events(store)
    assert (event.name, event.message) == ("disk.full", '{"a":[1]}')
    assert json.loads(event.attributes) == {"event.name": "disk.full", "path": "/var", "free": 0.5, "ok": False}


def test_other_log_records_are_refused_honestly(client, store):
    """Counted, with the reason; the event among them is kept."""
    message = LogMessage().record("a.b").record("").record("")

    status, refused = post(client, message.encode())

    assert status == 200
    assert refused == {
        "rejectedLogRecords": "2",
        "errorMessage": "2 x log records that are no events are not stored yet",
    }
    assert [event.name for event in events(store)] == ["a.b"]


def test_an_event_that_comes_twice_is_kept_once(client, store):
    """The sender may have died before it noted the delivery: also together with others, and in JSON."""
    message = LogMessage().record("a", body="x", k=1)
    post(client, message.encode())
    message.record("a", body="x", k=1).record("b")

    assert post(client, message.encode()) == (200, {})
    assert post(client, json_format.MessageToJson(message.request), JSON) == (200, {})

    assert sorted(event.name for event in events(store)) == ["a", "b"]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "b"},
        {"time": T - 1.000001},
        {"body": "y"},
        {"k": 2},
        {"k": "1"},
        {"uid": "two"},
    ],
    ids=str,
)
def test_what_differs_in_anything_is_another_event(client, store, other):
    """Name, time, body, an attribute or its type, the instance."""
    first = {"name": "a", "time": T - 1, "body": "x", "k": 1, "uid": "one"}
    for values in (first, first | other):
        record = dict(values)
        message = LogMessage(uid=record.pop("uid"))
        assert post(client, message.record(record.pop("name"), **record).encode()) == (200, {})

    assert len(events(store)) == 2


def test_environments_are_told_apart(client, store):
    """As those of metrics are."""
    post(client, LogMessage(environment="prod").record("a").encode())
    post(client, LogMessage(environment="test").record("a").encode())

    ids = [event.id for app in (1, 2) for event in events(store, app)]
    assert len(set(ids)) == 2


def test_a_time_ahead_of_ours_is_now(client, store):
    """It would not be seen otherwise; and delivered later it is still the same event."""
    message = LogMessage().record("a", time=T + 3600)

    post(client, message.encode())
    post(client, message.encode())

    assert [event.time_ns for event in events(store)] == [T * 10**9]


def test_the_time_of_observation_stands_in(client, store):
    """Who only collects from others may know no better."""
    message = LogMessage().record("a", time=0)
    message.records[0].observed_time_unix_nano = (T - 7) * 10**9

    assert post(client, message.encode()) == (200, {})

    assert [event.time_ns for event in events(store)] == [(T - 7) * 10**9]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"name": "a", "time": 0}, "no time"),
        ({"name": "a", "time": 1.5e10}, "impossible"),
        ({"name": "a" * 256}, "255 characters"),
        ({"name": "a", "body": "x" * 131_073}, "131072 characters"),
    ],
    ids=["no time", "far future", "long name", "long body"],
)
def test_what_cannot_be_kept_is_refused(client, store, record, reason):
    """With the reason, and without harm to the others."""
    message = LogMessage().record(record.pop("name"), **record).record("good")

    status, refused = post(client, message.encode())

    assert (status, refused["rejectedLogRecords"]) == (200, "1")
    assert reason in refused["errorMessage"]
    assert [event.name for event in events(store)] == ["good"]


def test_an_event_of_nobody_is_refused(client):
    """Two processes that died alike at one time would be taken for one."""
    status, refused = post(client, LogMessage(uid="").record("a").record("").encode())

    assert (status, refused["rejectedLogRecords"]) == (200, "2")
    assert "service.instance.id" in refused["errorMessage"]


def test_numbers_that_json_has_not_become_text(client, store):
    """Not-a-number and the infinities."""
    post(client, LogMessage().record("a", x=float("nan"), y=float("-inf")).encode())

    (event,) = events(store)
    assert json.loads(event.attributes) == {"x": "nan", "y": "-inf"}


def test_a_store_that_cannot_write_asks_to_come_again(client, store):
    """503; nothing is kept, nothing is lost."""
    store._writer.execute("PRAGMA max_page_count = 1")
    message = LogMessage().record("a", body="x" * 100_000)

    assert (
        client.simulate_post("/v1/logs", body=message.encode(), headers={"Content-Type": PROTOBUF}).status_code == 503
    )
    store._writer.execute("PRAGMA max_page_count = 1000000")
    assert post(client, message.encode()) == (200, {})

    assert len(events(store)) == 1
