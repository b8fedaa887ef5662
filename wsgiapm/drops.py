# SPDX-License-Identifier: Apache-2.0
"""What is told of calls that could not be counted under their own name: how many, why, and examples."""

from __future__ import annotations

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.instance import Instance

# Of the few examples the index keeps, most are of requests.
_EXAMPLES_AT_MOST = 4
_LONGEST = 120
# As many as take no memory worth mentioning; of what comes beyond while the index is busy nothing is told.
_WAITING_AT_MOST = 100_000


class Drops:
    """Counts `wsgiapm.dropped` for one sort of items; what the index is too busy for is counted later."""

    def __init__(self, instance: Instance, what: str) -> None:
        """`what` is the attribute of that name."""
        self._instance = instance
        self._what = what
        self._positions: dict[str, int] = {}
        self._waiting: list[str] = []

    def note(self, reason: str, name: str) -> None:
        """Count one item, with its name as an example."""
        if len(self._waiting) < _WAITING_AT_MOST:
            self._waiting.append(reason)
        self.work_off()
        index = self._instance.index
        kept = [why for why, _ in index.examples if why.startswith(self._what)]
        if len(kept) < _EXAMPLES_AT_MOST:
            index.add_example(f"{self._what}: {reason}", name[:_LONGEST])

    def work_off(self) -> None:
        """Count what had to wait for the index, as far as it is free now."""
        waiting = self._waiting
        for _ in range(len(waiting)):
            try:
                reason = waiting.pop()
            except IndexError:  # another thread took the last
                return
            position = self._positions.get(reason) or self._find(reason)
            if position is None:
                waiting.append(reason)
                return
            if position:
                self._instance.cells[position] += 1

    def _find(self, reason: str) -> int | None:
        """Return where items are counted; None when the index is busy, 0 when there is no room."""
        try:
            series = self._instance.series(schema.DROPPED, (("reason", reason), ("what", self._what)))
        except (IndexFullError, OSError):
            return 0
        if series is None:
            return None
        self._positions[reason] = series.head
        return series.head
