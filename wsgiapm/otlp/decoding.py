# SPDX-License-Identifier: Apache-2.0
"""Reads the messages we send, field by field, for people to see. A field it has no name for is shown as it is.

Source: opentelemetry-proto (field numbers), as the modules that write them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import iter_unpack
from typing import Any

from wsgiapm.otlp.answers import fields

Decoded = list[tuple[str, Any]]
"""The fields of a message in the order in which they are sent: names, and values or messages again."""

Reader = Callable[[Any], Any]


class Message:
    """What is known of a kind of message: names and readers of its fields, by their numbers."""

    def __init__(self, known: Mapping[int, tuple[str, Reader]]) -> None:
        self._known = known

    def __call__(self, data: bytes) -> Decoded:
        """Decode one; raises ValueError when it is none."""
        return [self._field(number, value) for number, value in fields(data)]

    def _field(self, number: int, value: int | bytes) -> tuple[str, Any]:
        name, read = self._known.get(
            number, (f"field {number}", lambda raw: raw.hex() if isinstance(raw, bytes) else raw)
        )
        return name, read(value)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _zigzag(value: int) -> int:
    return value >> 1 ^ -(value & 1)


def _unpacked(form: str) -> Reader:
    return lambda data: [value for (value,) in iter_unpack(form, data)]


def _single(form: str) -> Reader:
    read = _unpacked(form)
    return lambda data: read(data)[0]


def _packed_varints(data: bytes) -> list[int]:
    found, value, shift = [], 0, 0
    for group in data:
        value |= (group & 0x7F) << shift
        shift += 7
        if group < 0x80:
            found.append(value)
            value = shift = 0
    return found


_fixed, _double = _single("<Q"), _single("<d")
_VALUE = Message({1: ("text", _text), 2: ("flag", bool), 3: ("integer", _signed), 4: ("number", _double)})


def _any(data: bytes) -> Any:
    return next((value for _, value in _VALUE(data)), "")


def _attribute(data: bytes) -> tuple[str, Any]:
    found = dict(Message({1: ("key", _text), 2: ("value", _any)})(data))
    return found.get("key", ""), found.get("value", "")


_TIMES = {2: ("start", _fixed), 3: ("time", _fixed)}
_NUMBER = Message({**_TIMES, 4: ("value", _double), 6: ("value", _single("<q")), 7: ("attribute", _attribute)})
_HISTOGRAM = Message(
    {
        **_TIMES,
        4: ("count", _fixed),
        5: ("sum", _double),
        6: ("counts", _unpacked("<Q")),
        7: ("bounds", _unpacked("<d")),
        9: ("attribute", _attribute),
    }
)
_EXPONENTIAL = Message(
    {
        **_TIMES,
        1: ("attribute", _attribute),
        4: ("count", _fixed),
        5: ("sum", _double),
        6: ("scale", _zigzag),
        7: ("zero_count", _fixed),
        8: ("positive", Message({1: ("offset", _zigzag), 2: ("counts", _packed_varints)})),
        14: ("zero_threshold", _double),
    }
)


def _points(kind: Message) -> Message:
    return Message({1: ("point", kind), 2: ("temporality", int), 3: ("monotonic", bool)})


_METRIC = Message(
    {
        1: ("name", _text),
        2: ("description", _text),
        3: ("unit", _text),
        5: ("gauge", _points(_NUMBER)),
        7: ("sum", _points(_NUMBER)),
        9: ("histogram", _points(_HISTOGRAM)),
        10: ("exponential histogram", _points(_EXPONENTIAL)),
    }
)
_RECORD = Message(
    {
        1: ("time", _fixed),
        2: ("severity", int),
        5: ("body", _any),
        6: ("attribute", _attribute),
        11: ("observed", _fixed),
        12: ("event", _text),
    }
)


def _request(record: str, kind: Message) -> Message:
    scope = Message({1: ("name", _text), 2: ("version", _text)})
    scoped = Message({1: ("scope", scope), 2: (record, kind), 3: ("schema", _text)})
    resource = Message({1: ("attribute", _attribute)})
    return Message({1: ("sender", Message({1: ("resource", resource), 2: ("scoped", scoped), 3: ("schema", _text)}))})


METRICS = _request("metric", _METRIC)
"""Reads an ExportMetricsServiceRequest."""
LOGS = _request("record", _RECORD)
"""Reads an ExportLogsServiceRequest."""
