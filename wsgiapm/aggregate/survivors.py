# SPDX-License-Identifier: Apache-2.0
"""Survivors: processes that go on counting by an index whose name was removed, with the directory or alone.

As long as one of them lives the index does: whoever finds none in the directory takes theirs, through what the system
shows of their open files, instead of founding another instance beside them. Processes that may not be looked into (of
other users, or that have changed their user) cannot be found so; see `restoration` for what they do then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from wsgiapm.aggregate import layout, record_lock
from wsgiapm.aggregate.budget import BusyError
from wsgiapm.aggregate.directory import LOCKS, SharedDirectory, identify
from wsgiapm.named_tuple import NamedTuple

_DELETED = " (deleted)"
_REMOVED_INDEX = layout.INDEX_NAME + _DELETED
# The number may be another file's by now, a pipe's or a terminal's: looking at it must neither wait nor change anything.
_OPEN = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class _OpenFile(NamedTuple):
    """A file that a process has open: under which name it was opened, and by which way we come to it."""

    pid: int
    descriptor: int
    name: str
    inode: tuple[int, int]

    @property
    def link(self) -> str:
        return f"/proc/{self.pid}/fd/{self.descriptor}"


def find_indexes(directory: SharedDirectory) -> list[bytes]:
    """Return the indexes removed from this directory, or with one at its path, by which living processes count.

    Raises `BusyError` as long as one of them is being written; whoever comes to it later finds that it was removed.
    """
    survivors = list(_find_survivors(directory))
    _await_writers(directory, [file for files in survivors for file in files])
    found: dict[tuple[int, int], bytes] = {}
    for files in survivors:
        # Who only looks at the counters has no segment; when nobody else is left, another instance may begin.
        epochs = {_read(file, layout.SEGMENT_START.size)[16:32] for file in files if file.name.startswith("segment-")}
        for file in files:
            if file.name == _REMOVED_INDEX and file.inode not in found:
                content = _read(file)
                if content[32:48] in epochs:
                    found[file.inode] = content
    return list(found.values())


def _find_survivors(directory: SharedDirectory) -> Iterator[list[_OpenFile]]:
    """Give what each process has open in this place that has a removed index open."""
    try:
        place = os.readlink(f"/proc/self/fd/{directory.descriptor}") + "/"
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:  # no Linux
        return
    device = os.fstat(directory.descriptor).st_dev
    for pid in pids:
        files = [file for file in _open_files(pid, place) if file.inode[0] == device]
        if any(file.name == _REMOVED_INDEX for file in files):
            yield files


def _open_files(pid: int, place: str) -> Iterator[_OpenFile]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # it has ended, or is none of our business
        return
    for name in names:
        link = f"/proc/{pid}/fd/{name}"
        try:
            target = os.readlink(link)
            if target.startswith(place):
                status = os.stat(link)
                yield _OpenFile(pid, int(name), target[len(place) :], (status.st_dev, status.st_ino))
        except OSError:  # closed meanwhile
            continue


def _await_writers(directory: SharedDirectory, files: list[_OpenFile]) -> None:
    """Raise `BusyError` if somebody may still write a record that was begun before the removal.

    Such a writer holds the lock it took then, on a file of locks that may have been removed too.
    """
    locks = {file.inode: file for file in files if file.name in (LOCKS, LOCKS + _DELETED)}
    # Through a descriptor of our own where there is one: closing another one would free all locks we have there.
    locks |= {file.inode: file for file in files if file.inode in locks and file.pid == os.getpid()}
    with suppress(OSError):
        status = os.stat(LOCKS, dir_fd=directory.descriptor)
        locks.pop((status.st_dev, status.st_ino), None)  # the caller holds that one
    for file in locks.values():
        if not _is_free(file):
            raise BusyError


def _is_free(file: _OpenFile) -> bool:
    if file.pid == os.getpid():
        return _take_and_free(file.descriptor)
    try:
        descriptor = os.open(file.link, os.O_RDWR | _OPEN)
    except OSError:  # it has ended meanwhile
        return True
    try:
        return identify(descriptor) != file.inode or _take_and_free(descriptor)
    finally:
        os.close(descriptor)


def _take_and_free(descriptor: int) -> bool:
    taken = record_lock.take(descriptor, layout.INDEX_LOCK)
    if taken:
        record_lock.free(descriptor, layout.INDEX_LOCK)
    return taken


def _read(file: _OpenFile, size: int = -1) -> bytes:
    """Return the first `size` bytes, or all; none when the process has closed it meanwhile."""
    try:
        descriptor = os.open(file.link, os.O_RDONLY | _OPEN)
    except OSError:
        return b""
    try:
        if identify(descriptor) != file.inode:
            return b""
        return os.pread(descriptor, os.fstat(descriptor).st_size if size < 0 else size, 0)
    finally:
        os.close(descriptor)
