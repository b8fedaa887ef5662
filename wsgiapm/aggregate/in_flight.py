# SPDX-License-Identifier: Apache-2.0
"""The rows of requests in flight: what each word says, read from a segment's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.layout import FIRST_ROW, ROW_WORDS, ROWS
from wsgiapm.aggregate.schema import METHODS, SCHEMES

FIRST_POSITIONS = range(FIRST_ROW, FIRST_ROW + ROWS * ROW_WORDS, ROW_WORDS)


class Row(NamedTuple):
    """One transaction that runs, or ran when its process died. `start` is monotonic nanoseconds."""

    position: int
    start: int
    name: int
    method: str
    scheme: str
    counting: bool
    thread: int


def tag(name: int, method: int, scheme: int) -> int:
    """Return the second word of a row in state running."""
    return name << 32 | method << 8 | scheme << 4 | layout.RUNNING


def read_rows(cells: Sequence[int]) -> list[Row]:
    """Return the rows in use; `cells` are the words of a whole segment, or of its first part."""
    starts = cells[FIRST_ROW : FIRST_ROW + ROWS * ROW_WORDS : ROW_WORDS]
    if not any(starts):
        return []
    return [_read_row(cells, p) for p, start in zip(FIRST_POSITIONS, starts, strict=True) if start]


def _read_row(cells: Sequence[int], position: int) -> Row:
    word = cells[position + 1]
    method = word >> 8 & 0xFF
    return Row(
        position,
        cells[position],
        word >> 32,
        METHODS[method] if method < len(METHODS) else METHODS[0],
        SCHEMES[word >> 4 & 1],
        word & 0xF == layout.COUNTING,
        cells[position + 2],
    )
