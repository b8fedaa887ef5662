# SPDX-License-Identifier: Apache-2.0
"""Routes for apps without a framework that tells them: the first segments of the path, with ids folded.

`/orders/1234/lines/7` becomes `/orders/*`: two segments are kept, and a segment that looks like an id (digits, hex,
UUIDs, very long ones) is written `*`.
"""

from __future__ import annotations

import re

_KEPT = 2
_LONGEST_WORD = 32
_SHOWN, _LONGEST_SHOWN = 8, 100
# Digits anywhere up to a suffix (123, 123.json), hex of eight and more with a digit in it, UUIDs.
_ID = re.compile(r"\d+([.,_-].*)?|(?=[0-9a-f-]*\d)[0-9a-f-]{8,}|[0-9a-f]{16,}", re.IGNORECASE)


def _fold_segment(segment: str) -> str:
    if len(segment) > _LONGEST_WORD or _ID.fullmatch(segment):
        return "*"
    return segment


def shorten(name: str) -> str:
    """Return a route fit to be shown as an example: no query, ids folded, of bounded length."""
    segments = name.partition("?")[0].split("/")[:_SHOWN]
    return "/".join(_fold_segment(segment) for segment in segments)[:_LONGEST_SHOWN]


def decode_path(path: str) -> str:
    """Return a WSGI path (bytes decoded as latin-1, see PEP 3333) as the text it stands for."""
    if path.isascii():
        return path
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def fold(path: str) -> str:
    """Return the route of a path as it stands in the environ: SCRIPT_NAME and PATH_INFO together."""
    segments = decode_path(path).split("/", _KEPT + 1)[1 : _KEPT + 1]
    return "/" + "/".join(_fold_segment(segment) for segment in segments)
