# SPDX-License-Identifier: Apache-2.0
"""Keeps the events of an OTLP logs request; log records that are none are counted with the reason.

A sender that does not know whether an event arrived sends it again, so an event is known by what it says.
Source: OpenTelemetry logs data model, "Events": a log record with an event name.
"""

from __future__ import annotations

import json
import math
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from wsgiapm.collector.identity import LONGEST_NAME, Identity, admit, identify
from wsgiapm.collector.notes import is_note, read_note
from wsgiapm.collector.refusal import Refusals, RefusedError
from wsgiapm.store.model import NANOSECONDS, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

    from wsgiapm.store.protocol import Store

# The stacks of all threads of a worker that died are in it.
_LONGEST = 128 * 1024
_LATEST = 1 << 63
# How the event's name was sent before log records had a field for it.
_NAME = "event.name"


def keep_events(store: Store, request: ExportLogsServiceRequest, now_ns: int) -> Refusals:
    """Keep the events of a logs request, as `ingest.ingest` books a metrics request; records that are none are refused."""
    refusals = Refusals()
    reports = list(_read_reports(request, refusals, now_ns))
    if reports:
        with store.writing() as writer:
            for identity, events in reports:
                app, _ = admit(writer, identity, now_ns // NANOSECONDS, refusals, len(events))
                if app is not None:
                    writer.add_events(app, [event for event in events if not is_note(event)])
                    writer.add_notes(app, map(read_note, filter(is_note, events)))
    return refusals


def _read_reports(
    request: ExportLogsServiceRequest, refusals: Refusals, now_ns: int
) -> Iterator[tuple[Identity, list[Event]]]:
    for resource_logs in request.resource_logs:
        records = [record for scope in resource_logs.scope_logs for record in scope.log_records]
        try:
            identity = identify(resource_logs.resource)
        except RefusedError as refusal:
            refusals.add(str(refusal), len(records))
            continue
        if events := list(_events(identity, records, refusals, now_ns)):
            yield identity, events


def _events(identity: Identity, records: Iterable[LogRecord], refusals: Refusals, now_ns: int) -> Iterator[Event]:
    for record in records:
        name = record.event_name or next((a.value.string_value for a in record.attributes if a.key == _NAME), "")
        if not name:
            refusals.add("log records that are no events are not stored yet")
            continue
        try:
            event = _event(identity, name, record, now_ns)
            if is_note(event):
                read_note(event)  # refused here, or never
            yield event
        except RefusedError as refusal:
            refusals.add(str(refusal))


def _event(identity: Identity, name: str, record: LogRecord, now_ns: int) -> Event:
    time_ns = record.time_unix_nano or record.observed_time_unix_nano
    if not time_ns or time_ns >= _LATEST:
        msg = "an event has no time, or an impossible one"
        raise RefusedError(msg)
    if len(name) > LONGEST_NAME:
        msg = f"an event's name is longer than {LONGEST_NAME} characters"
        raise RefusedError(msg)
    body = _plain(record.body)
    message = body if isinstance(body, str) else "" if body is None else _as_json(body)
    attributes = _as_json({pair.key: _plain(pair.value) for pair in record.attributes})
    if len(message) + len(attributes) > _LONGEST:
        msg = f"an event's body and attributes take more than {_LONGEST} characters"
        raise RefusedError(msg)
    key = _key(*identity[:3], time_ns, name, message, attributes)
    # A clock ahead of ours must not put an event where no window looks; its identity is as it was sent.
    return Event(key, min(time_ns, now_ns), name, record.severity_number, message, identity.uid, attributes)


def _key(*identity: str | int) -> int:
    """Return 63 bits of a hash of everything that makes an event this one."""
    return int.from_bytes(blake2b(_as_json(identity).encode(), digest_size=8).digest(), "big") >> 1


def _plain(value: AnyValue) -> Any:
    form = value.WhichOneof("value")
    if form == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if form == "kvlist_value":
        return {pair.key: _plain(pair.value) for pair in value.kvlist_value.values}
    if form == "double_value" and not math.isfinite(value.double_value):
        return repr(value.double_value)  # JSON has no such number
    return None if form is None or form == "bytes_value" else getattr(value, form)


def _as_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
