# SPDX-License-Identifier: Apache-2.0
"""The journal: a bounded ring of events in a file, written by the owner of a segment and read by the leader.

It is written with `pwrite` only, so that a full file system costs an event and not the process.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from zlib import crc32

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import Budget, BusyError
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.aggregate.turn import Turn
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.named_tuple import NamedTuple

CAPACITY = 256 * 1024
_PENDING_AT_MOST = 256
_PENDING_BYTES_AT_MOST = 2 * CAPACITY
_HEAD = layout.EVENT.size


class Event(NamedTuple):
    """One event; `time` is wall time in nanoseconds."""

    kind: int
    time: int
    payload: bytes


class _State(NamedTuple):
    """The words of the header that change, and the size of the ring."""

    capacity: int
    written: int
    consumed: int


class Unread(NamedTuple):
    """The events of one journal that nobody has consumed; hand `end` to `consume` when they are delivered."""

    events: list[Event]
    end: int
    damaged: bool


class Journal:
    """The journal of the segment this process owns. The file is made at the first event."""

    def __init__(
        self,
        directory: SharedDirectory,
        number: int,
        epoch: bytes,
        dropped: Callable[[str], None],
        capacity: int = CAPACITY,
        budget: Budget | None = None,
    ) -> None:
        """`dropped(reason)` is called for each event that cannot be kept; `capacity` is in bytes, and at most so many."""
        self._directory = directory
        self._number = number
        self._epoch = epoch
        self._dropped = dropped
        self._capacity = capacity
        self._budget = budget
        self._file: SharedFile | None = None
        self._written = 0
        self._turn = Turn()
        self._pending: deque[Event] = deque()

    def append(self, kind: int, payload: bytes) -> None:
        """Write an event now, or, when another thread is writing, a little later. Never waits, never raises OSError."""
        self.post(kind, payload)
        self.flush()

    def post(self, kind: int, payload: bytes) -> None:
        """Have an event written by the next `flush`, which every harvest does: for who must not write a file."""
        pending = sum(len(event.payload) for event in list(self._pending))
        if len(self._pending) >= _PENDING_AT_MOST or (pending and pending + len(payload) > _PENDING_BYTES_AT_MOST):
            self._dropped("busy")
            return
        self._pending.append(Event(kind, clock.time_ns(), payload))

    def flush(self) -> None:
        """Write what is pending, unless another thread is about to."""
        with self._turn.taken() as ours:
            while ours and self._pending:
                # Taken off only when it is in the file: an exception in between may double an event, but not lose it.
                try:
                    reason = self._write(self._pending[0])
                except BusyError:  # another process takes room for something
                    return
                self._pending.popleft()
                if reason:
                    self._dropped(reason)

    def close(self) -> None:
        """Forget what is pending and close the file."""
        self._pending.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, event: Event) -> str:
        """Write one event; return why it could not be, or nothing."""
        try:
            file = self._file or self._open()
            data = _encode(event)
            place = self._written % self._capacity
            padding = _padding(self._capacity - place, len(data))
            (consumed,) = layout.U64.unpack(file.read(layout.WORD, layout.CONSUMED_OFFSET))
            if self._written + len(padding) + len(data) - consumed > self._capacity:
                return "full"
            if padding:
                file.write(padding[:_HEAD], layout.PAGE + place)
                place = 0
            file.write(data, layout.PAGE + place)
            written = self._written + len(padding) + len(data)
            file.write(layout.U64.pack(written), layout.WRITTEN_OFFSET)
            self._written = written
        except (OSError, SharedDirectoryError):
            return "no room"
        return ""

    def _open(self) -> SharedFile:
        file = SharedFile(self._directory, layout.journal_name(self._number), os.O_RDWR | os.O_CREAT)
        with ExitStack() as undo:
            undo.callback(self._give_up, file)
            state = _read_state(file, self._number, self._epoch)
            if state is None:
                _refuse_counters(file, self._directory.path)
                state = _State(self._initialise(file), 0, 0)
            undo.pop_all()
        self._capacity, self._written = state.capacity, state.written
        self._file = file
        return file

    def _give_up(self, file: SharedFile) -> None:
        with suppress(OSError):
            if not file.size:
                self._directory.remove(file.name)
        file.close()

    def _initialise(self, file: SharedFile) -> int:
        """Make an empty ring; returns its capacity."""
        # The magic last: as long as it is missing the file is no journal.
        capacity = self._capacity
        if self._budget is not None:
            capacity = self._budget.allocate_journal(file, capacity)
        file.write(bytes(layout.WORD), 0)
        page = layout.JOURNAL_START.pack(layout.JOURNAL_MAGIC, layout.VERSION, self._epoch, self._number, capacity)
        file.write(page[layout.WORD :].ljust(layout.PAGE - layout.WORD, b"\0"), layout.WORD)
        file.write(page[: layout.WORD], 0)
        return capacity


def _encode(event: Event) -> bytes:
    rest = layout.EVENT_REST.pack(event.time, event.kind, 0) + event.payload
    record = layout.RECORD.pack(len(event.payload), crc32(rest)) + rest
    return record + bytes(-len(record) % layout.WORD)


def _padding(left: int, wanted: int) -> bytes:
    """Return what fills the ring up to its end when a record does not fit there."""
    if wanted <= left:
        return b""
    rest = layout.EVENT_REST.pack(0, layout.PADDING_EVENT, 0)
    head = layout.RECORD.pack(max(left - _HEAD, 0), crc32(rest)) + rest
    return head[:left].ljust(left, b"\0")


def _refuse_counters(file: SharedFile, path: str) -> None:
    """Raise for somebody's counters under the name of a journal: they must not be overwritten."""
    if file.read(layout.WORD, 0) in (layout.SEGMENT_MAGIC, layout.INDEX_MAGIC):
        msg = f"{path}/{file.name} is no journal; stop the app, remove the directory {path}"
        raise SharedDirectoryError(msg)


