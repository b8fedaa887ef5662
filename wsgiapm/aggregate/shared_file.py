# SPDX-License-Identifier: Apache-2.0
"""A file of the shared directory that stays open, in a process where somebody else may close it.

A daemoniser closes all descriptors it finds, and their numbers are given to other files: before every use it is checked
that the descriptor is still ours, lest we write into a file of the app.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from wsgiapm.aggregate.directory import SharedDirectory, identify
from wsgiapm.errors import SharedDirectoryError


class SharedFile:
    """One open file. Raises OSError from everything when it is gone or has no room."""

    def __init__(self, directory: SharedDirectory, name: str, flags: int = os.O_RDWR) -> None:
        """Open `name`; raises `SharedDirectoryError` when it is no regular file of the directory's owner."""
        self._directory = directory
        self._flags = flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC)
        self.name = name
        self._descriptor = directory.open(name, flags)
        self._inode = identify(self._descriptor)

    @property
    def descriptor(self) -> int:
        """The descriptor, opened again if somebody closed it."""
        if identify(self._descriptor) != self._inode:
            self._descriptor = self._reopen()
        return self._descriptor

    def _reopen(self) -> int:
        try:
            descriptor = self._directory.open(self.name, self._flags)
        except SharedDirectoryError as error:
            raise OSError(errno.ESTALE, str(error)) from error
        if identify(descriptor) != self._inode:
            os.close(descriptor)
            raise OSError(errno.ESTALE, "was replaced by another file while in use", self.name)
        return descriptor

    def in_place(self) -> bool:
        """Tell whether others find this very file under its name, and take it as the directory's owner's."""
        try:
            status = os.stat(self.name, dir_fd=self._directory.descriptor, follow_symlinks=False)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._inode and status.st_uid == self._directory.owner

    def is_in(self, directory: SharedDirectory) -> bool:
        """Tell whether this very file is to be found in a directory, under its name."""
        try:
            status = os.stat(self.name, dir_fd=directory.descriptor, follow_symlinks=False)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._inode

    @property
    def size(self) -> int:
        """The length in bytes."""
        return os.fstat(self.descriptor).st_size

    @property
    def blocks(self) -> int:
        """The bytes it takes in the file system."""
        return os.fstat(self.descriptor).st_blocks * 512

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes; fewer only at the end of the file."""
        return os.pread(self.descriptor, size, offset)

    def write(self, data: bytes | bytearray, offset: int) -> None:
        """Write all of `data`."""
        written = os.pwrite(self.descriptor, data, offset)
        if written != len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written", self.name)

    def allocate(self, offset: int, size: int) -> None:
        """Make sure that there is room for these bytes, so that writing them through a mapping cannot fail."""
        os.posix_fallocate(self.descriptor, offset, size)

    def cut(self, size: int) -> None:
        """Cut off what is beyond this many bytes."""
        if self.size > size:
            os.ftruncate(self.descriptor, size)

    def close(self) -> None:
        """Close the descriptor, if it is still ours."""
        if identify(self._descriptor) == self._inode:
            with suppress(OSError):
                os.close(self._descriptor)
        self._descriptor = -1
