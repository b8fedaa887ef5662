# SPDX-License-Identifier: Apache-2.0
"""Restoring a shared directory that was taken away under running processes.

logind's RemoveIPC (Debian's default) empties a user's /dev/shm at the last logout. The processes go on in their mappings;
each puts its own counters back under the same epoch, so that no total goes down. What dead processes left is put back by the
leader, which keeps their files open for that (see `Orphanage`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

from wsgiapm import clock, native
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import DEFAULT_BUDGET, Budget, BusyError
from wsgiapm.aggregate.directory import SharedDirectory, create_directory, identify, segment_is_live
from wsgiapm.aggregate.index_file import IndexFile, open_index, write_index
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.segment import Segment, set_aside, take_segment
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.errors import SharedDirectoryError

# Long enough for every thread that has the old cells in its hands to be through with them.
_GRACE = 0.05
_STRIDE = 512
# How often (and after how many seconds again) room is asked for while others take some.
_ATTEMPTS, _PAUSE = 40, 0.005


def is_in_place(instance: Instance) -> bool:
    """Tell whether others still find the directory, the index and our segment in it, where they look for them."""
    directory = instance.directory
    return directory is None or (_is_there(directory) and instance.index.in_place() and instance.segment.in_place())


def _is_there(directory: SharedDirectory) -> bool:
    try:
        status = os.stat(directory.path, follow_symlinks=False)
        return (status.st_dev, status.st_ino) == identify(directory.descriptor)
    except OSError:
        return False


def restore(instance: Instance) -> bool:
    """Put back what is missing of directory, index and our segment; the caller has to take `instance.cells` anew.

    Returns False when the index is busy and it has to be tried again. Raises `SharedDirectoryError` when another
    instance, or another index, has taken the place, OSError without room.
    """
    old = instance.directory
    if old is None:
        return True
    if _is_there(old) and instance.segment.in_place():
        return _move_index(instance, old)
    with ExitStack() as undo:
        directory = create_directory(old.path)
        undo.callback(directory.close)
        if not _move_index(instance, directory):
            return False
        _set_stranger_aside(instance, old)
        budget = _budget_of(instance, directory)
        segment = _new_segment(instance, directory, budget)
        undo.pop_all()
    _move_cells(instance, segment)
    instance.move_to(directory, segment, budget)
    return True


def _move_index(instance: Instance, directory: SharedDirectory) -> bool:
    """Go on with the index that is in this directory, putting it back if there is none; False when it is busy."""
    file = _restore_index(instance, directory)
    if file is None:
        return False
    with ExitStack() as undo:
        undo.callback(file.close)
        if file.header.epoch != instance.header.epoch:
            msg = f"{directory.path} was removed and founded anew while this process was counting; restart the app"
            raise SharedDirectoryError(msg)
        file.budget = _budget_of(instance, directory)
        try:
            moved = instance.index.move_to(file, file.budget.allows)
        except ValueError as error:
            path = directory.path
            msg = (
                f"{path}/index was exchanged for another one; stop the app, remove the directory {path} and start again"
            )
            raise SharedDirectoryError(msg) from error
        if moved:
            undo.pop_all()
    return moved


def _budget_of(instance: Instance, directory: SharedDirectory) -> Budget:
    budget = instance.budget
    if budget is not None and directory is instance.directory:
        return budget
    return Budget(directory, DEFAULT_BUDGET if budget is None else budget.limit)


def _set_stranger_aside(instance: Instance, directory: SharedDirectory) -> None:
    """Take a file away that somebody put in the place of our segment: with ours beside it, it would count twice."""
    number = instance.segment.number
    if _is_there(directory) and directory.holder(layout.SEGMENT_LOCKS + number) == os.getpid():
        with suppress(FileNotFoundError):
            set_aside(directory, number)


def _restore_index(instance: Instance, directory: SharedDirectory) -> IndexFile | None:
    try:
        return open_index(directory)
    except FileNotFoundError:
        if not directory.try_lock(layout.INDEX_LOCK):
            return None
        try:
            write_index(directory, instance.index.whole())
        finally:
            directory.unlock(layout.INDEX_LOCK)
        return open_index(directory)


def _new_segment(instance: Instance, directory: SharedDirectory, budget: Budget) -> Segment:
    """Return an empty segment, ours now, with our old number if nobody has taken it."""
    numbers = [instance.segment.number, *range(layout.MAX_SEGMENTS)]
    for number in numbers:
        if segment_is_live(directory, number) or number in directory.segments():
            continue
        kinds, chunks = instance.index.chunks[:], instance.segment.chunks
        segment = take_segment(directory, instance.header.epoch, kinds, number, budget.allocate, chunks)
        if segment is not None:
            with ExitStack() as undo:
                undo.callback(directory.unlock, layout.SEGMENT_LOCKS + number)
                undo.callback(segment.close)
                segment.cover(chunks)
                if instance.segment.rows > segment.rows:
                    segment.add_rows()
                undo.pop_all()
            return segment
    msg = f"{directory.path} is in use by {layout.MAX_SEGMENTS} processes, the most it can have"
    raise SharedDirectoryError(msg)


def _move_cells(instance: Instance, segment: Segment) -> None:
    old, new = instance.cells, segment.cells
    copied = _copy(old)
    start = layout.segment_start(instance.header.epoch, segment.number)
    moved = memoryview(start + copied[len(start) :]).cast(new.format)  # type: ignore[call-overload]  # the number may be another one now
    for part in _parts(old):
        new[part] = moved[part]
    instance.segment, abandoned = segment, instance.segment
    instance.moved()
    native.sleep(_GRACE)
    _add_stragglers(old, memoryview(copied).cast("Q"), new)
    abandoned.close()


def _parts(cells: memoryview[int]) -> tuple[slice, slice]:
    """Return what of a segment is allocated: nobody may look into the hole where rows are missing."""
    rows = layout.usable_rows(cells[layout.ROWS_ALLOCATED])
    return slice(layout.FIRST_ROW + rows * layout.ROW_WORDS), slice(layout.FIRST_CELL, len(cells))


def _copy(cells: memoryview[int]) -> bytes:
    first, rest = _parts(cells)
    copied = cells[first].tobytes()
    return copied.ljust(layout.CELLS_OFFSET, b"\0") + cells[rest].tobytes()


def _add_stragglers(old: memoryview[int], copied: memoryview[int], new: memoryview[int]) -> None:
    """Carry over what threads still counted in the old cells after they had been copied."""
    now = memoryview(_copy(old)).cast("Q")
    rows = range(layout.FIRST_ROW, layout.FIRST_CELL)
    for start in range(0, len(now), _STRIDE):
        end = min(start + _STRIDE, len(now))
        if now[start:end] == copied[start:end]:
            continue
        for word in range(start, end):
            if now[word] == copied[word]:
                continue
            if word not in rows:
                new[word] += now[word] - copied[word]
            elif not now[word] and new[word] == copied[word]:
                new[word] = 0  # the row of a request that ended meanwhile


def _patiently(step: Callable[[], None]) -> None:
    for _ in range(_ATTEMPTS):
        try:
            return step()
        except BusyError:  # noqa: PERF203
            native.sleep(_PAUSE)
    return step()


class Orphanage:
    """The open files of dead processes' segments, kept by the leader so that they outlive their names."""

    def __init__(self) -> None:
        """Begin with none."""
        self._files: dict[int, SharedFile] = {}

    def visit(self, directory: SharedDirectory, own: int) -> None:
        """Open the segments that are nobody's now, and let go of those that are somebody's again."""
        orphans = {n for n in directory.segments() if n != own and not segment_is_live(directory, n)}
        for number in self._files.keys() - orphans:
            self._files.pop(number).close()
        for number in orphans - self._files.keys():
            with suppress(OSError, SharedDirectoryError):
                self._files[number] = SharedFile(directory, layout.segment_name(number), os.O_RDONLY)

    def bring_home(self, directory: SharedDirectory, budget: Budget) -> None:
        """Write the segments that are missing in a directory that was restored; raises OSError when there is no room."""
        for number, file in self._files.items():
            if number in directory.segments() or not directory.try_lock(layout.SEGMENT_LOCKS + number):
                continue
            try:
                _patiently(partial(self._write, file, directory, budget))
            finally:
                directory.unlock(layout.SEGMENT_LOCKS + number)
        self.close()

    def _write(self, file: SharedFile, directory: SharedDirectory, budget: Budget) -> None:
        cells = memoryview(file.read(file.size, 0)).cast("Q")
        with ExitStack() as undo:
            new = SharedFile(directory, file.name, os.O_RDWR | os.O_CREAT)
            undo.callback(directory.remove, file.name)
            pieces = [(part.start or 0, part.stop - (part.start or 0)) for part in _parts(cells)]
            budget.allocate(new, [(start * layout.WORD, size * layout.WORD) for start, size in pieces])
            for start, size in pieces:
                new.write(cells[start : start + size].tobytes(), start * layout.WORD)
            undo.pop_all()
        new.close()

    def close(self) -> None:
        """Let go of all."""
        while self._files:
            self._files.popitem()[1].close()


class Keeper:
    """Watches in one process that its directory stays where it is, and puts it back."""

    def __init__(self, instance: Instance, interval: float) -> None:
        """`interval` is the time in seconds between two checks of any process."""
        self._instance = instance
        self._interval = interval
        self._orphanage = Orphanage()
        self._silent_until = 0

    def check(self, *, leading: bool) -> bool:
        """Look, and restore what is missing; returns whether anything was restored. Raises as `restore` does."""
        directory = self._instance.directory
        if directory is None or is_in_place(self._instance):
            if directory is not None and leading:
                self._orphanage.visit(directory, self._instance.segment.number)
            return False
        try:
            if not restore(self._instance):
                return False
        except BusyError:
            return False
        # Until every other process has put its counters back, the sums are too small to be told to anybody.
        self._silent_until = clock.monotonic_ns() + int(2 * self._interval * 1_000_000_000)
        directory, budget = self._instance.directory, self._instance.budget
        if leading and directory is not None and budget is not None:
            self._orphanage.bring_home(directory, budget)
        return True

    def is_silent(self) -> bool:
        """Tell whether the sums are not to be uploaded yet."""
        return clock.monotonic_ns() < self._silent_until
