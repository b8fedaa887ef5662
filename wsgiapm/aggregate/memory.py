# SPDX-License-Identifier: Apache-2.0
"""The memory of a segment: a file that is mapped, or what belongs to one process alone."""

from __future__ import annotations

import errno
import mmap
import sys
from typing import Any, Protocol

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import Allocate, Piece, allocate_freely
from wsgiapm.aggregate.shared_file import SharedFile

# From 3.13 on a mapping need not keep a descriptor of its own.
_NO_DESCRIPTOR: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}


class Memory(Protocol):
    """Words that can grow: those of a file, or of this process alone."""

    def map(self, size: int) -> mmap.mmap:
        """Return a mapping of at least `size` bytes; raises OSError when there is no room."""

    def allocate_rows(self) -> None:
        """Make sure that every row can be used; raises OSError when there is no room."""

    def in_place(self) -> bool:
        """Tell whether others find it where they look for it."""

    def keep(self) -> None:
        """Undo what others have added to it."""

    def close(self) -> None:
        """Let go of what is no longer needed once nothing grows any more."""


class FileMemory:
    """A file, allocated before it is mapped, so that a full file system is an error and never a SIGBUS."""

    def __init__(self, file: SharedFile, allocate: Allocate = allocate_freely) -> None:
        """Take over `file`; `allocate` is how it gets longer."""
        self._file = file
        self._allocate = allocate
        self._checked = False
        self._size = 0

    def map(self, size: int) -> mmap.mmap:
        """See `Memory`."""
        old = self._file.size
        if old and not self._checked:
            # It was allocated when it was made, unless somebody made the file sparse behind our back.
            allocate_freely(self._file, self._present(old))
        self._checked = True
        if size > old:
            self._allocate(self._file, _missing(old, size))
        self._size = max(size, old)
        return mmap.mmap(self._file.descriptor, self._size, **_NO_DESCRIPTOR)

    def _present(self, size: int) -> list[Piece]:
        header = self._file.read(layout.WORD, layout.ROWS_ALLOCATED * layout.WORD)
        rows = layout.usable_rows(int.from_bytes(header, "little"))
        end = layout.ROWS_OFFSET + rows * layout.ROW_WORDS * layout.WORD
        return [(0, end), (layout.CELLS_OFFSET, size - layout.CELLS_OFFSET)]

    def allocate_rows(self) -> None:
        """See `Memory`."""
        self._allocate(self._file, [(layout.FIRST_ROWS_END, layout.CELLS_OFFSET - layout.FIRST_ROWS_END)])

    def in_place(self) -> bool:
        """See `Memory`."""
        return self._file.in_place()

    def keep(self) -> None:
        """See `Memory`."""
        self._file.cut(self._size)

    def close(self) -> None:
        """See `Memory`."""
        self._file.close()


def _missing(old: int, size: int) -> list[Piece]:
    """Return what has to be allocated so that a segment becomes longer; a new one does without most of its rows."""
    if old:
        return [(old, size - old)]
    return [(0, layout.FIRST_ROWS_END), (layout.CELLS_OFFSET, size - layout.CELLS_OFFSET)]


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

    def allocate_rows(self) -> None:
        """See `Memory`."""

    def in_place(self) -> bool:
        """See `Memory`."""
        return True

    def keep(self) -> None:
        """See `Memory`."""

    def close(self) -> None:
        """See `Memory`."""
