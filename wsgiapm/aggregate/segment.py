# SPDX-License-Identifier: Apache-2.0
"""A process's own segment: claiming or adopting one, its cells in memory, and growing it."""

from __future__ import annotations

import errno
import mmap
import os
from typing import Protocol

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.directory import SharedDirectory, lock_segment
from wsgiapm.errors import SharedDirectoryError


class Memory(Protocol):
    """Words that can grow: those of a file, or of this process alone."""

    def map(self, size: int) -> mmap.mmap:
        """Return a mapping of at least `size` bytes; raises OSError when there is no room."""


class FileMemory:
    """A file, allocated before it is mapped, so that a full file system is an error and never a SIGBUS."""

    def __init__(self, descriptor: int) -> None:
        """Take over `descriptor`."""
        self._descriptor = descriptor

    def map(self, size: int) -> mmap.mmap:
        """See `Memory`."""
        present = os.fstat(self._descriptor).st_size
        if present < size:
            os.posix_fallocate(self._descriptor, 0, size)
        else:
            # What is there was allocated when it was made, unless somebody made the file sparse behind our back.
            os.posix_fallocate(self._descriptor, 0, present)
        return mmap.mmap(self._descriptor, max(size, present))


class PrivateMemory:
    """Anonymous memory, for a process that cannot use a shared directory; what is not used costs nothing."""

    def __init__(self, limit: int) -> None:
        """Reserve `limit` bytes of address space."""
        self._mapping = mmap.mmap(-1, limit, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def map(self, size: int) -> mmap.mmap:
        """See `Memory`."""
        if size > len(self._mapping):
            raise OSError(errno.ENOSPC, "the private counters are full")
        return self._mapping


class Segment:
    """The words this process counts in.

    `cells` are all words of the segment, header and rows included; `floats` the same memory as float64. Both are
    replaced when the segment grows; the old ones stay valid and show the same memory (in a file).
    """

    def __init__(self, number: int, memory: Memory, chunks: int) -> None:
        """Map `memory` with room for `chunks`; raises OSError when there is none."""
        self.number = number
        self._memory = memory
        self.chunks = 0
        self.cover(chunks)

    def cover(self, chunks: int) -> None:
        """Make sure that the cells of this many chunks can be used; raises OSError when there is no room."""
        if chunks > self.chunks or not self.chunks:
            mapping = self._memory.map(layout.segment_size(max(chunks, 1)))
            whole = memoryview(mapping)
            usable = len(whole) - len(whole) % layout.WORD
            self.cells = whole[:usable].cast("Q")
            self.floats = whole[:usable].cast("d")
            self.chunks = (len(whole) - layout.CELLS_OFFSET) // layout.CHUNK_BYTES

    def claim(self, epoch: bytes) -> None:
        """Write this process's name into the header; the first words of a new file last, so that they mean it is whole."""
        cells = self.cells
        cells[layout.PID] = os.getpid()
        cells[layout.STARTED_TICKS] = start_ticks()
        cells[layout.PID_NAMESPACE] = pid_namespace()
        cells[layout.CLAIMED_MONOTONIC] = clock.monotonic_ns()
        cells[layout.CLAIMED_WALL] = clock.time_ns()
        cells[layout.CLAIMS] += 1
        for word in (layout.TIMED_OUT, layout.RESIDENT_MEMORY, layout.THREADS, layout.OPEN_FILES, layout.LAST_HARVEST):
            cells[word] = 0
        start = layout.SEGMENT_START.pack(layout.SEGMENT_MAGIC, layout.VERSION, epoch, self.number)
        words = memoryview(start).cast("Q")
        for i in reversed(range(len(words))):
            cells[i] = words[i]

    def belongs_to(self, epoch: bytes) -> bool:
        """Tell whether the header is new or names this epoch and format."""
        start = self.cells[: layout.SEGMENT_START.size // layout.WORD].tobytes()
        if not any(start[: layout.WORD]):
            return not self.cells[layout.BEGUN]
        return start == layout.SEGMENT_START.pack(layout.SEGMENT_MAGIC, layout.VERSION, epoch, self.number)


def start_ticks() -> int:
    """Return when this process started, in clock ticks since boot, or 0 where the system does not say."""
    try:
        with open("/proc/self/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def pid_namespace() -> int:
    """Return the inode of this process's pid namespace, or 0."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def open_segment(directory: SharedDirectory, epoch: bytes, chunks: int, first: int = 0) -> Segment | None:
    """Lock and map the first segment from number `first` on that nobody uses; its contents are as they were left.

    Returns None when all are in use. Raises OSError when there is no room. A file that is not a segment of this epoch
    is set aside under the name damaged-N.
    """
    for number in range(first, layout.MAX_SEGMENTS):
        if not lock_segment(directory, number):
            continue
        try:
            segment = Segment(number, FileMemory(_open_file(directory, number)), chunks)
            if not segment.belongs_to(epoch):
                directory.rename(layout.segment_name(number), f"damaged-{number}")
                segment = Segment(number, FileMemory(_open_file(directory, number)), chunks)
        except (OSError, ValueError, SharedDirectoryError):
            directory.unlock(layout.SEGMENT_LOCKS + number)
            raise
        return segment
    return None


def _open_file(directory: SharedDirectory, number: int) -> int:
    return directory.open(layout.segment_name(number), os.O_RDWR | os.O_CREAT)
