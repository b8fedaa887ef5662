# SPDX-License-Identifier: Apache-2.0
"""Observations: what the merged cells say of one histogram, before anybody asks for buckets or zones."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple  # not our own: made by the thousand

from wsgiapm.aggregate.catalogue import Catalogue, Series
from wsgiapm.aggregate.histogram import OVERFLOW, Table
from wsgiapm.aggregate.layout import CHUNK_CELLS, FIRST_CELL
from wsgiapm.aggregate.snapshot import Attributes, HistogramPoint
from wsgiapm.pace import Pace, at_once

_SECOND = 1_000_000_000
_FRUSTRATED = 4


class Observed(NamedTuple):
    """Observations in the cells of one table: their upper bounds, ascending, and how many are in each, perhaps none."""

    apdex_t: int
    uppers: Sequence[int]
    counts: Sequence[int]

    def zones(self) -> tuple[int, int, int]:
        """Return how many were satisfied, tolerating and frustrated, had none of them failed."""
        apdex_t, uppers, counts = self
        satisfied = bisect_right(uppers, apdex_t)
        tolerating = bisect_right(uppers, _FRUSTRATED * apdex_t)
        return sum(counts[:satisfied]), sum(counts[satisfied:tolerating]), sum(counts[tolerating:])


class _Block(NamedTuple):
    """The cells of one octave: where they are, counted from the block's position, and their upper bounds."""

    first: int
    end: int
    uppers: tuple[int, ...]


class MergedCells:
    """The merged cells from chunk 0 on, and how to find those of a series in them."""

    def __init__(self, index: Catalogue, cells: memoryview[int], pace: Pace = at_once) -> None:
        """`index` says what the cells mean."""
        self._tables = [(table.apdex_t, _blocks(table)) for table in index.tables[:]]
        self._values: list[int] = []
        for start in pace(range(0, len(cells), CHUNK_CELLS)):
            self._values += cells[start : start + CHUNK_CELLS].tolist()

    def head(self, series: Series) -> list[int]:
        """Return the cells that precede the histogram of a series, none if they were handed out after the merge."""
        start = series.head - FIRST_CELL
        return self._values[start : start + series.head_cells]

    def observed(self, series: Series) -> list[Observed]:
        """Return what was observed, by the tables in which the series has cells; a table added since is left out."""
        known = len(self._tables)
        return [self._read(number, blocks) for number, blocks in list(series.blocks.items()) if number < known]

    def _read(self, number: int, positions: list[int]) -> Observed:
        apdex_t, blocks = self._tables[number]
        values = self._values
        uppers: list[int] = []
        counts: list[int] = []
        positions = positions[:]  # another thread may be adding to them
        for block, position in zip(compress(blocks, positions), filter(None, positions), strict=True):
            found = values[position + block.first : position + block.end]
            if any(found):
                uppers += block.uppers
                counts += found
        return Observed(apdex_t, uppers, counts)


def _blocks(cell_table: Table) -> list[_Block]:
    uppers = (*cell_table.uppers, OVERFLOW)
    return [
        _Block(first - FIRST_CELL, first + size - FIRST_CELL, uppers[first : first + size])
        for first, size in zip(cell_table.first, cell_table.sizes, strict=True)
    ]


def make_point(attributes: Attributes, total: int, every: list[Observed]) -> HistogramPoint | None:
    """Return the histogram of observations whose sum is `total` nanoseconds; None when there are none."""
    if len(every) == 1:
        _, some, numbers = every[0]
        uppers = tuple(compress(some, numbers))
        counts = tuple(filter(None, numbers))
    else:
        sums: dict[int, int] = defaultdict(int)
        for _, some, numbers in every:
            for upper, number in compress(zip(some, numbers, strict=True), numbers):
                sums[upper] += number
        uppers = tuple(sorted(sums))
        counts = tuple([sums[upper] for upper in uppers])
    return HistogramPoint.from_counts(attributes, total / _SECOND, uppers, counts) if counts else None
