# SPDX-License-Identifier: Apache-2.0
"""Accounts: which cell of a segment something is counted in, with the cells it needs handed out and mapped.

What has no room is counted in cells that were reserved in the beginning.
"""

from __future__ import annotations

from bisect import bisect_left
from contextlib import suppress

from wsgiapm import clock
from wsgiapm.aggregate.adoption import Aborted, Ended
from wsgiapm.aggregate.budget import BusyError
from wsgiapm.aggregate.catalogue import Series
from wsgiapm.aggregate.histogram import BLOCKS, Table
from wsgiapm.aggregate.in_flight import positions
from wsgiapm.aggregate.index import REFUSED_FOR, Index, IndexFullError
from wsgiapm.aggregate.layout import CHUNK_CELLS, FIRST_CELL, ROWS
from wsgiapm.aggregate.schema import (
    ABORTED_REQUESTS,
    DROPPED,
    METRICS,
    OTHER,
    OTHER_ERRORS,
    OTHER_REQUESTS,
    OUTCOMES,
    REQUEST_DURATION,
    TASK_DURATION,
    UNKNOWN,
    aborted_attributes,
    task_attributes,
)
from wsgiapm.aggregate.segment import Segment
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.aggregate.turn import Turn


class Accounts:
    """Finds the cells of one segment."""

    def __init__(self, index: Index, segment: Segment) -> None:
        """`index` says which cells there are, `segment` is where they are counted in."""
        self.index = index
        self.segment = segment
        self.table_number = 0
        self.table: Table
        self.dropped: dict[str, int] = {}
        self._refused_until = 0
        self._tasks_reserved = False
        self._turn = Turn()

    @property
    def cells(self) -> memoryview[int]:
        """Return the words of our segment as it is mapped now."""
        return self.segment.cells

    def use_table(self, number: int) -> None:
        """Count durations in the cells of this table."""
        self.table_number = number
        self.table = self.index.tables[number]

    def reserve(self) -> None:
        """Make sure that what does not fit any more can be counted, and that it did not fit.

        Raises `BusyError` when the index is being written, `IndexFullError` or OSError when there is no room even for that.
        """
        if self.index.add_name(UNKNOWN) is None:
            raise BusyError
        for attributes in (OTHER_REQUESTS, OTHER_ERRORS):
            self._require_whole(REQUEST_DURATION, attributes)
        for reason in ("killed", "timeout"):
            self._require(ABORTED_REQUESTS, aborted_attributes(UNKNOWN, reason))
        for reason in ("max_series", "budget", "busy"):
            series = self._require(DROPPED, (("reason", reason), ("what", "series")))
            self.dropped[reason] = series.head

    def reserve_tasks(self) -> None:
        """Make sure of the same for background tasks, in a process that runs some; what is refused is none the worse."""
        if self._tasks_reserved:
            return
        with suppress(BusyError, IndexFullError, OSError):
            for outcome in OUTCOMES:
                self._require_whole(TASK_DURATION, task_attributes(OTHER, outcome))
            self._tasks_reserved = True

    def other(self, metric: str, attributes: Attributes) -> Series:
        """Return the series that was reserved for what does not fit; a task's is a request's where there was no room."""
        by_key = self.index.by_key
        return by_key.get((metric, attributes)) or by_key[REQUEST_DURATION, OTHER_REQUESTS]

    def _require_whole(self, metric: str, attributes: Attributes) -> None:
        series = self._require(metric, attributes)
        for octave in range(BLOCKS):
            if not self.add_block(series, octave):
                raise BusyError

    def _require(self, metric: str, attributes: Attributes) -> Series:
        series = self.series(metric, attributes)
        if series is None:
            raise BusyError
        return series

    def cover(self, end: int) -> bool:
        """Make sure that the words of our segment up to `end` can be used; False when it is to be tried again.

        Raises `IndexFullError` or OSError when there is no room.
        """
        if end <= len(self.segment.cells):
            return True
        if clock.monotonic_ns() < self._refused_until:
            raise IndexFullError
        needed = -((FIRST_CELL - end) // CHUNK_CELLS)
        try:
            self._grow(needed)
        except BusyError:
            return False
        except OSError:
            self._refused_until = clock.monotonic_ns() + REFUSED_FOR
            raise
        return True

    def _grow(self, needed: int) -> None:
        known = len(self.index.chunks)
        if known > needed:
            try:
                self.segment.cover(known)  # at once, for each step is a mapping
            except OSError:
                self.segment.cover(needed)
        else:
            self.segment.cover(needed)

    def add_rows(self) -> range:
        """Make room for more requests in flight; return where it is, nothing when there is none."""
        with self._turn.taken() as ours:
            known = self.segment.rows
            if not ours or known == ROWS or clock.monotonic_ns() < self._refused_until:
                return range(0)
            try:
                self.segment.add_rows()
            except BusyError:
                return range(0)
            except OSError:
                self._refused_until = clock.monotonic_ns() + REFUSED_FOR
                return range(0)
            return positions(ROWS)[known:]

    def series(self, metric: str, attributes: Attributes) -> Series | None:
        """Return the series, adding it; None when it is to be tried again.

        Raises `IndexFullError` or OSError when there is no room.
        """
        definition = METRICS[metric]
        series = self.index.add_series((metric, attributes), definition.kind, definition.head)
        return series if series is not None and self.cover(series.head + series.head_cells) else None

    def add_block(self, series: Series, octave: int) -> bool:
        """Make sure that a histogram has the cells of an octave; False when it is to be tried again.

        Raises `IndexFullError` or OSError when there is no room.
        """
        number = self.table_number
        return self.index.add_block(series, number, octave) and self.cover(
            _block_end(series, number, self.table, octave)
        )

    def aborted_position(self, aborted: Aborted) -> int | None:
        """Return the cell where transactions are counted that were aborted there; None when the index is busy."""
        try:
            series = self.series(*aborted.series)
        except (IndexFullError, OSError):
            series = self.index.by_key.get((ABORTED_REQUESTS, aborted_attributes(UNKNOWN, aborted.reason)))
            if series is not None and series.head >= len(self.cells):
                return None
        return None if series is None else series.head

    def ended_position(self, ended: Ended) -> tuple[int, int] | None:
        """Return the head and the cell of a transaction that another process ended; None when the index is busy."""
        row = ended.row
        cell = bisect_left(self.table.uppers, row.duration)
        octave = self.table.octaves[cell]
        try:
            series = self.series(*ended.series)
            if series is None or not self.add_block(series, octave):
                return None
        except (IndexFullError, OSError):
            return self._other_position(row.duration, OTHER_ERRORS if row.error else OTHER_REQUESTS)
        return series.head, series.blocks_of(self.table_number)[octave] + cell

    def _other_position(self, duration: int, attributes: Attributes) -> tuple[int, int] | None:
        # The segment may be one of few chunks; those of the first table are in the first.
        series = self.index.by_key[REQUEST_DURATION, attributes]
        for number in (self.table_number, *series.blocks):
            table = self.index.tables[number]
            cell = bisect_left(table.uppers, duration)
            octave = table.octaves[cell]
            if series.blocks_of(number)[octave] and _block_end(series, number, table, octave) <= len(self.cells):
                return series.head, series.blocks_of(number)[octave] + cell
        return None


def _block_end(series: Series, number: int, table: Table, octave: int) -> int:
    return series.blocks_of(number)[octave] + table.first[octave] + table.sizes[octave]
