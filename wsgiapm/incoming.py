# SPDX-License-Identifier: Apache-2.0
"""The header `traceparent` of a request, looked for only when somebody asks which trace the request belongs to.

Few requests are asked, and all would pay for a look at their headers (0.9 % of what we add to one). So it is found in the
frame of the middleware, which still waits for the app, in this thread or in another one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

HEADER = "HTTP_TRACEPARENT"

_MIDDLEWARE = "wsgiapm.middleware"


def find(transaction: object) -> object:
    """Return the header as it came with the request of a transaction that runs; None when there is none."""
    for innermost in _stacks():
        frame: FrameType | None = innermost
        while frame is not None:
            if frame.f_globals.get("__name__") == _MIDDLEWARE:
                known = frame.f_locals
                if known.get("transaction") is transaction:
                    return known["environ"].get(HEADER)
            frame = frame.f_back
    return None


def _stacks() -> Iterator[FrameType | None]:
    yield sys._getframe(1)  # noqa: SLF001
    yield from sys._current_frames().values()  # noqa: SLF001