def _read_state(file: SharedFile, number: int, epoch: bytes) -> _State | None:
    page = file.read(layout.PAGE, 0)
    if len(page) < layout.PAGE:
        return None
    magic, version, its_epoch, its_number, capacity = layout.JOURNAL_START.unpack_from(page)
    if (magic, version, its_epoch, its_number) != (layout.JOURNAL_MAGIC, layout.VERSION, epoch, number):
        return None
    written, consumed = layout.JOURNAL_WORDS.unpack_from(page, layout.WRITTEN_OFFSET)
    possible = capacity % layout.WORD == 0 and 0 <= written - consumed <= capacity <= _LARGEST
    return _State(capacity, written, consumed) if possible and capacity else None


_LARGEST = 64 * 2**20


def _parse(data: bytes) -> Iterator[tuple[Event | None, int]]:
    """Yield each event, None for padding, and the bytes it took; ends early where something is damaged."""
    position = 0
    while position + _HEAD <= len(data):
        length, checksum = layout.RECORD.unpack_from(data, position)
        time, kind, _ = layout.EVENT_REST.unpack_from(data, position + layout.RECORD.size)
        body = position + layout.RECORD.size
        end = position + _HEAD + length
        checked = body + layout.EVENT_REST.size if kind == layout.PADDING_EVENT else end
        if end > len(data) or crc32(data[body:checked]) != checksum:
            return
        size = _HEAD + length + -length % layout.WORD
        yield (None if kind == layout.PADDING_EVENT else Event(kind, time, data[position + _HEAD : end])), size
        position += size


def read_events(directory: SharedDirectory, number: int, epoch: bytes) -> Unread:
    """Return what nobody has consumed of the journal of segment `number`.

    What is damaged is skipped, up to the latest event. Raises FileNotFoundError when there is no such journal, OSError
    and `SharedDirectoryError` when it cannot be read.
    """
    file = SharedFile(directory, layout.journal_name(number), os.O_RDONLY)
    try:
        state = _read_state(file, number, epoch)
        if state is None:
            return Unread([], 0, damaged=True)
        return _read_ring(file, state)
    finally:
        file.close()


def _read_ring(file: SharedFile, state: _State) -> Unread:
    events: list[Event] = []
    position = state.consumed
    while position < state.written:
        place = position % state.capacity
        stretch = min(state.capacity - place, state.written - position)
        data = file.read(stretch, layout.PAGE + place).ljust(stretch, b"\0")
        taken = 0
        for event, size in _parse(data):
            taken += size
            if event is not None:
                events.append(event)
        if taken < stretch and (stretch - taken >= _HEAD or place + stretch < state.capacity):
            return Unread(events, state.written, damaged=True)
        position += stretch
    return Unread(events, state.written, damaged=False)


def consume(directory: SharedDirectory, number: int, end: int) -> None:
    """Note that everything up to `end` has been delivered, and free its room. Only the leader may; raises OSError."""
    file = SharedFile(directory, layout.journal_name(number), os.O_RDWR)
    try:
        file.write(layout.U64.pack(end), layout.CONSUMED_OFFSET)
    finally:
        file.close()
