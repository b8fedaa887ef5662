# SPDX-License-Identifier: Apache-2.0
"""What waits, in this process's own memory, for an index that another process is writing.

Appending is one atomic step, so a signal handler or another thread may do it at any time. Whoever works the backlog off
takes all of it first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

_COMPACT_AT = 1000

KeyT = TypeVar("KeyT", bound=Hashable)
Sums = tuple[int, ...]


class Waiting:
    """Observations of one series: their sums, and how many fell into each cell."""

    __slots__ = ("cells", "sums")

    def __init__(self, width: int) -> None:
        """`width` is the number of sums."""
        self.sums = [0] * width
        self.cells: dict[int, int] = {}

    def add(self, cell: int, sums: Sums, count: int = 1) -> None:
        """Add `count` observations in one cell that sum up to `sums`."""
        self.cells[cell] = self.cells.get(cell, 0) + count
        self.sums = [a + b for a, b in zip(self.sums, sums, strict=True)]


class Backlog(Generic[KeyT]):
    """Observations that wait, by series; its memory is bounded by the number of series, not of observations."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: list[tuple[KeyT, int, Sums]] = []
        self._compacted: list[dict[KeyT, Waiting]] = []

    def __bool__(self) -> bool:
        return bool(self._entries or self._compacted)

    def append(self, key: KeyT, cell: int, sums: Sums) -> None:
        """Keep one observation."""
        self._entries.append((key, cell, sums))
        if len(self._entries) >= _COMPACT_AT:
            self._compacted.append(self.take())

    def put_back(self, key: KeyT, waiting: Waiting) -> None:
        """Keep what could still not be counted."""
        self._compacted.append({key: waiting})

    def _pop_all(self) -> Iterator[tuple[KeyT, int, Sums]]:
        while self._entries:
            try:
                yield self._entries.pop()
            except IndexError:  # noqa: PERF203  # another thread took it
                return

    def take(self) -> dict[KeyT, Waiting]:
        """Return everything that waits and forget it."""
        taken: dict[KeyT, Waiting] = {}
        while self._compacted:
            try:
                earlier = self._compacted.pop()
            except IndexError:
                break
            for key, waiting in earlier.items():
                target = taken.setdefault(key, Waiting(len(waiting.sums)))
                for cell, count in waiting.cells.items():
                    target.add(cell, (0,) * len(waiting.sums), count)
                target.sums = [a + b for a, b in zip(target.sums, waiting.sums, strict=True)]
        for key, cell, sums in self._pop_all():
            taken.setdefault(key, Waiting(len(sums))).add(cell, sums)
        return taken
