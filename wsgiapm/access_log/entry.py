# SPDX-License-Identifier: Apache-2.0
"""One line of an access log, as far as it can be compared with what we count."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One answered request.

    `time` is when the line was written, in epoch seconds, None when the format does not say; `target` the path and query
    as the client sent them, empty when there was no request line worth that name; `size` the bytes of the body, None when
    the format does not say; `upstream` tells whether a proxy asked the app, None when the format does not say.
    """

    time: float | None
    method: str
    target: str
    status: int
    size: int | None
    agent: str | None
    upstream: bool | None
