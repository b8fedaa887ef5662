# SPDX-License-Identifier: Apache-2.0
"""One process's part in an instance: its directory, the shared index, and the segment it counts in."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.accounts import Accounts
from wsgiapm.aggregate.adoption import Aborted, Settlement, Witness
from wsgiapm.aggregate.budget import DEFAULT_BUDGET, Budget, BusyError, default_limit
from wsgiapm.aggregate.directory import SharedDirectory, create_directory, open_directory
from wsgiapm.aggregate.index import Index, IndexFullError, MemoryLog
from wsgiapm.aggregate.index_file import Identity, IndexFile, IndexHeader, create_index, open_index
from wsgiapm.aggregate.journal import Journal
from wsgiapm.aggregate.memory import PrivateMemory
from wsgiapm.aggregate.schema import DROPPED
from wsgiapm.aggregate.segment import Segment, open_segment
from wsgiapm.errors import SharedDirectoryError

# What a process needs that counts on its own: cells for what is reserved, and for some routes.
_LEAST_ALONE = layout.segment_size(4)


__all__ = ["BusyError", "CallWitness", "Instance", "alone", "join", "observe"]

CallWitness = Callable[["Instance"], Witness]


class Instance(Accounts):
    """What a process needs in order to count: see `join` and `alone`."""

    def __init__(
        self,
        header: IndexHeader,
        index: Index,
        segment: Segment,
        directory: SharedDirectory | None,
        budget: Budget | None = None,
    ) -> None:
        """Put the parts together; `directory` and `budget` are None when nobody else counts with us."""
        super().__init__(index, segment)
        self.header = header
        self.directory = directory
        self.budget = budget
        self.moved: Callable[[], None] = lambda: None  # for who has `cells` in its hands
        self._settlement = Settlement(index, self)
        self.journal: Journal | None = None
        if directory is not None and segment.number >= 0:
            self.journal = Journal(directory, segment.number, header.epoch, self._drop_event, budget=budget)

    def begin(self, apdex_t: int, call_witness: CallWitness | None = None) -> list[Aborted]:
        """Settle what an earlier owner of the segment left, and take it over; returns what it left running.

        `apdex_t` is in nanoseconds; `call_witness` is for who wants to know how that owner ended. Raises `BusyError` when
        the index is being written, and `IndexFullError` or OSError when there is no room.
        """
        number = self.index.add_table(apdex_t)
        if number is None:
            raise BusyError
        self.use_table(number)
        self.reserve()
        if self.settle(call_witness) is None:
            raise BusyError
        self.cells[layout.APDEX_T] = apdex_t
        self.segment.claim(self.header.epoch)
        return self._settlement.aborted

    def settle(self, call_witness: CallWitness | None) -> list[Aborted] | None:
        """Count what an earlier owner of the segment left; returns what it left running, None when the index is busy."""
        witness = None if call_witness is None else call_witness(self)
        if not self._settlement.settle():
            return None
        if witness is not None:
            witness.tell(self._settlement.aborted)
        return self._settlement.aborted

    def _drop_event(self, reason: str) -> None:
        try:
            series = self.series(DROPPED, (("reason", reason), ("what", "event")))
        except (IndexFullError, OSError):
            return
        if series is not None:
            self.cells[series.head] += 1

    def refresh(self) -> None:
        """Learn what others have added to the index."""
        self.index.refresh()

    def keep(self) -> None:
        """Set right what others may have done: closed the file of our locks, broken off a writer, overwritten our header."""
        self.index.release()
        self.segment.keep(self.header.epoch)
        if self.directory is not None:
            with suppress(FileNotFoundError):  # it was removed just now, and is going to be put back
                self.directory.try_lock(layout.SEGMENT_LOCKS + self.segment.number)

    def move_to(self, directory: SharedDirectory, segment: Segment, budget: Budget) -> None:
        """Go on in a directory that was restored, with the counters in `segment`."""
        old, self.directory, self.segment, self.budget = self.directory, directory, segment, budget
        self.journal = Journal(directory, segment.number, self.header.epoch, self._drop_event, budget=budget)
        if old is not None:
            old.close()

    def leave(self) -> None:
        """In the child of a fork: let go of what is the parent's. What is still recorded here is not counted."""
        self.index.damaged = True  # perhaps copied in the middle of a replay
        self.segment.leave()
        self._close_files()

    def close(self) -> None:
        """Close everything and free the locks; nothing may be recorded any more."""
        self.segment.close()
        self._close_files()

    def _close_files(self) -> None:
        if self.journal is not None:
            self.journal.close()
        self.index.close()
        if self.directory is not None:
            self.directory.close()


