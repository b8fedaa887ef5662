# SPDX-License-Identifier: Apache-2.0
"""Settling what a dead process left running, so that its segment can be counted in again.

Every step may be the last one of this process too: after each store the segment is such that settling it anew gives the
same totals (see "A transaction begins" in `layout`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from wsgiapm.aggregate import layout, schema
from wsgiapm.aggregate.catalogue import Catalogue, Series
from wsgiapm.aggregate.in_flight import Row, free_row, read_rows
from wsgiapm.aggregate.index import Index
from wsgiapm.aggregate.schema import ABORTED_REQUESTS, ABORTED_TASKS, UNKNOWN
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.named_tuple import NamedTuple


class Aborted(NamedTuple):
    """Transactions that were running when their process died; `row` is None where none was left."""

    route: str
    reason: str
    count: int  # type: ignore[assignment]  # of the tuple's own `count` there is no use
    row: Row | None

    @property
    def series(self) -> tuple[str, Attributes]:
        """The metric it is counted in, and under which attributes."""
        if self.row is not None and self.row.is_task:
            return ABORTED_TASKS, (("reason", self.reason), (schema.TASK, self.route))
        return ABORTED_REQUESTS, schema.aborted_attributes(self.route, self.reason)


class Ended(NamedTuple):
    """A transaction that had ended and waited for a free index when its process died."""

    route: str
    row: Row

    @property
    def series(self) -> tuple[str, Attributes]:
        """The metric it is counted in, and under which attributes."""
        row = self.row
        if row.is_task:
            return schema.TASK_DURATION, schema.task_attributes(self.route, row.status)
        attributes = schema.request_attributes(self.route, row.status, row.method, row.scheme, row.error)
        return schema.REQUEST_DURATION, attributes


class Left(NamedTuple):
    """What a dead process left."""

    aborted: list[Aborted]
    ended: list[Ended]


def needs_settling(cells: memoryview[int]) -> bool:
    """Tell whether a segment whose owner is dead was left in the middle of something.

    `cells` are the words of a whole segment, or of its first part, up to the rows.
    """
    odd = cells[layout.SETTLEMENTS] % 2
    return bool(odd or cells[layout.ROWLESS] or read_rows(cells))


def committed(catalogue: Catalogue, cells: Sequence[int]) -> int:
    """Return how many transactions a segment has counted as finished."""
    total = 0
    for series in catalogue.series[:]:
        if series.kind == layout.TRANSACTIONS:
            for number, blocks in list(series.blocks.items()):
                cell_table = catalogue.tables[number]
                for octave, position in enumerate(blocks):
                    if position:
                        start = position + cell_table.first[octave]
                        total += sum(cells[start : start + cell_table.sizes[octave]])
    return total


def aborted_before(series: Iterable[Series], cells: Sequence[int]) -> int:
    """Return how many transactions a segment has already counted as aborted."""
    end = len(cells)
    return sum(cells[s.head] for s in series if s.metric in (ABORTED_REQUESTS, ABORTED_TASKS) and s.head < end)


def find_left(catalogue: Catalogue, cells: memoryview[int]) -> Left:
    """Return what was running or waiting when the owner of a segment died, without changing anything."""
    if not needs_settling(cells):
        return Left([], [])
    left = cells[layout.BEGUN] - committed(catalogue, cells) - aborted_before(catalogue.series[:], cells)
    reason = "timeout" if cells[layout.TIMED_OUT] else "killed"
    # Rows that may have been counted come last, and are left out if there are more rows than that.
    in_rows = max(left - cells[layout.ROWLESS], 0)
    rows = sorted(read_rows(cells), key=lambda row: row.doubt)[:in_rows]
    aborted = [Aborted(_name(catalogue, row), reason, 1, row) for row in rows if not row.ended]
    if left > len(rows):
        aborted.append(Aborted(UNKNOWN, reason, left - len(rows), None))
    return Left(aborted, [Ended(_name(catalogue, row), row) for row in rows if row.ended])


def _name(catalogue: Catalogue, row: Row) -> str:
    return catalogue.names[row.name] if row.name < len(catalogue.names) else UNKNOWN


class Witness(Protocol):
    """Who looks at a dead process's segment before it is settled, and tells what it was doing once that is known."""

    def tell(self, aborted: list[Aborted]) -> None:
        """Say that the process died in these transactions, if in any."""


