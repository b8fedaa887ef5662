# SPDX-License-Identifier: Apache-2.0
"""GET /api/v1/events: what happened at single moments, the newest first."""

from __future__ import annotations

import json
import math
from typing import Any

from wsgiapm.report.question import Question
from wsgiapm.store.model import NANOSECONDS, Event

DEFAULT_LIMIT = 100
# Source: OpenTelemetry logs data model, "Severity": four numbers to a word.
_SEVERITIES = ("trace", "debug", "info", "warning", "error", "fatal")
_OURS = "wsgiapm."
# Sent as text, because attributes of log records are flat.
_IN_FLIGHT = "wsgiapm.in_flight"


def list_events(question: Question) -> dict[str, Any]:
    """Return the events of the window."""
    limit, window = question.limit(DEFAULT_LIMIT), question.window()
    # As it was asked for and not in whole slots, so that the next page can begin where this one ends.
    start, end = int(window.start), int(window.stop) + 1
    events = [
        event for app in question.apps() for event in question.reader.events(app.id, start=start, end=end, limit=limit)
    ]
    events.sort(key=lambda event: (-event.time_ns, event.id))
    return {"events": [_show(event) for event in events[:limit]]}


def attributes_of(event: Event) -> dict[str, Any]:
    """Return the attributes of an event, the requests in flight as a list."""
    attributes: dict[str, Any] = json.loads(event.attributes)
    try:
        in_flight = json.loads(attributes[_IN_FLIGHT])
    except (KeyError, TypeError, ValueError, RecursionError):
        return attributes
    return {**attributes, _IN_FLIGHT: in_flight} if _is_table(in_flight) else attributes


def _show(event: Event) -> dict[str, Any]:
    place = (event.severity - 1) // 4
    return {
        "id": f"{event.id:016x}",
        "t": round(event.time_ns / NANOSECONDS, 6),
        "kind": _kind(event.name),
        "name": event.name,
        "message": event.message,
        "instance": event.instance,
        "severity": _SEVERITIES[place] if 0 <= place < len(_SEVERITIES) else None,
        "attributes": attributes_of(event),
    }


def _is_table(value: object) -> bool:
    # Anything else stays the text it was: JSON can hold what cannot be answered with, such as 1e999.
    return isinstance(value, list) and all(
        isinstance(row, dict) and all(isinstance(cell, str) or _is_finite(cell) for cell in row.values())
        for row in value
    )


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _kind(name: str) -> str:
    ours = name.removeprefix(_OURS)
    return "other" if ours == name else ours.replace(".", "_")
