# SPDX-License-Identifier: Apache-2.0
"""Quotas: how many series of one sort there may be, so that no sort takes room away from another.

Requests have theirs (`max_series`). Calls of databases, whose statements nobody can number beforehand, have another, and
take room only as long as half of all that there is would be left to the requests.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wsgiapm import clock
from wsgiapm.aggregate.budget import DEFAULT_BUDGET
from wsgiapm.aggregate.index import Index
from wsgiapm.aggregate.instance import Instance

MAX_SERIES: Final = "max_series"
BUDGET: Final = "budget"
# So long (nanoseconds) nobody looks again whether there is room: that takes a listing of the directory.
_LOOKED_FOR = 10_000_000_000
# The part of the budget that the names of such series may take.
_SHARE = 32


class SeriesCount:
    """How many series of the index are of some metrics."""

    def __init__(self, index: Index, belongs: Callable[[str], bool]) -> None:
        """`belongs(metric)` tells which."""
        self._index = index
        self._belongs = belongs
        self._state = (0, 0)

    def count(self) -> int:
        """Return how many there are now."""
        seen, found = self._state
        series = self._index.series
        if seen < len(series):
            new = series[seen:]
            # Both at once: threads that count at the same time come to the same.
            self._state = seen + len(new), found + sum(self._belongs(each.metric) for each in new)
        return self._state[1]


class Quota:
    """What the series of some metrics may take."""

    def __init__(self, instance: Instance, belongs: Callable[[str], bool], most: int) -> None:
        """`most` is the number of series of all of them together."""
        self._instance = instance
        self._count = SeriesCount(instance.index, belongs)
        self._most = most
        self._has_room = True
        self._look_at = 0

    def refuse(self, *, new: bool) -> str:
        """Return why no more cells may be taken, nothing when they may; `new` for those of a new series.

        Raises OSError when nobody can tell.
        """
        if new and self._count.count() >= self._most:
            return MAX_SERIES
        return "" if self._leaves_room(new=new) else BUDGET

    def _leaves_room(self, *, new: bool) -> bool:
        budget, index = self._instance.budget, self._instance.index
        limit = DEFAULT_BUDGET if budget is None else budget.limit
        if new and index.offset > limit // _SHARE:
            return False
        now = clock.monotonic_ns()
        if now >= self._look_at:
            self._has_room = index.may_double()
            self._look_at = now + _LOOKED_FOR
        return self._has_room
