# SPDX-License-Identifier: Apache-2.0
"""The header `traceparent`, by which the parts of one trace know each other (W3C Trace Context, level 1); pure."""

from __future__ import annotations

import re

from wsgiapm.named_tuple import NamedTuple

SAMPLED = "01"
"""The flags of a trace that begins here: with any others, whoever is called would not keep what it has kept before."""

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})(-.*)?", re.ASCII)
_NO_TRACE, _NO_PARENT = "0" * 32, "0" * 16
_PARENT = slice(36, 52)
_UNKNOWN_VERSION = "ff"


class Trace(NamedTuple):
    """A trace that somebody else has begun: 32 hexadecimal digits, and its flags, two."""

    trace_id: str
    flags: str


def read(header: object) -> Trace | None:
    """Return the trace a header tells of; None when it is not as it should be."""
    text = header.strip(" \t") if isinstance(header, str) else ""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    version, trace_id, flags, more = found.groups()
    if version == _UNKNOWN_VERSION or trace_id == _NO_TRACE or text[_PARENT] == _NO_PARENT:
        return None
    if version == "00":
        return None if more else Trace(trace_id, flags)
    return Trace(trace_id, f"{int(flags, 16) & 1:02x}")  # the only flag that later versions must mean the same by


def write(trace: Trace, span_id: str) -> str:
    """Return the header for a call whose span is `span_id`, 16 hexadecimal digits."""
    return f"00-{trace.trace_id}-{span_id}-{trace.flags}"