class Owner(Protocol):
    """The process that settles: where it counts, and the segment it has locked."""

    @property
    def cells(self) -> memoryview[int]:
        """Return the words of the segment as it is mapped now."""

    def aborted_position(self, aborted: Aborted) -> int | None:
        """Return the cell of a counter; None when the index could not be written now."""

    def ended_position(self, ended: Ended) -> tuple[int, int] | None:
        """Return the head and the cell of a finished transaction; None when the index could not be written now."""


class Settlement:
    """One settling of a segment. `aborted` is what was running there, once all of it has been counted."""

    def __init__(self, index: Index, owner: Owner) -> None:
        """`owner` is this process, with the segment it has locked."""
        self._catalogue = index
        self._owner = owner
        self.aborted: list[Aborted] = []
        self._places: dict[Ended, tuple[int, int]] = {}
        self._positions: dict[tuple[str, Attributes], int] = {}

    def settle(self) -> bool:
        """Count what was left and free its rows; returns False when the index was busy and the rest has to wait."""
        cells = self._owner.cells
        if not needs_settling(cells):
            return True
        # The dead owner may have added series up to its end: without them too much would look unfinished.
        if not self._catalogue.refresh() or self._catalogue.damaged:
            return False
        cells[layout.SETTLEMENTS] |= 1
        left = find_left(self._catalogue, cells)
        # All that needs the index first: who finds it busy has counted nothing, and another time tells all of it.
        if not self._find_places(left):
            return False
        self._free_counted(left)
        for ended in left.ended:
            self._commit(ended, *self._places[ended])
        for entry in left.aborted:
            self._abort(entry, self._positions[entry.series])
        self.aborted = left.aborted
        cells = self._owner.cells
        cells[layout.ROWLESS] = 0
        cells[layout.BEGUN] = committed(self._catalogue, cells) + aborted_before(self._catalogue.series[:], cells)
        cells[layout.SETTLEMENTS] += 1
        return True

    def _find_places(self, left: Left) -> bool:
        """Find the cells to count in, those that an earlier attempt has not found; False when the index was busy."""
        # What has been found is kept: where many settle at once, hardly anybody finds it free for all of it in one go.
        for ended in left.ended:
            if ended not in self._places:
                place = self._owner.ended_position(ended)
                if place is not None:
                    self._places[ended] = place
        for entry in left.aborted:
            if entry.series not in self._positions:
                position = self._owner.aborted_position(entry)
                if position is not None:
                    self._positions[entry.series] = position
        found = all(ended in self._places for ended in left.ended)
        return found and all(entry.series in self._positions for entry in left.aborted)

    def _free_counted(self, left: Left) -> None:
        # Before anything else, so that later only the row that is being dealt with may be in doubt.
        cells = self._owner.cells
        uncounted = {entry.row.position for entry in left.aborted if entry.row is not None}
        uncounted |= {entry.row.position for entry in left.ended}
        for row in read_rows(cells):
            if row.position not in uncounted:
                free_row(cells, row.position)

    def _mark(self, row: Row, state: int) -> None:
        cells = self._owner.cells
        cells[row.position + 1] = cells[row.position + 1] & ~0xF | state

    def _abort(self, entry: Aborted, position: int) -> None:
        if entry.row is not None:
            self._mark(entry.row, layout.ABORTING)
        cells = self._owner.cells
        cells[position] += entry.count
        if entry.row is not None:
            free_row(cells, entry.row.position)

    def _commit(self, ended: Ended, head: int, position: int) -> None:
        self._mark(ended.row, layout.ENDED_COUNTING)
        cells = self._owner.cells
        cells[head] += ended.row.duration
        cells[position] += 1
        free_row(cells, ended.row.position)
