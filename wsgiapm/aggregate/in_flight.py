# SPDX-License-Identifier: Apache-2.0
"""The rows of requests in flight: what each word says, read from a segment's bytes."""

from __future__ import annotations

from collections.abc import Sequence

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.layout import FIRST_ROW, ROW_WORDS, ROWS, ROWS_ALLOCATED, usable_rows
from wsgiapm.aggregate.schema import METHODS, SCHEMES, TASK_CODE, TASK_METHOD
from wsgiapm.named_tuple import NamedTuple

_POSITIONS = range(FIRST_ROW, FIRST_ROW + ROWS * ROW_WORDS, ROW_WORDS)
_ALL_FREE = bytes(ROWS * layout.WORD)

_DOUBTS = {layout.ENDED: 0, layout.COUNTING: 2, layout.ENDED_COUNTING: 3, layout.ABORTING: 3}


_METHODS = {**dict(enumerate(METHODS)), TASK_CODE: TASK_METHOD}

# A million requests a second for eight years, and more greenlets than fit into memory.
_BEGUN_AT_MOST = 1 << 48
_ROWLESS_AT_MOST = 1 << 32


def header_is_possible(cells: Sequence[int]) -> bool:
    """Tell whether a process can have begun as many transactions as the words of a segment's header say."""
    return cells[layout.BEGUN] < _BEGUN_AT_MOST and cells[layout.ROWLESS] < _ROWLESS_AT_MOST


class Row(NamedTuple):
    """One transaction that runs, or ran when its process died. `start` is monotonic nanoseconds."""

    position: int
    start: int
    name: int
    method: str
    scheme: str
    state: int
    word: int
    detail: int

    @property
    def is_task(self) -> bool:
        """Whether it is a background task, and no request."""
        return self.method == TASK_METHOD

    @property
    def ended(self) -> bool:
        """Whether it had ended and waited for a free index."""
        return self.state in (layout.ENDED, layout.ENDED_COUNTING)

    @property
    def doubt(self) -> int:
        """How likely it has been counted already: 0 and 1 it has not, 2 its process may have done so, 3 even a settler."""
        return _DOUBTS.get(self.state, 1)

    @property
    def thread(self) -> int:
        """The native identifier of the thread it runs on, as long as it runs."""
        return 0 if self.ended else self.word

    @property
    def duration(self) -> int:
        """How long it took, in nanoseconds, when it has ended."""
        return self.word

    @property
    def status(self) -> int | None:
        """The status code, when it has ended."""
        return self.detail & 0xFFFF or None

    @property
    def error(self) -> str | None:
        """The type of the error, as far as a row can say, when it has ended."""
        if not self.detail & layout.FAILED:
            return None
        return str(self.status) if self.status and self.status >= 400 else "_OTHER"


def tag(name: int, method: int, scheme: int) -> int:
    """Return the second word of a row in state running."""
    return name << 32 | method << 8 | scheme << 4 | layout.RUNNING


def positions(rows: int) -> range:
    """Return where the rows of a segment begin that has so many."""
    return _POSITIONS[:rows]


def read_rows(cells: memoryview[int]) -> list[Row]:
    """Return the rows in use; `cells` are the words of a whole segment, or of its first part."""
    # No further than they are allocated: to look into a hole of a full file system kills the process.
    rows = usable_rows(cells[ROWS_ALLOCATED])
    starts = cells[FIRST_ROW : FIRST_ROW + rows * ROW_WORDS : ROW_WORDS]
    if starts.tobytes() == _ALL_FREE[: rows * layout.WORD]:  # four times as fast as any()
        return []
    return [_read_row(cells, p) for p, start in zip(positions(rows), starts, strict=True) if start]


def _read_row(cells: Sequence[int], position: int) -> Row:
    start, word, third, fourth = cells[position : position + ROW_WORDS]
    method = word >> 8 & 0xFF
    return Row(
        position,
        start,
        word >> 32,
        _METHODS.get(method, METHODS[0]),
        SCHEMES[word >> 4 & 1],
        word & 0xF,
        third,
        fourth,
    )


def free_row(cells: memoryview[int], position: int) -> None:
    """Free a row, whatever state it is in."""
    cells[position] = 0
    cells[position + 2] = 0
    cells[position + 3] = 0
