# SPDX-License-Identifier: Apache-2.0
"""Why a request, or a part of one, is not taken."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum

from wsgiapm.errors import WsgiapmError

_REASONS_AT_MOST = 5


class Code(IntEnum):
    """The codes of google.rpc.Status that are in use here."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class RefusedError(WsgiapmError):
    """A data point or log record cannot be stored; the message says why."""


class Refusals:
    """Counts what is refused by reason."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()

    def add(self, reason: str, count: int = 1) -> None:
        """Count ``count`` refused points or records."""
        if count:
            self._reasons[reason] += count

    @property
    def count(self) -> int:
        """How many were refused."""
        return sum(self._reasons.values())

    @property
    def reasons(self) -> str:
        """The reasons alone."""
        return "; ".join(sorted(self._reasons))

    @property
    def message(self) -> str:
        """The reasons, the most frequent first."""
        reasons = self._reasons.most_common()
        parts = [f"{count} x {reason}" for reason, count in reasons[:_REASONS_AT_MOST]]
        if len(reasons) > _REASONS_AT_MOST:
            parts.append(f"and {len(reasons) - _REASONS_AT_MOST} further reasons")
        return "; ".join(parts)
