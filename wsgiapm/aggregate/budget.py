# SPDX-License-Identifier: Apache-2.0
"""The budget: how many bytes the files of a shared directory may have together."""

from __future__ import annotations

import os

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.aggregate.index_file import IndexFile

DEFAULT_BUDGET = 32 * 2**20


class Budget:
    """The bytes all files of a directory may have together."""

    def __init__(self, directory: SharedDirectory, index: IndexFile, limit: int) -> None:
        """`limit` is in bytes; 0 means the smaller of 32 MiB and half of what there is for us."""
        self._directory = directory
        self._index = index
        self._limit = limit or min(DEFAULT_BUDGET, (self.used() + _free_bytes(directory)) // 2)

    def used(self) -> int:
        """Return the bytes the files have now."""
        here = self._directory.descriptor
        sizes = (_size_of(here, layout.segment_name(number)) for number in self._directory.segments())
        return sum(sizes) + self._index.size()

    def allows(self, chunks: int) -> bool:
        """Tell whether every segment there is, and one more, may have this many chunks."""
        segments = len(self._directory.segments()) + 1
        return segments * layout.segment_size(chunks) + self._index.size() <= self._limit


def _size_of(here: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=here, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _free_bytes(directory: SharedDirectory) -> int:
    free = os.fstatvfs(directory.descriptor)
    return free.f_bavail * free.f_frsize
