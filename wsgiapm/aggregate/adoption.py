# SPDX-License-Identifier: Apache-2.0
"""Settling what a dead process left running, so that its segment can be counted in again.

Every step may be the last one of this process too: after each store the segment is such that settling it anew gives the
same totals (see "A transaction begins" in `layout`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.histogram import Table
from wsgiapm.aggregate.in_flight import Row, read_rows
from wsgiapm.aggregate.index import Series
from wsgiapm.aggregate.schema import ABORTED_REQUESTS, ROUTE, UNKNOWN
from wsgiapm.aggregate.snapshot import Attributes


@dataclass(frozen=True, slots=True)
class Aborted:
    """Transactions that were running when their process died; `row` is None where none was left."""

    route: str
    reason: str
    count: int
    row: Row | None


class Catalogue(Protocol):
    """What is asked of an index here."""

    series: list[Series]
    tables: list[Table]
    names: list[str]


def aborted_attributes(route: str, reason: str) -> Attributes:
    """Return the attributes of `wsgiapm.aborted_requests`."""
    return ((ROUTE, route), ("reason", reason))


def needs_settling(cells: Sequence[int]) -> bool:
    """Tell whether a segment whose owner is dead was left in the middle of something."""
    return bool(cells[layout.ROWLESS] or cells[layout.WAITING] or read_rows(cells))


def _sum_range(cells: Sequence[int], start: int, count: int) -> int:
    return sum(cells[start : start + count])


def committed(index: Catalogue, cells: Sequence[int]) -> int:
    """Return how many transactions a segment has counted as finished."""
    total = 0
    for series in index.series:
        if series.kind == layout.TRANSACTIONS:
            for number, blocks in series.blocks.items():
                cell_table = index.tables[number]
                for octave, position in enumerate(blocks):
                    if position:
                        total += _sum_range(cells, position + cell_table.first[octave], cell_table.sizes[octave])
    return total


def aborted_before(series: Iterable[Series], cells: Sequence[int]) -> int:
    """Return how many transactions a segment has already counted as aborted."""
    return sum(cells[s.head] for s in series if s.metric == ABORTED_REQUESTS)


def find_aborted(index: Catalogue, cells: Sequence[int]) -> list[Aborted]:
    """Return what was running when the owner of a segment died, without changing anything."""
    if not needs_settling(cells):
        return []
    left = cells[layout.BEGUN] - committed(index, cells) - aborted_before(index.series, cells)
    reason = "timeout" if cells[layout.TIMED_OUT] else "killed"
    # Rows in state "being counted" may have been counted: they come last, and are left out if there are too many rows.
    rows = sorted(read_rows(cells), key=lambda row: row.counting)[: max(left, 0)]
    found = [Aborted(_name(index, row), reason, 1, row) for row in rows]
    if left > len(rows):
        found.append(Aborted(UNKNOWN, reason, left - len(rows), None))
    return found


def _name(index: Catalogue, row: Row) -> str:
    return index.names[row.name] if row.name < len(index.names) else UNKNOWN


class Owner(Protocol):
    """The process that settles: where it counts aborted transactions, and the segment it has locked."""

    @property
    def cells(self) -> memoryview[int]:
        """Return the words of the segment as it is mapped now."""

    def position(self, route: str, reason: str) -> int | None:
        """Return the cell of a counter; None when the index could not be written now."""


def settle(index: Catalogue, owner: Owner) -> list[Aborted] | None:
    """Count what a dead process left running as aborted, and free its rows.

    Returns what was found, or None when the index was busy and the rest has to wait.
    """
    found = find_aborted(index, owner.cells)
    owner.cells[layout.CLAIMS] += 1  # a reader that saw the rows before looks again
    for entry in found:
        position = owner.position(entry.route, entry.reason)
        if position is None:
            return None
        cells = owner.cells
        if entry.row is not None:
            mark = entry.row.position + 1
            cells[mark] = cells[mark] & ~0xF | layout.COUNTING
        cells[position] += entry.count
        if entry.row is not None:
            cells[entry.row.position] = 0
    cells = owner.cells
    for row in read_rows(cells):
        cells[row.position] = 0
    cells[layout.ROWLESS] = 0
    cells[layout.WAITING] = 0
    return found
