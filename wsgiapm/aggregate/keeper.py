# SPDX-License-Identifier: Apache-2.0
"""The keeper: looks in every process whether its directory stays where it is, and has it put back.

It also keeps segments of others open, so that they outlive their names, and their processes.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from functools import partial
from weakref import WeakSet

from wsgiapm import clock, native
from wsgiapm.aggregate import layout, record_lock
from wsgiapm.aggregate.budget import Budget, BusyError
from wsgiapm.aggregate.directory import SharedDirectory, identify, lock_segment, segment_is_live
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.owner import owner_lives
from wsgiapm.aggregate.patience import patiently
from wsgiapm.aggregate.relocation import allocated_parts
from wsgiapm.aggregate.restoration import is_in_place, restore
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.aggregate.turn import Turn
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.named_tuple import NamedTuple

# How often, and after how many seconds again, who is about to end tries to put its counters back: a second in all.
_LAST_ATTEMPTS, _LAST_PAUSE = 200, 0.005
# How many segments are kept open. Each takes a descriptor; of those there may be, the leader takes no more than this part.
_BY_LEADER, _BY_OTHERS = 256, 8
_SHARE = 16


class _Kept(NamedTuple):
    """A segment of another process, open, and the file of locks that says whether that process lives."""

    number: int
    file: SharedFile
    locks: int
    locks_inode: tuple[int, int]

    def has_locks(self) -> bool:
        """Tell whether its file of locks is still open, and its descriptor no other file's by now."""
        return identify(self.locks) == self.locks_inode

    def read_header(self) -> memoryview[int]:
        return memoryview(self.file.read(layout.PAGE, 0).ljust(layout.PAGE, b"\0")).cast("Q")

    def is_done(self, epoch: bytes) -> bool:
        """Tell whether what is in it is somewhere else, or of no concern to us."""
        header, start = self.read_header(), layout.segment_start(epoch, self.number)
        return bool(header[layout.MOVED]) or header[: len(start) // layout.WORD].tobytes() != start


_safes: WeakSet[Safe] = WeakSet()


def _leave_all() -> None:
    for safe in list(_safes):
        safe.leave()


# Else a child would have them open as long as it lives, and keep the memory of those that are removed.
os.register_at_fork(after_in_child=_leave_all)


class Safe:
    """Segments of other processes, kept open: what is in them is still there when they have died.

    The leader keeps all, everybody else those that follow its own, so that each is kept by several.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[int, _Kept] = {}
        self._homeless: list[_Kept] = []
        _safes.add(self)

    def leave(self) -> None:
        """Let go of all of them: in the child of a fork, where they are the parent's."""
        for kept in (*self._kept.values(), *self._homeless):
            kept.file.close()
        self._kept.clear()
        self._homeless.clear()

    def look_over(self, directory: SharedDirectory, own: int, most: int) -> None:
        """Open up to so many segments of those there are, and let go of what is not there any more; raises OSError."""
        locks = directory.locks()
        others = sorted(set(directory.segments()) - {own}, key=lambda number: (number < own, number))
        numbers = set(others[:most])
        for number in list(self._kept):
            if number not in numbers or not self._kept[number].file.is_in(directory):
                self._kept.pop(number).file.close()
        for number in numbers - self._kept.keys():
            with suppress(OSError, SharedDirectoryError):
                self._kept[number] = _Kept(number, SharedFile(directory, layout.segment_name(number)), *locks)

    def find_homeless(self, directory: SharedDirectory) -> None:
        """Note which have lost their place, after the directory was removed and put back."""
        while self._kept:
            _, kept = self._kept.popitem()
            if kept.file.is_in(directory):
                kept.file.close()
            else:
                self._homeless.append(kept)

    def bring_home(self, directory: SharedDirectory, budget: Budget, epoch: bytes) -> None:
        """Write what dead processes left, and is without a place, into the directory; raises OSError without room.

        Those that live do so themselves, and are waited for in case they die before.
        """
        for kept in self._homeless[:]:
            if not kept.is_done(epoch) and kept.has_locks():
                _bring_home(kept, directory, budget, epoch)
            if kept.is_done(epoch) or not kept.has_locks():
                self._homeless.remove(kept)
                kept.file.close()


def _bring_home(kept: _Kept, directory: SharedDirectory, budget: Budget, epoch: bytes) -> None:
    # The lock keeps out whoever else has it open. It is that of its owner, too, as long as that one lives.
    byte = layout.SEGMENT_LOCKS + kept.number
    if not record_lock.take(kept.locks, byte):
        return
    try:
        if not kept.is_done(epoch) and not owner_lives(kept.read_header()):
            _write(kept.file, directory, budget)
            kept.file.write(layout.U64.pack(1), layout.MOVED * layout.WORD)
    finally:
        record_lock.free(kept.locks, byte)


def _take_free_number(directory: SharedDirectory) -> int:
    for number in range(layout.MAX_SEGMENTS):
        # Our own is locked by us already, and must stay so.
        if not segment_is_live(directory, number) and lock_segment(directory, number):
            if number not in directory.segments():
                return number
            directory.unlock(layout.SEGMENT_LOCKS + number)
    msg = (
        f"{directory.path} has {layout.MAX_SEGMENTS} segments, the most it can have; remove it when the app is stopped"
    )
    raise SharedDirectoryError(msg)


def _write(file: SharedFile, directory: SharedDirectory, budget: Budget) -> None:
    number = _take_free_number(directory)
    try:
        cells = memoryview(bytearray(file.read(file.size, 0))).cast("Q")
        cells[layout.NUMBER] = number
        patiently(partial(_write_cells, cells, directory, budget, number))
    finally:
        directory.unlock(layout.SEGMENT_LOCKS + number)


def _write_cells(cells: memoryview[int], directory: SharedDirectory, budget: Budget, number: int) -> None:
    with ExitStack() as undo:
        new = SharedFile(directory, layout.segment_name(number), os.O_RDWR | os.O_CREAT)
        undo.callback(new.close)
        undo.callback(directory.remove, new.name)
        pieces = [(part.start or 0, part.stop - (part.start or 0)) for part in allocated_parts(cells)]
        budget.allocate(new, [(start * layout.WORD, size * layout.WORD) for start, size in pieces])
        for start, size in reversed(pieces):  # the header last, see `relocation`
            new.write(cells[start : start + size].tobytes(), start * layout.WORD)
        undo.pop_all()
    new.close()


def keep_safe(safe: Safe, instance: Instance, *, leading: bool, restored: bool) -> None:
    """Look after the segments of others, in each round: `leading` says whether that is ours to do; raises OSError."""
    directory, budget = instance.directory, instance.budget
    if directory is None or budget is None:
        return
    if restored:
        safe.find_homeless(directory)
    safe.bring_home(directory, budget, instance.header.epoch)
    safe.look_over(directory, instance.segment.number, _most_kept(leading=leading))


def _most_kept(*, leading: bool) -> int:
    if not leading:
        return _BY_OTHERS
    limit = os.sysconf("SC_OPEN_MAX")
    return _BY_LEADER if limit < 0 else max(min(limit // _SHARE, _BY_LEADER), _BY_OTHERS)


class Keeper:
    """Watches in one process that its directory stays where it is, and puts it back."""

    def __init__(self, instance: Instance, interval: float) -> None:
        """`interval` is the time in seconds between two checks of any process."""
        self._instance = instance
        self._interval = interval
        self._safe = Safe()
        self._turn = Turn()
        with suppress(OSError, SharedDirectoryError):  # those who are there may end before the first round
            keep_safe(self._safe, instance, leading=False, restored=False)

    def check(self, *, leading: bool) -> bool:
        """Look, and restore what is missing; returns whether anything was restored. Raises as `restore` does."""
        with self._turn.taken() as ours:
            return ours and self._check(leading=leading)

    def check_last(self, *, leading: bool) -> bool:
        """Do the same before this process ends, however long others, or another thread, are at it; a second at most."""
        restored = False
        for _ in range(_LAST_ATTEMPTS):
            restored = self.check(leading=leading) or restored
            if is_in_place(self._instance) and not self._turn.is_taken():
                break
            native.sleep(_LAST_PAUSE)
        return restored

    def _check(self, *, leading: bool) -> bool:
        directory = self._instance.directory
        if directory is None:
            return False
        restored = not is_in_place(self._instance)
        if restored and not self._restore():
            return False
        keep_safe(self._safe, self._instance, leading=leading, restored=restored)
        return restored

    def _restore(self) -> bool:
        try:
            done = restore(self._instance)
        except BusyError:
            return False
        if done:
            self._instance.index.set_word(layout.RESTORED_OFFSET, clock.monotonic_ns())
        return done

    def is_silent(self) -> bool:
        """Tell whether the sums are not to be uploaded yet: until every process has put its counters back they are too small."""
        try:
            restored = self._instance.index.word(layout.RESTORED_OFFSET)
        except OSError:  # removed, and closed by something in this process
            return True
        since = clock.monotonic_ns() - restored
        return bool(restored) and 0 <= since < int(2 * self._interval * 1_000_000_000)
