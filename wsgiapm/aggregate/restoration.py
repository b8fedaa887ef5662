# SPDX-License-Identifier: Apache-2.0
"""Restoring a shared directory that was taken away under running processes.

logind's RemoveIPC (Debian's default) empties a user's /dev/shm at the last logout. The processes go on in their mappings;
each puts its own counters back under the same epoch, so that no total goes down; and so does a process that starts
meanwhile with the index (see `survivors`). What dead processes left is put back by the leader, which keeps their files open
for that (see `keeper`). Where another instance has taken the place, ours goes on beside it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import DEFAULT_BUDGET, Budget
from wsgiapm.aggregate.directory import SharedDirectory, create_directory, segment_is_live
from wsgiapm.aggregate.index_file import IndexFile, open_index, put_back_index
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.relocation import move_cells
from wsgiapm.aggregate.segment import Segment, set_aside, take_segment
from wsgiapm.errors import SharedDirectoryError


def is_in_place(instance: Instance) -> bool:
    """Tell whether others still find the directory, the index and our segment in it, where they look for them."""
    directory = instance.directory
    return directory is None or (directory.in_place() and instance.index.in_place() and instance.segment.in_place())


class _TakenError(SharedDirectoryError):
    """The place is another instance's now."""


class _ExchangedError(SharedDirectoryError):
    """The index in the place has our epoch, and other records than we know."""


def restore(instance: Instance) -> bool:
    """Put back what is missing of directory, index and our segment; the caller has to take `instance.cells` anew.

    Returns False when the index is busy and it has to be tried again. Where another instance has taken the place, or
    nothing can be made there, ours goes on beside it. Raises `SharedDirectoryError` when that is impossible too, or the
    index was exchanged for one with other records, OSError without room.
    """
    old = instance.directory
    if old is None:
        return True
    if old.in_place() and instance.segment.in_place():
        with suppress(_TakenError):
            return _move_index(instance, old)
    try:
        return _move(instance, old, create_directory(old.path))
    except _ExchangedError:
        raise
    except SharedDirectoryError as error:
        try:
            beside = create_directory(place_beside(old.path, instance.header.epoch))
        except SharedDirectoryError:
            raise error from None
        return _move(instance, old, beside)


def place_beside(path: str, epoch: bytes) -> str:
    """Return where an instance goes on whose place has been taken: there all its processes meet again."""
    return f"{path}-{epoch[:4].hex()}"


def _move(instance: Instance, old: SharedDirectory, directory: SharedDirectory) -> bool:
    with ExitStack() as undo:
        undo.callback(directory.close)
        if not _move_index(instance, directory):
            return False
        _set_stranger_aside(instance, old)
        budget = _budget_of(instance, directory)
        segment = _new_segment(instance, directory, budget)
        undo.pop_all()
    abandoned = layout.segment_name(instance.segment.number) if instance.segment.in_place() else ""
    move_cells(instance, segment)
    if abandoned:  # beside an instance that took the place of the index: what is in it is counted elsewhere now
        with suppress(OSError):
            old.remove(abandoned)
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
            raise _TakenError(msg)
        file.budget = _budget_of(instance, directory)
        try:
            moved = instance.index.move_to(file, file.budget.allows)
        except ValueError as error:
            path = directory.path
            msg = (
                f"{path}/index was exchanged for another one; stop the app, remove the directory {path} and start again"
            )
            raise _ExchangedError(msg) from error
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
    if (
        directory.in_place()
        and not instance.segment.in_place()
        and directory.holder(layout.SEGMENT_LOCKS + number) == os.getpid()
    ):
        with suppress(FileNotFoundError):
            set_aside(directory, number)


def _restore_index(instance: Instance, directory: SharedDirectory) -> IndexFile | None:
    try:
        return open_index(directory)
    except FileNotFoundError:
        try:
            own = instance.index.whole()
        except OSError:  # something in this process has closed it; perhaps others have theirs still
            own = b""
        return open_index(directory) if put_back_index(directory, instance.header, own) else None


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
