# SPDX-License-Identifier: Apache-2.0
"""One process's part in an instance: its directory, the shared index, and the segment it counts in."""

from __future__ import annotations

import os
from dataclasses import dataclass

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted, aborted_attributes, aborted_before, find_aborted, settle
from wsgiapm.aggregate.directory import SharedDirectory, create_directory, open_directory, segment_is_live
from wsgiapm.aggregate.histogram import BLOCKS, Table
from wsgiapm.aggregate.in_flight import read_rows
from wsgiapm.aggregate.index import Index, IndexFullError, MemoryLog, Series
from wsgiapm.aggregate.index_file import Identity, IndexFile, IndexHeader, create_index, open_index
from wsgiapm.aggregate.schema import (
    ABORTED_REQUESTS,
    DROPPED,
    ERROR,
    METHOD,
    METRICS,
    OTHER,
    OTHER_METHOD,
    REQUEST_DURATION,
    ROUTE,
    UNKNOWN,
)
from wsgiapm.aggregate.segment import PrivateMemory, Segment, open_segment
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.errors import SharedDirectoryError

DEFAULT_BUDGET = 32 * 2**20
OTHER_REQUESTS: Attributes = ((METHOD, OTHER_METHOD), (ROUTE, OTHER))
OTHER_ERRORS: Attributes = ((ERROR, "_OTHER"), *OTHER_REQUESTS)


class BusyError(Exception):
    """Another process is writing the index; the same will work a moment later."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The bytes all files of a directory may have together."""

    directory: SharedDirectory
    index: IndexFile
    limit: int

    def allows(self, chunks: int) -> bool:
        """Tell whether every segment there is, and one more, may have this many chunks."""
        segments = len(self.directory.segments()) + 1
        return segments * layout.segment_size(chunks) + self.index.size() <= self.limit


