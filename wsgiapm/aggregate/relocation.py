# SPDX-License-Identifier: Apache-2.0
"""Relocation: moving what a process has counted to another segment while its threads go on counting."""

from __future__ import annotations

from wsgiapm import native
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.segment import Segment

# Long enough for every thread that has the old cells in its hands to be through with them.
_GRACE = 0.05
_STRIDE = 512


def move_cells(instance: Instance, segment: Segment) -> None:
    """Have a process count in another segment, empty and ours, with all it has counted so far."""
    old, new = instance.cells, segment.cells
    copied = _copy(old)
    start = layout.segment_start(instance.header.epoch, segment.number)
    moved = memoryview(start + copied[len(start) :]).cast(new.format)  # type: ignore[call-overload]  # the number may be another one now
    for part in reversed(
        allocated_parts(old)
    ):  # the header last: without its cells it would mean that much was left running
        new[part] = moved[part]
    instance.segment, abandoned = segment, instance.segment
    old[layout.MOVED] = 1  # so that nobody who has the file open takes it for what a dead process left
    instance.moved()
    native.sleep(_GRACE)
    _add_stragglers(old, memoryview(copied).cast("Q"), new)
    abandoned.close()


def allocated_parts(cells: memoryview[int]) -> tuple[slice, slice]:
    """Return what of a segment is allocated: nobody may look into the hole where rows are missing."""
    rows = layout.usable_rows(cells[layout.ROWS_ALLOCATED])
    return slice(layout.FIRST_ROW + rows * layout.ROW_WORDS), slice(layout.FIRST_CELL, len(cells))


def _copy(cells: memoryview[int]) -> bytes:
    first, rest = allocated_parts(cells)
    copied = cells[first].tobytes()
    return copied.ljust(layout.CELLS_OFFSET, b"\0") + cells[rest].tobytes()


def _add_stragglers(old: memoryview[int], copied: memoryview[int], new: memoryview[int]) -> None:
    """Carry over what threads still counted in the old cells after they had been copied."""
    now = memoryview(_copy(old)).cast("Q")
    rows = range(layout.FIRST_ROW, layout.FIRST_CELL)
    for start in range(0, len(now), _STRIDE):
        end = min(start + _STRIDE, len(now))
        if now[start:end] == copied[start:end]:
            continue
        for word in range(start, end):
            if now[word] == copied[word] or word == layout.MOVED:
                continue
            if word not in rows:
                new[word] += now[word] - copied[word]
            elif not now[word] and new[word] == copied[word]:
                new[word] = 0  # the row of a request that ended meanwhile
