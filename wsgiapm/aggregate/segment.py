# SPDX-License-Identifier: Apache-2.0
"""A process's own segment: claiming or adopting one, its cells in memory, and growing it."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Literal

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import Allocate, NoRoomError, allocate_freely
from wsgiapm.aggregate.directory import SharedDirectory, lock_segment
from wsgiapm.aggregate.in_flight import header_is_possible
from wsgiapm.aggregate.memory import FileMemory, Memory, PrivateMemory
from wsgiapm.aggregate.owner import owner_lives, pid_namespace, start_ticks
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.errors import SharedDirectoryError

# A word of 64 bits. Where `unsigned long` has as many, CPython converts it to and from an int with fewer instructions.
_WORD_FORMAT: Literal["L", "Q"] = "L" if struct.calcsize("L") == layout.WORD else "Q"

_DAMAGED_AT_MOST = 3
_OF_ONE_OWNER = (
    layout.TIMED_OUT,
    layout.FAREWELL,
    layout.DUE,
    layout.RESIDENT_MEMORY,
    layout.THREADS,
    layout.OPEN_FILES,
    layout.LAST_HARVEST,
    layout.SURROUNDINGS,
    layout.UPLOAD_STATUS,
    layout.LAST_DELIVERY,
)


class Segment:
    """The words this process counts in.

    `cells` are all words of the segment, header and rows included; `floats` the same memory as float64. Both are
    replaced when the segment grows; the old ones stay valid and show the same memory.
    """

    def __init__(self, number: int, memory: Memory, chunks: int) -> None:
        """Map `memory` with room for `chunks`; raises OSError when there is none."""
        self.number = number
        self._memory = memory
        # Never unmapped: an mmap closes a descriptor of its own in the end, which by then may be somebody else's.
        self._mappings: list[mmap.mmap] = []
        self.chunks = 0
        self.cover(chunks)
        self._has_all_rows = self.rows == layout.ROWS

    def cover(self, chunks: int) -> None:
        """Make sure that the cells of this many chunks can be used; raises OSError when there is no room."""
        if chunks > self.chunks or not self.chunks:
            self._use(self._memory.map(layout.segment_size(max(chunks, 1))))

    @property
    def rows(self) -> int:
        """How many requests in flight can have a row."""
        return layout.usable_rows(self.cells[layout.ROWS_ALLOCATED])

    def add_rows(self) -> None:
        """Make room for all rows there can be; raises OSError when there is none, `BusyError` when others take some."""
        self._memory.allocate_rows()
        self._has_all_rows = True
        self.cells[layout.ROWS_ALLOCATED] = layout.ROWS

    def _use(self, mapping: mmap.mmap) -> None:
        self._mappings.append(mapping)
        whole = memoryview(mapping)
        usable = len(whole) - len(whole) % layout.WORD
        self.cells = whole[:usable].cast(_WORD_FORMAT)
        self.floats = whole[:usable].cast("d")
        self.chunks = (len(whole) - layout.CELLS_OFFSET) // layout.CHUNK_BYTES

    def in_place(self) -> bool:
        """Tell whether others find our file where they look for it."""
        return self._memory.in_place()

    def keep(self, epoch: bytes) -> bool:
        """Claim the segment once more if somebody has overwritten its first words; return whether that was so.

        Raises OSError when its file is gone.
        """
        self._memory.keep()
        start = layout.segment_start(epoch, self.number)
        if self.cells[: len(start) // layout.WORD].tobytes() == start:
            return False
        if self._has_all_rows:
            self.cells[layout.ROWS_ALLOCATED] = layout.ROWS
        self.claim(epoch)
        return True

    def leave(self) -> None:
        """In the child of a fork: from now on count in memory that nobody reads, for the segment is the parent's."""
        self._memory.close()
        self._memory = PrivateMemory(len(self.cells) * layout.WORD)
        self._use(self._memory.map(0))

    def close(self) -> None:
        """Give the segment up, close the file and unmap it; the cells cannot be used any more."""
        if not self._mappings:
            return
        if self.cells[layout.PID] == os.getpid():
            self.cells[layout.STARTED_TICKS] = 0  # so that a process which lives on is not taken for its owner
        self._memory.close()
        self.cells.release()
        self.floats.release()
        while self._mappings:
            with suppress(BufferError):  # somebody still looks at a part of it
                self._mappings.pop().close()

    def claim(self, epoch: bytes) -> None:
        """Write this process's name into the header; the first words of a new file last, so that they mean it is whole."""
        cells = self.cells
        cells[layout.PID] = os.getpid()
        cells[layout.STARTED_TICKS] = start_ticks()
        cells[layout.PID_NAMESPACE] = pid_namespace()
        cells[layout.CLAIMED_MONOTONIC] = clock.monotonic_ns()
        cells[layout.CLAIMED_WALL] = clock.time_ns()
        cells[layout.BEGUN_AT_CLAIM] = cells[layout.BEGUN]
        cells[layout.SETTLEMENTS] += 2
        cells[layout.OWNERS] += 1
        for word in _OF_ONE_OWNER:
            cells[word] = 0
        start = layout.segment_start(epoch, self.number)
        words = memoryview(start).cast("Q")
        for i in reversed(range(len(words))):
            cells[i] = words[i]

    def belongs_to(self, epoch: bytes, kinds: Sequence[int]) -> bool:
        """Tell whether the header is new or names this epoch and format, and no cell is impossible."""
        cells = self.cells[layout.FIRST_CELL :].tobytes()
        if not cells_are_possible(cells, 0, kinds) or not header_is_possible(self.cells):
            return False
        start = self.cells[: layout.SEGMENT_START.size // layout.WORD].tobytes()
        if not any(start[: layout.WORD]):
            return not self.cells[layout.BEGUN]
        return start == layout.segment_start(epoch, self.number)


def cells_are_possible(data: bytes, offset: int, kinds: Sequence[int]) -> bool:
    """Tell whether every cell of integers is below 2**63; the cells begin at `offset` of `data`."""
    for number, kind in enumerate(kinds):
        first = offset + number * layout.CHUNK_BYTES
        # The highest bit of a cell is that of its last byte, and text is ASCII when no byte has that bit.
        if kind == layout.INTEGERS and not data[first + 7 : first + layout.CHUNK_BYTES : layout.WORD].isascii():
            return False
    return True


def open_segment(
    directory: SharedDirectory, epoch: bytes, kinds: Sequence[int], allocate: Allocate = allocate_freely
) -> Segment:
    """Lock and map the first segment that nobody uses; its contents are as they were left.

    `kinds` are those of the chunks there are; where not all have room, it has as many as have. Raises OSError when not
    even one has, and `SharedDirectoryError` when there are as many processes as there can be.
    A file that is no segment of this epoch, or a damaged one, is set aside under the name damaged-N.
    """
    for number in range(layout.MAX_SEGMENTS):
        segment = take_segment(directory, epoch, kinds, number, allocate)
        if segment is not None:
            return segment
    msg = f"{directory.path} is in use by {layout.MAX_SEGMENTS} processes, the most it can have"
    raise SharedDirectoryError(msg)


def take_segment(
    directory: SharedDirectory,
    epoch: bytes,
    kinds: Sequence[int],
    number: int,
    allocate: Allocate = allocate_freely,
    chunks: int | None = None,
) -> Segment | None:
    """Lock and map one segment as `open_segment` does; None when it is in use, or cannot be one of ours.

    It gets so many `chunks` if it has less; by default as many as there are kinds.
    """
    if not lock_segment(directory, number):
        return None
    segment = None
    try:
        opener = partial(_open, directory, len(kinds) if chunks is None else chunks, number, allocate)
        segment = _map(directory, epoch, kinds, number, opener)
    except SharedDirectoryError:  # a stranger's file under that name: leave it alone
        return None
    finally:
        if segment is None:
            directory.unlock(layout.SEGMENT_LOCKS + number)
    return segment


def _map(
    directory: SharedDirectory, epoch: bytes, kinds: Sequence[int], number: int, opener: Callable[[], Segment]
) -> Segment | None:
    if not _has_possible_size(directory, number):
        set_aside(directory, number)
    segment = opener()
    if owner_lives(segment.cells):
        segment.close()
        return None
    if not segment.belongs_to(epoch, kinds):
        segment.close()
        set_aside(directory, number)
        segment = opener()
    return segment


def _has_possible_size(directory: SharedDirectory, number: int) -> bool:
    try:
        file = SharedFile(directory, layout.segment_name(number), os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        return layout.is_segment_size(file.size)
    finally:
        file.close()


def set_aside(directory: SharedDirectory, number: int) -> None:
    """Rename what is in the place of a segment to damaged-N, so that a new one can be made."""
    # A few are enough to look at; damage that goes on must not fill the file system.
    directory.rename(layout.segment_name(number), f"damaged-{number % _DAMAGED_AT_MOST}")


def _open(directory: SharedDirectory, chunks: int, number: int, allocate: Allocate) -> Segment:
    with ExitStack() as undo:
        file = SharedFile(directory, layout.segment_name(number), os.O_RDWR | os.O_CREAT)
        undo.callback(file.close)
        undo.callback(_remove_empty, directory, file)
        memory = FileMemory(file, allocate)
        try:
            segment = Segment(number, memory, chunks)
        except NoRoomError as error:
            segment = Segment(number, memory, _affordable(file.size, error.left))
        undo.pop_all()
        return segment


def _affordable(size: int, left: int) -> int:
    """Return how many chunks a segment of `size` bytes can have when so many bytes are left."""
    if size:
        return (size - layout.CELLS_OFFSET + max(left, 0)) // layout.CHUNK_BYTES
    return max((left - layout.FIRST_ROWS_END) // layout.CHUNK_BYTES, 1)


def _remove_empty(directory: SharedDirectory, file: SharedFile) -> None:
    with suppress(OSError):
        if not file.size:
            directory.remove(file.name)
