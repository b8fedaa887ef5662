# SPDX-License-Identifier: Apache-2.0
"""One process's part in an instance: its directory, the shared index, and the segment it counts in."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted, Ended, Settlement, Witness
from wsgiapm.aggregate.budget import DEFAULT_BUDGET, Budget
from wsgiapm.aggregate.catalogue import Series
from wsgiapm.aggregate.directory import SharedDirectory, create_directory, open_directory
from wsgiapm.aggregate.histogram import BLOCKS, Table
from wsgiapm.aggregate.index import Index, IndexFullError, MemoryLog
from wsgiapm.aggregate.index_file import Identity, IndexFile, IndexHeader, create_index, open_index
from wsgiapm.aggregate.journal import Journal
from wsgiapm.aggregate.schema import (
    ABORTED_REQUESTS,
    DROPPED,
    METRICS,
    OTHER_ERRORS,
    OTHER_REQUESTS,
    REQUEST_DURATION,
    UNKNOWN,
    aborted_attributes,
    request_attributes,
)
from wsgiapm.aggregate.segment import PrivateMemory, Segment, open_segment
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.errors import SharedDirectoryError

# What a process needs that counts on its own: cells for what is reserved, and for some routes.
_LEAST_ALONE = layout.segment_size(4)


class BusyError(Exception):
    """Another process is writing the index; the same will work a moment later."""


CallWitness = Callable[["Instance"], Witness]


class Instance:
    """What a process needs in order to count: see `join` and `alone`."""

    def __init__(
        self, header: IndexHeader, index: Index, segment: Segment, directory: SharedDirectory | None, budget: int = 0
    ) -> None:
        """Put the parts together; `directory` is None when nobody else counts with us. `budget`: see `join`."""
        self.header = header
        self.index = index
        self.segment = segment
        self.directory = directory
        self.table_number = 0
        self.table: Table
        self.dropped: dict[str, int] = {}
        self.budget = budget
        self.moved: Callable[[], None] = lambda: None  # for who has `cells` in its hands
        self._settlement = Settlement(index, self)
        self.journal: Journal | None = None
        if directory is not None and segment.number >= 0:
            self.journal = Journal(directory, segment.number, header.epoch, self._drop_event)

    def begin(self, apdex_t: int, call_witness: CallWitness | None = None) -> list[Aborted]:
        """Settle what an earlier owner of the segment left, and take it over; returns what it left running.

        `apdex_t` is in nanoseconds; `call_witness` is for who wants to know how that owner ended. Raises `BusyError` when
        the index is being written, and `IndexFullError` or OSError when there is no room.
        """
        number = self.index.add_table(apdex_t)
        if number is None:
            raise BusyError
        self.use_table(number)
        self._reserve()
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

    def use_table(self, number: int) -> None:
        """Count durations in the cells of this table."""
        self.table_number = number
        self.table = self.index.tables[number]

    def _reserve(self) -> None:
        # What does not fit any more must still be counted, and that it did not fit: these have their cells from the start.
        if self.index.add_name(UNKNOWN) is None:
            raise BusyError
        for attributes in (OTHER_REQUESTS, OTHER_ERRORS):
            series = self._require(REQUEST_DURATION, attributes)
            for octave in range(BLOCKS):
                if not self.add_block(series, octave):
                    raise BusyError
        for reason in ("killed", "timeout"):
            self._require(ABORTED_REQUESTS, aborted_attributes(UNKNOWN, reason))
        for reason in ("max_series", "budget", "busy"):
            series = self._require(DROPPED, (("reason", reason), ("what", "series")))
            self.dropped[reason] = series.head

    def _require(self, metric: str, attributes: Attributes) -> Series:
        series = self.series(metric, attributes)
        if series is None:
            raise BusyError
        return series

    @property
    def cells(self) -> memoryview[int]:
        """Return the words of our segment as it is mapped now."""
        return self.segment.cells

    def refresh(self) -> None:
        """Learn what others have added to the index."""
        self.index.refresh()

    def cover(self) -> None:
        """Make sure that our segment has all cells the index knows; raises OSError when there is no room."""
        self.segment.cover(len(self.index.chunks))

    def keep(self) -> None:
        """Set right what others may have done: closed the file of our locks, broken off a writer, overwritten our header."""
        self.index.release()
        self.segment.keep(self.header.epoch)
        if self.directory is not None:
            self.directory.try_lock(layout.SEGMENT_LOCKS + self.segment.number)

    def move_to(self, directory: SharedDirectory, segment: Segment) -> None:
        """Go on in a directory that was restored, with the counters in `segment`."""
        old, self.directory, self.segment = self.directory, directory, segment
        self.journal = Journal(directory, segment.number, self.header.epoch, self._drop_event)
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

    def series(self, metric: str, attributes: Attributes) -> Series | None:
        """Return the series, adding it; None when it is to be tried again.

        Raises `IndexFullError` or OSError when there is no room.
        """
        definition = METRICS[metric]
        series = self.index.add_series((metric, attributes), definition.kind, definition.head)
        self.cover()
        return series

    def add_block(self, series: Series, octave: int) -> bool:
        """Make sure that a histogram has the cells of an octave; False when it is to be tried again.

        Raises `IndexFullError` or OSError when there is no room.
        """
        added = self.index.add_block(series, self.table_number, octave)
        self.cover()
        return added

    def aborted_position(self, route: str, reason: str) -> int | None:
        """Return the cell where transactions aborted on this route are counted; None when the index is busy."""
        try:
            series = self.series(ABORTED_REQUESTS, aborted_attributes(route, reason))
        except (IndexFullError, OSError):
            series = self.index.by_key.get((ABORTED_REQUESTS, aborted_attributes(UNKNOWN, reason)))
        return None if series is None else series.head

    def ended_position(self, ended: Ended) -> tuple[int, int] | None:
        """Return the head and the cell of a transaction that another process ended; None when the index is busy."""
        row = ended.row
        attributes = request_attributes(ended.route, row.status, row.method, row.scheme, row.error)
        cell = bisect_left(self.table.uppers, row.duration)
        octave = self.table.octaves[cell]
        try:
            series = self.series(REQUEST_DURATION, attributes)
            if series is None or not self.add_block(series, octave):
                return None
        except (IndexFullError, OSError):
            series = self.index.by_key[REQUEST_DURATION, OTHER_ERRORS if row.error else OTHER_REQUESTS]
        return series.head, series.blocks_of(self.table_number)[octave] + cell


def _make_index(file: IndexFile, directory: SharedDirectory, budget: int) -> Index:
    index = Index(file, Budget(directory, file, budget).allows)
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
    belongs to another app, `BusyError` when it is just being founded, OSError when there is no room.
    """
    directory = create_directory(path)
    file = None
    try:
        file = _open_or_create(directory, identity)
        _check_identity(path, identity, file.header.identity)
        index = _make_index(file, directory, budget)
        segment = open_segment(directory, file.header.epoch, index.chunks)
    except BaseException:
        _close(directory, file)
        raise
    return Instance(file.header, index, segment, directory, budget)