def default_budget(directory: SharedDirectory) -> int:
    """Return the smaller of 32 MiB and half of what is free where the directory lies."""
    free = os.fstatvfs(directory.descriptor)
    return min(DEFAULT_BUDGET, free.f_bavail * free.f_frsize // 2)


class Instance:
    """What a process needs in order to count: see `join` and `alone`."""

    def __init__(self, header: IndexHeader, index: Index, segment: Segment, directory: SharedDirectory | None) -> None:
        """Put the parts together; `directory` is None when nobody else counts with us."""
        self.header = header
        self.index = index
        self.segment = segment
        self.directory = directory
        self.table_number = 0
        self.table: Table
        self.dropped: dict[str, int] = {}

    def begin(self, apdex_t: int) -> list[Aborted]:
        """Settle what an earlier owner of the segment left, and take it over; returns what it left running.

        `apdex_t` is in nanoseconds. Raises `BusyError` when the index is being written, and `IndexFullError` or
        OSError when there is no room.
        """
        left = settle(self.index, self)
        number = self.index.add_table(apdex_t)
        if left is None or number is None:
            raise BusyError
        self.segment.claim(self.header.epoch)
        self.table_number = number
        self.table = self.index.tables[number]
        self._reserve()
        self.note_finished()
        return left

    def note_finished(self) -> None:
        """Write into our header how many transactions our segment has finished."""
        # What has begun is read before what runs, so that one that begins in between makes the result too small, never
        # too large: as a counter it must not go back.
        begun = self.cells[layout.BEGUN]
        running = len(read_rows(self.cells)) + self.cells[layout.ROWLESS] + self.cells[layout.WAITING]
        finished = begun - running - aborted_before(self.index.series[:], self.cells)
        self.cells[layout.FINISHED] = max(finished, self.cells[layout.FINISHED])

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
        for reason in ("max_series", "budget"):
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
        """Learn what others have added to the index; raises OSError when our segment cannot grow."""
        self.index.refresh()
        self.segment.cover(len(self.index.chunks))

    def series(self, metric: str, attributes: Attributes) -> Series | None:
        """Return the series, adding it; None when it is to be tried again.

        Raises `IndexFullError` or OSError when there is no room.
        """
        definition = METRICS[metric]
        series = self.index.add_series((metric, attributes), definition.kind, definition.head)
        self.segment.cover(len(self.index.chunks))
        return series

    def add_block(self, series: Series, octave: int) -> bool:
        """Make sure that a histogram has the cells of an octave; False when it is to be tried again.

        Raises `IndexFullError` or OSError when there is no room.
        """
        added = self.index.add_block(series, self.table_number, octave)
        self.segment.cover(len(self.index.chunks))
        return added

    def position(self, route: str, reason: str) -> int | None:
        """Return the cell where transactions aborted on this route are counted; None when the index is busy."""
        try:
            series = self.series(ABORTED_REQUESTS, aborted_attributes(route, reason))
        except (IndexFullError, OSError):
            series = self.index.by_key.get((ABORTED_REQUESTS, aborted_attributes(UNKNOWN, reason)))
        return None if series is None else series.head

    def settle_others(self) -> list[tuple[int, Aborted]]:
        """Settle the segments of other processes that died; returns segment number and what was running there."""
        settled: list[tuple[int, Aborted]] = []
        directory = self.directory
        if directory is None:
            return settled
        for number in directory.segments():
            if number != self.segment.number and not segment_is_live(directory, number):
                settled += ((number, aborted) for aborted in self._settle_other(directory, number))
        return settled

    def _settle_other(self, directory: SharedDirectory, number: int) -> list[Aborted]:
        segment = open_segment(directory, self.header.epoch, len(self.index.chunks), number)
        if segment is None:
            return []
        try:
            if segment.number != number or not find_aborted(self.index, segment.cells):
                return []
            other = Instance(self.header, self.index, segment, directory)
            return settle(self.index, other) or []
        finally:
            directory.unlock(layout.SEGMENT_LOCKS + segment.number)


def _make_index(file: IndexFile, directory: SharedDirectory, budget: int) -> Index:
    index = Index(file, Budget(directory, file, budget or default_budget(directory)).allows)
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

    `budget` is in bytes; 0 means `default_budget`. Raises `SharedDirectoryError` when the directory cannot be used or
    belongs to another app, `BusyError` when it is just being founded, OSError when there is no room.
    """
    directory = create_directory(path)
    try:
        file = open_index(directory)
    except FileNotFoundError:
        if not create_index(directory, identity):
            raise BusyError from None
        file = open_index(directory)
    _check_identity(path, identity, file.header.identity)
    index = _make_index(file, directory, budget)
    segment = open_segment(directory, file.header.epoch, len(index.chunks))
    if segment is None:
        msg = f"{path} is in use by {layout.MAX_SEGMENTS} processes, the most it can have"
        raise SharedDirectoryError(msg)
    return Instance(file.header, index, segment, directory)


def observe(path: str) -> Instance:
    """Open the instance at `path` in order to harvest it, without counting anything of our own.

    Raises `SharedDirectoryError` when it cannot be read.
    """
    directory = open_directory(path)
    try:
        file = open_index(directory)
    except FileNotFoundError:
        msg = f"{path} holds no counters of wsgiapm yet; start the app, or name the right directory"
        raise SharedDirectoryError(msg) from None
    index = _make_index(file, directory, 0)
    return Instance(file.header, index, Segment(-1, PrivateMemory(DEFAULT_BUDGET), 1), directory)


def alone(identity: Identity, budget: int = 0) -> Instance:
    """Return an instance in this process's own memory, for when no directory can be shared."""
    limit = budget or DEFAULT_BUDGET

    def fits(chunks: int) -> bool:
        return layout.segment_size(chunks) <= limit

    header = IndexHeader(os.urandom(16), clock.time_ns(), identity)
    return Instance(header, Index(MemoryLog(), fits), Segment(0, PrivateMemory(limit), 1), None)
