# SPDX-License-Identifier: Apache-2.0
"""Waiting a moment for another process that is writing the index or takes room; never in a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from wsgiapm import native
from wsgiapm.aggregate.budget import BusyError

# A fifth of a second in all.
_ATTEMPTS = 40
_PAUSE = 0.005
_Result = TypeVar("_Result")


def patiently(step: Callable[[], _Result]) -> _Result:
    """Return what `step` returns, trying again as long as it raises `BusyError`; raises that in the end."""
    for _ in range(_ATTEMPTS):
        try:
            return step()
        except BusyError:  # noqa: PERF203
            native.sleep(_PAUSE)
    return step()