def _make_index(file: IndexFile, directory: SharedDirectory, budget: Budget) -> Index:
    file.budget = budget
    index = Index(file, budget.allows)
    if index.damaged:
        path = directory.path
        msg = f"{path}/index is damaged; stop the app, remove the directory {path} and start again"
        raise SharedDirectoryError(msg)
    return index


def _check_identity(path: str, ours: Identity, theirs: Identity) -> None:
    if ours != theirs:
        msg = (
            f"shared directory {path} belongs to app_name={theirs.app!r} environment={theirs.environment!r} "
            f"instance_name={theirs.instance!r}, this process is {ours.app!r}, {ours.environment!r}, "
            f"{ours.instance!r}: give one of them another shared_dir"
        )
        raise SharedDirectoryError(msg)


def join(path: str, identity: Identity, budget: int = 0) -> Instance:
    """Take part in the instance at `path`, founding it when it is new. `Instance.begin` has to follow.

    `budget` is in bytes; 0 means the default of `Budget`. Raises `SharedDirectoryError` when the directory cannot be used or
    belongs to another app, `BusyError` when it is just being founded, or removed, OSError when there is no room.
    """
    with ExitStack() as undo:
        directory = create_directory(path)
        undo.callback(directory.close)
        try:
            instance = _join(directory, identity, budget, undo)
        except OSError as error:
            if directory.in_place():
                raise
            raise BusyError from error  # it was removed just now
        undo.pop_all()
    return instance


def _join(directory: SharedDirectory, identity: Identity, budget: int, undo: ExitStack) -> Instance:
    file = _open_or_create(directory, identity, budget)
    undo.callback(file.close)
    _check_identity(directory.path, identity, file.header.identity)
    room = _make_budget(directory, file.header, budget)
    index = _make_index(file, directory, room)
    segment = open_segment(directory, file.header.epoch, index.chunks, room.allocate)
    return Instance(file.header, index, segment, directory, room)


def _make_budget(directory: SharedDirectory, header: IndexHeader, limit: int) -> Budget:
    # Who has set none goes by what was there when the instance was founded.
    return Budget(directory, limit or header.limit or default_limit(directory))


def _open_or_create(directory: SharedDirectory, identity: Identity, limit: int) -> IndexFile:
    try:
        return open_index(directory)
    except FileNotFoundError:
        if not create_index(directory, identity, limit or default_limit(directory)):
            raise BusyError from None
        return open_index(directory)


def observe(path: str) -> Instance:
    """Open the instance at `path` in order to harvest it, without counting anything of our own.

    Raises `SharedDirectoryError` when it cannot be read. `Instance.close` is for when it is no longer needed.
    """
    with ExitStack() as undo:
        directory = open_directory(path)
        undo.callback(directory.close)
        try:
            file = open_index(directory)
        except FileNotFoundError:
            msg = f"{path} holds no counters of wsgiapm yet; start the app, or name the right directory"
            raise SharedDirectoryError(msg) from None
        undo.callback(file.close)
        budget = _make_budget(directory, file.header, 0)
        index = _make_index(file, directory, budget)
        undo.pop_all()
    segment = Segment(-1, PrivateMemory(layout.segment_size(1)), 1)
    return Instance(file.header, index, segment, directory, budget)


def alone(identity: Identity, budget: int = 0) -> Instance:
    """Return an instance in this process's own memory, for when no directory can be shared."""
    limit = max(budget or DEFAULT_BUDGET, _LEAST_ALONE)

    def fits(chunks: int) -> bool:
        return layout.segment_size(chunks) <= limit

    header = IndexHeader(os.urandom(16), clock.time_ns(), identity)
    return Instance(header, Index(MemoryLog(), fits), Segment(0, PrivateMemory(limit), 1), None)