def _open_or_create(directory: SharedDirectory, identity: Identity) -> IndexFile:
    try:
        return open_index(directory)
    except FileNotFoundError:
        if not create_index(directory, identity):
            raise BusyError from None
        return open_index(directory)


def _close(directory: SharedDirectory, file: IndexFile | None) -> None:
    if file is not None:
        file.close()
    directory.close()


def observe(path: str) -> Instance:
    """Open the instance at `path` in order to harvest it, without counting anything of our own.

    Raises `SharedDirectoryError` when it cannot be read. `Instance.close` is for when it is no longer needed.
    """
    directory = open_directory(path)
    file = None
    try:
        file = open_index(directory)
        index = _make_index(file, directory, 0)
    except FileNotFoundError:
        directory.close()
        msg = f"{path} holds no counters of wsgiapm yet; start the app, or name the right directory"
        raise SharedDirectoryError(msg) from None
    except BaseException:
        _close(directory, file)
        raise
    return Instance(file.header, index, Segment(-1, PrivateMemory(layout.segment_size(1)), 1), directory)


def alone(identity: Identity, budget: int = 0) -> Instance:
    """Return an instance in this process's own memory, for when no directory can be shared."""
    limit = max(budget or DEFAULT_BUDGET, _LEAST_ALONE)

    def fits(chunks: int) -> bool:
        return layout.segment_size(chunks) <= limit

    header = IndexHeader(os.urandom(16), clock.time_ns(), identity)
    return Instance(header, Index(MemoryLog(), fits), Segment(0, PrivateMemory(limit), 1), None)
