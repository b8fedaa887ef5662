# SPDX-License-Identifier: Apache-2.0
"""The plan of a merge: how far the segments are to be read, and which of their cells count transactions.

It follows from the index alone, so it is kept and extended by what has been added since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from weakref import WeakKeyDictionary

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.catalogue import Catalogue, Series
from wsgiapm.named_tuple import NamedTuple
from wsgiapm.pace import Pace, at_once

PIECE = 8192
"""How many bytes are added at a time: integers much larger than that do not stay in a processor's nearest memory."""


class Plan(NamedTuple):
    """What every segment is read by.

    `offset` says how much of the index this is of; `sizes` are the bytes in use of each chunk, 0 for those that do not
    hold integers; `pieces` are where what is in use begins and ends, counted from chunk 0; `transactions` has a mask for
    each of them with all bits set of the cells that count transactions.
    """

    offset: int
    sizes: list[int]
    pieces: list[tuple[int, int]]
    transactions: list[int]

    def segment_bytes(self) -> int:
        """Return how much of a segment is in use, from its beginning on."""
        ends = [number * layout.CHUNK_BYTES + size for number, size in enumerate(self.sizes)]
        return layout.CELLS_OFFSET + max(ends, default=0)

    def cells_bytes(self) -> int:
        """Return how long the cells of all chunks are, as far as the last chunk is in use."""
        whole = len(self.sizes) * layout.CHUNK_BYTES
        return whole - layout.CHUNK_BYTES + self.sizes[-1] if self.sizes and self.sizes[-1] else whole

    def read(self, data: memoryview[int]) -> Iterator[int]:
        """Give the pieces of a segment's cells as big integers, one at a time."""
        for start, end in self.pieces:
            yield int.from_bytes(data[start:end], "little")


# With each plan its mask, how many series have had their heads taken out of it, and those that count no transactions.
_kept: WeakKeyDictionary[Catalogue, tuple[Plan, bytearray, int, list[Series]]] = WeakKeyDictionary()


def make_plan(catalogue: Catalogue, pace: Pace = at_once) -> Plan:
    """Return the plan for what a catalogue knows now; what other threads add meanwhile is left for the next time."""
    offset = catalogue.offset
    kept = _kept.get(catalogue)
    if kept is not None and kept[0].offset == offset:
        return kept[0]
    used = catalogue.free(layout.INTEGERS)[0] * layout.WORD
    sizes = _sizes(catalogue.chunks[:], used)
    mask, heads, others = (kept[1][:], kept[2], kept[3][:]) if kept else (bytearray(), 0, [])
    mask += b"\xff" * (used - len(mask))
    # Of the cells handed out, nearly all count transactions; the others are the heads, and histograms of other kinds.
    for series in pace(catalogue.series[heads:]):
        is_integer = series.kind != layout.GAUGE
        if is_integer and not _clear(mask, series.head - layout.FIRST_CELL, series.head_cells):
            break
        heads += 1
        if series.kind != layout.TRANSACTIONS:
            others.append(series)
    for series in pace(others):
        _clear_blocks(catalogue, mask, series)
    view = memoryview(bytes(mask))
    plan = Plan(offset, sizes, list(_pieces(sizes)), [])
    plan.transactions.extend(pace(plan.read(view)))
    _kept[catalogue] = plan, mask, heads, others
    return plan


def _sizes(kinds: Sequence[int], used: int) -> list[int]:
    ends = [min(used - number * layout.CHUNK_BYTES, layout.CHUNK_BYTES) for number in range(len(kinds))]
    return [max(end, 0) if kind == layout.INTEGERS else 0 for kind, end in zip(kinds, ends, strict=True)]


def _pieces(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    for number, size in enumerate(sizes):
        first = number * layout.CHUNK_BYTES
        for start in range(first, first + size, PIECE):
            yield start, min(start + PIECE, first + size)


def _clear(mask: bytearray, first: int, cells: int) -> bool:
    start, end = first * layout.WORD, (first + cells) * layout.WORD
    if end > len(mask):
        return False
    mask[start:end] = bytes(end - start)
    return True


def _clear_blocks(catalogue: Catalogue, mask: bytearray, series: Series) -> None:
    for number, blocks in list(series.blocks.items()):
        table = catalogue.tables[number]
        for first, size, position in compress(zip(table.first, table.sizes, blocks, strict=True), blocks):
            _clear(mask, position + first - layout.FIRST_CELL, size)
