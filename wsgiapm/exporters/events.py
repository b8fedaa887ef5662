# SPDX-License-Identifier: Apache-2.0
"""Events of the journals to an OTLP ExportLogsServiceRequest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from wsgiapm import otlp
from wsgiapm.aggregate.journal import Event
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.exporters.otlp import SCOPE
from wsgiapm.otlp.logs import WARN
from wsgiapm.version import VERSION


def encode_events(resource: Attributes, events: Sequence[Event]) -> bytes:
    """Return the protobuf body of a POST to /v1/logs; an event whose payload cannot be read is left out."""
    return otlp.logs_request(resource, SCOPE, VERSION, _records(events))


def _records(events: Sequence[Event]) -> Iterator[bytes]:
    for event in events:
        try:
            content = json.loads(event.payload)
            name, body, attributes = content["event"], content["body"], content["attributes"]
        except (ValueError, KeyError, TypeError):  # written by another version
            continue
        pairs = sorted((str(key), value) for key, value in attributes.items() if isinstance(value, str | int))
        yield otlp.log_record(event.time, WARN, str(body), str(name), pairs)
