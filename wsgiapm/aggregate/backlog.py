# SPDX-License-Identifier: Apache-2.0
"""What waits, in this process's own memory, for an index that another process is writing.

Appending is one atomic step, so a signal handler or another thread may do it at any time. Whoever works the backlog off
takes all of it first.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

_COMPACT_AT = 1000

KeyT = TypeVar("KeyT", bound=Hashable)
_T = TypeVar("_T")
Sums = tuple[int, ...]


class Waiting:
    """Observations of one series: their sums, how many fell into each cell, and the rows they still stand in."""

    __slots__ = ("cells", "rows", "sums")

    def __init__(self, width: int) -> None:
        """`width` is the number of sums."""
        self.sums: Sums = (0,) * width
        self.cells: dict[int, int] = {}
        self.rows: list[int] = []

    @property
    def count(self) -> int:
        """How many they are."""
        return sum(self.cells.values())

    def add(self, cells: Mapping[int, int], sums: Sums, rows: Iterable[int]) -> None:
        """Add observations in some cells that sum up to `sums`."""
        for cell, count in cells.items():
            self.cells[cell] = self.cells.get(cell, 0) + count
        self.sums = tuple(a + b for a, b in zip(self.sums, sums, strict=True))
        self.rows += rows


class Backlog(Generic[KeyT]):
    """Observations that wait, by series; its memory is bounded by the number of series, not of observations."""

    def __init__(self) -> None:
        """Begin empty."""
        self._entries: list[tuple[KeyT, int, Sums, int]] = []
        self._compacted: list[dict[KeyT, Waiting]] = []

    def __len__(self) -> int:
        """Return about how many things are kept: series, and observations not yet put together by series."""
        return len(self._entries) + sum(map(len, self._compacted[:]))

    def append(self, key: KeyT, cell: int, sums: Sums, row: int = 0) -> None:
        """Keep one observation; `row` is where it stands in the segment meanwhile, 0 for nowhere."""
        self._entries.append((key, cell, sums, row))
        if len(self._entries) >= _COMPACT_AT:
            self.put_back(self.take())

    def put_back(self, waiting: dict[KeyT, Waiting]) -> None:
        """Keep what could still not be counted."""
        if waiting:
            self._compacted.append(waiting)

    def take(self) -> dict[KeyT, Waiting]:
        """Return everything that waits and forget it."""
        taken: dict[KeyT, Waiting] = {}
        for earlier in _pop_all(self._compacted):
            for key, waiting in earlier.items():
                taken.setdefault(key, Waiting(len(waiting.sums))).add(waiting.cells, waiting.sums, waiting.rows)
        for key, cell, sums, row in _pop_all(self._entries):
            taken.setdefault(key, Waiting(len(sums))).add({cell: 1}, sums, (row,) if row else ())
        return taken


def _pop_all(kept: list[_T]) -> Iterator[_T]:
    while kept:
        try:
            yield kept.pop()
        except IndexError:  # noqa: PERF203  # another thread took it
            return
