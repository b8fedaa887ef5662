# SPDX-License-Identifier: Apache-2.0
"""The rows of a segment that no request in flight has, and the slow way to one when none is at hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from wsgiapm.aggregate.in_flight import positions
from wsgiapm.aggregate.instance import Instance

# Transactions that wait for the index keep their rows as long as at least so many are free for those that run.
_KEPT_FREE = 16


def _do_nothing() -> None:
    pass


class FreeRows:
    """Rows are taken from `at_hand` and given back to `freed`; each is one step. As a rule both are the same list."""

    def __init__(self, instance: Instance) -> None:
        """All rows of the segment of `instance` are free."""
        self._instance = instance
        self._step: Callable[[], None] = _do_nothing
        self.at_hand = list(positions(instance.segment.rows))
        self.freed = self.at_hand

    def look_after(self, step: Callable[[], None]) -> None:
        """Have `step` called once in some requests, on the thread of one: for processes without a thread of ours.

        It costs the other requests nothing: it is when the rows at hand have been used up. `freed` is another list then,
        and `find` exchanges them.
        """
        self._step = step
        freed: list[int] = []
        with suppress(IndexError):  # other threads may be taking rows
            while True:
                freed.append(self.at_hand.pop())
        self.freed = freed

    def find(self) -> int:
        """Return a free row when there is none at hand; 0 when there is none at all."""
        if self.freed is not self.at_hand:
            self._step()
            # Two threads may do so at once; it does not matter which list is which.
            self.at_hand, self.freed = self.freed, self.at_hand
        if not self.at_hand and not self.freed:
            self.add()
        for rows in (self.at_hand, self.freed):
            with suppress(IndexError):
                return rows.pop()
        return 0

    def suffice(self) -> bool:
        """Tell whether so many are free, or can be had, that one may be kept for who waits."""
        return len(self.at_hand) >= _KEPT_FREE or len(self.freed) >= _KEPT_FREE or self.add()

    def add(self) -> bool:
        """Make room for more requests in flight than a worker has as a rule; return whether there is some."""
        added = self._instance.add_rows()
        self.at_hand.extend(added)
        return bool(added)
