# SPDX-License-Identifier: Apache-2.0
"""The budget: how many bytes the files of a shared directory may have together. Nobody exceeds it, at no time.

Whatever takes room is allocated here, under one lock, after all files have been looked at. A sixteenth is the journals';
of the rest each segment keeps some for its black box, and the index some for itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.directory import SharedDirectory, segment_is_live
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.aggregate.turn import Turn
from wsgiapm.named_tuple import NamedTuple

DEFAULT_BUDGET = 32 * 2**20
BLACK_BOX = 16 * 1024
"""What is kept free for what the interpreter writes about one crash."""
_SHARE = 16
_BLOCK = 512  # the unit of st_blocks
_SMALLEST_JOURNAL = 16 * 1024

Piece = tuple[int, int]
Allocate = Callable[[SharedFile, Sequence[Piece]], None]
"""Allocates pieces of a file, each an offset and a size; raises OSError without room, `BusyError` when others do so."""


class BusyError(Exception):
    """Another process is writing the index or taking room; the same will work a moment later."""


class NoRoomError(OSError):
    """The budget has no room for this much; `left` bytes are."""

    def __init__(self, path: str, left: int, limit: int) -> None:
        """`path` is the directory's, `limit` its budget in bytes."""
        super().__init__(errno.EDQUOT, f"the budget of {limit} bytes is used up (see shared_max_bytes)", path)
        self.left = left


def allocate_freely(file: SharedFile, pieces: Sequence[Piece]) -> None:
    """Allocate without a budget; see `Allocate`."""
    for offset, size in pieces:
        file.allocate(offset, size)


class Usage(NamedTuple):
    """What the files of a directory take: bytes of journals and of everything else, and of what they consist."""

    journals: int
    others: int
    segments: int
    living: int
    chunks: int
    index_bytes: int
    segment_bytes: int


def default_limit(directory: SharedDirectory) -> int:
    """Return the budget of who has set none, in bytes: 32 MiB, or half of what there is for us if that is less."""
    usage = survey(directory)
    free = os.fstatvfs(directory.descriptor)
    return min(DEFAULT_BUDGET, (usage.journals + usage.others + free.f_bavail * free.f_frsize) // 2)


def survey(directory: SharedDirectory) -> Usage:
    """Look at all files of a directory. Raises OSError when it cannot be read."""
    journals = others = chunks = index = segment_bytes = 0
    numbers = directory.segments()
    with os.scandir(directory.descriptor) as entries:
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # renamed meanwhile
                continue
            size = status.st_blocks * _BLOCK
            kind = entry.name.rpartition("-")[0]
            if kind == "journal":
                journals += size
            elif kind == "black-box":
                others += max(size - BLACK_BOX, 0)
            else:
                others += size
            if kind == "segment":
                segment_bytes += size
                chunks = max(chunks, (status.st_size - layout.CELLS_OFFSET) // layout.CHUNK_BYTES)
            elif entry.name == layout.INDEX_NAME:
                index = max(size, status.st_size)
    living = sum(segment_is_live(directory, number) for number in numbers)
    return Usage(journals, others + len(numbers) * BLACK_BOX, len(numbers), living, chunks, index, segment_bytes)


class Budget:
    """The bytes all files of a directory may have together."""

    def __init__(self, directory: SharedDirectory, limit: int) -> None:
        """`limit` is in bytes."""
        self._directory = directory
        self._turn = Turn()
        self.limit = limit

    @property
    def _for_journals(self) -> int:
        return self.limit // _SHARE

    @property
    def _for_others(self) -> int:
        return self.limit - self._for_journals

    def used(self) -> int:
        """Return the bytes the files have now, with what is kept for black boxes."""
        usage = survey(self._directory)
        return usage.journals + usage.others

    def allows(self, chunks: int) -> bool:
        """Tell whether segments may have this many chunks: all there are, and as many again as live, which a reload starts."""
        usage = survey(self._directory)
        return self._holds(usage, max(chunks, usage.chunks), usage.index_bytes)

    def _holds(self, usage: Usage, chunks: int, index: int) -> bool:
        segments = max(usage.segments + 1, 2 * usage.living) * (layout.allocated_size(chunks) + BLACK_BOX)
        rest = usage.others - usage.segment_bytes - usage.segments * BLACK_BOX - usage.index_bytes
        return segments + max(rest, 0) + max(index, self._for_others // _SHARE) <= self._for_others

    def allocate(self, file: SharedFile, pieces: Sequence[Piece]) -> None:
        """See `Allocate`: for a segment."""
        with self._exclusively():
            self._take(survey(self._directory), file, pieces)

    def allocate_index(self, file: SharedFile, size: int) -> None:
        """Make the index longer by `size` bytes, as `Allocate` does; what segments are going to need is left to them."""
        with self._exclusively():
            usage = survey(self._directory)
            index = usage.index_bytes + size
            if index > self._for_others // _SHARE and not self._holds(usage, usage.chunks, index):
                raise NoRoomError(self._directory.path, 0, self.limit)
            self._take(usage, file, [(file.size, size)])

    def allocate_journal(self, file: SharedFile, most: int) -> int:
        """Allocate a ring of up to `most` bytes, behind a page, as `Allocate` does; returns how many it has."""
        with self._exclusively():
            usage = survey(self._directory)
            own = file.blocks
            fair = self._for_journals // max(2 * usage.segments, _SHARE) // layout.PAGE * layout.PAGE - layout.PAGE
            capacity = min(most, max(fair, _SMALLEST_JOURNAL))
            left = self._for_journals - (usage.journals - own)
            if layout.PAGE + capacity > left:
                raise NoRoomError(self._directory.path, left, self.limit)
            file.cut(layout.PAGE + capacity)
            file.allocate(0, layout.PAGE + capacity)
            return capacity

    def _take(self, usage: Usage, file: SharedFile, pieces: Sequence[Piece]) -> None:
        left = self._for_others - usage.others
        if sum(size for _, size in pieces) > left:
            raise NoRoomError(self._directory.path, left, self.limit)
        allocate_freely(file, pieces)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with self._turn.taken() as ours:
            try:
                locked = ours and self._directory.try_lock(layout.ROOM_LOCK)
            except FileNotFoundError as error:  # the directory was removed
                raise BusyError from error
            if not locked:
                raise BusyError
            try:
                yield
            finally:
                self._directory.unlock(layout.ROOM_LOCK)
