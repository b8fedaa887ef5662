# SPDX-License-Identifier: Apache-2.0
"""The series index: what the cells of all segments mean. Shared, append-only, replayed by every process.

A process adds a record only under the index lock, and never waits for it: `Index.add_*` return None when somebody else
is writing, and the caller keeps the value until the next attempt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol
from zlib import crc32

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.budget import BusyError, NoRoomError
from wsgiapm.aggregate.catalogue import EXAMPLES_AT_MOST, Catalogue, Key, Series
from wsgiapm.aggregate.turn import Turn

# A record longer than this is refused as if there were no room, so that no single name can fill the index.
_LONGEST = 8192
# After the budget was found full, nobody looks again for so long (nanoseconds).
REFUSED_FOR = 10_000_000_000


class Log(Protocol):
    """Where the records are kept: a shared file, or the memory of one process."""

    def lock(self) -> bool:
        """Begin to append, without waiting; return whether we may."""

    def unlock(self) -> None:
        """End what `lock` began."""

    def read(self, offset: int) -> bytes:
        """Return the complete records behind `offset`."""

    def append(self, offset: int, records: bytes) -> None:
        """Write `records` at `offset`, the end, and make them visible; raises OSError without room, or `BusyError`."""

    def in_place(self) -> bool:
        """Tell whether others find these records where they look for them."""

    def close(self) -> None:
        """Let go of the records; there is nothing to come."""

    def word(self, offset: int) -> int:
        """Return a word of the header."""

    def set_word(self, offset: int, value: int) -> None:
        """Set a word of the header; raises OSError."""

    def whole(self) -> bytes:
        """Return the file, header and all."""


class IndexFullError(Exception):
    """No room is left within the budget."""


class Index(Catalogue):
    """One process's view of the index, and its way to add to it."""

    def __init__(self, log: Log, may_grow: Callable[[int], bool]) -> None:
        """`may_grow(chunks)` says whether every segment may have this many chunks."""
        super().__init__()
        self._log = log
        self._may_grow = may_grow
        self._refused_until = self._full_until = 0
        self._turn = Turn()  # a record lock does not keep out other threads of this process
        self._replay_new()

    def refresh(self) -> bool:
        """Replay what other processes have added, unless another thread is about to: then return False."""
        with self._turn.taken() as ours:
            if ours:
                self._replay_new()
            return ours

    def release(self) -> None:
        """Free the index, should an exception out of a signal handler have kept an addition from doing so."""
        with self._turn.taken() as ours:
            if ours:
                self._log.unlock()

    def in_place(self) -> bool:
        """Tell whether others find this index where they look for it."""
        return self._log.in_place()

    def word(self, offset: int) -> int:
        """Return a word of the header, which all processes share; raises OSError."""
        return self._log.word(offset)

    def set_word(self, offset: int, value: int) -> None:
        """Set a word of the header; raises OSError."""
        self._log.set_word(offset, value)

    def whole(self) -> bytes:
        """Return the file it is kept in."""
        return self._log.whole()

    def move_to(self, log: Log, may_grow: Callable[[int], bool]) -> bool:
        """Go on with another copy of the records; return False when it is to be tried again.

        Raises ValueError when it is no copy, but has other records.
        """
        with self._turn.taken() as ours:
            if not ours:
                return False
            mine, theirs = self._log.read(0), log.read(0)
            if not mine.startswith(theirs) and not theirs.startswith(mine):
                raise ValueError("the index was restored with other records than this process knows")
            if len(mine) > len(theirs):
                if not log.lock():
                    return False
                try:
                    log.append(len(theirs), mine[len(theirs) :])
                except BusyError:
                    return False
                finally:
                    log.unlock()
            self._log.close()
            self._log, self._may_grow = log, may_grow
            self._replay_new()
        return True

    def close(self) -> None:
        """Close the file it is kept in; what has been read stays."""
        self._log.close()

    def _replay_new(self) -> None:
        self.replay(self._log.read(self.offset))

    @contextmanager
    def _appending(self) -> Iterator[bool]:
        with self._turn.taken() as ours:
            if not ours or self.damaged:
                yield False
                return
            try:
                if self._log.lock():
                    self._replay_new()
                    yield not self.damaged
                else:
                    yield False
            except BusyError:  # another process takes room for something: as if it was writing
                return
            finally:
                self._log.unlock()

    def _append(self, body: bytes) -> None:
        if len(body) > _LONGEST:
            raise IndexFullError
        try:
            self._log.append(self.offset, layout.RECORD.pack(len(body), crc32(body)) + body)
        except NoRoomError:
            self._full_until = clock.monotonic_ns() + REFUSED_FOR
            raise
        self._replay_new()

    def _check_file(self) -> None:
        """Raise at once when there was no room for a record a moment ago: others would have to wait while we look again."""
        if clock.monotonic_ns() < self._full_until:
            raise IndexFullError

    def _check_room(self, kind: int, cells: int) -> None:
        """Raise at once when there was no room a moment ago: looking again costs a listing of the directory."""
        self._check_file()
        free, end = self.free(kind)
        if free + cells > end and clock.monotonic_ns() < self._refused_until:
            raise IndexFullError

    def may_double(self) -> bool:
        """Tell whether the budget has room for twice the cells there are; raises OSError when nobody can tell."""
        return self._may_grow(2 * max(len(self.chunks), 1))

    def _allocate(self, kind: int, cells: int) -> int:
        free, end = self.free(kind)
        if free + cells > end:
            if not self._may_grow(len(self.chunks) + 1):
                self._refused_until = clock.monotonic_ns() + REFUSED_FOR
                raise IndexFullError
            self._append(layout.CHUNK.pack(layout.CHUNK_RECORD, kind))
            free, _ = self.free(kind)
        return free

    def add_table(self, apdex_t: int) -> int | None:
        """Return the number of the table for this Apdex T (nanoseconds), adding it; None when it is to be tried again."""
        number = self._find_table(apdex_t)
        if number is None:
            with self._appending() as may:
                if may and self._find_table(apdex_t) is None:
                    self._append(layout.TABLE.pack(layout.TABLE_RECORD, apdex_t))
                number = self._find_table(apdex_t)
        return number

    def add_example(self, reason: str, name: str) -> None:
        """Keep the name of something that went to `(other)`, of the first few; not when the index is busy or full."""
        if len(self.examples) < EXAMPLES_AT_MOST and (reason, name) not in self.examples:
            with suppress(OSError), self._appending() as may:
                if may and len(self.examples) < EXAMPLES_AT_MOST and (reason, name) not in self.examples:
                    text = json.dumps([reason, name], separators=(",", ":")).encode()
                    self._append(bytes([layout.EXAMPLE_RECORD]) + text)

    def _find_table(self, apdex_t: int) -> int | None:
        return next((n for n, known in enumerate(self.tables) if known.apdex_t == apdex_t), None)

    def add_name(self, name: str) -> int | None:
        """Return the number of a name, adding it; None when it is to be tried again.

        Raises `IndexFullError` when it is too long.
        """
        if name not in self.name_numbers:
            self._check_file()
            text = name.encode(errors="replace")
            name = text.decode()
            with self._appending() as may:
                if may and name not in self.name_numbers:
                    self._append(bytes([layout.NAME_RECORD]) + text)
        return self.name_numbers.get(name)

    def add_series(self, key: Key, kind: int, head_cells: int) -> Series | None:
        """Return the series of a key, adding it; None when it is to be tried again.

        Raises `IndexFullError` when the budget has no room for its cells.
        """
        series = self.by_key.get(key)
        if series is None:
            where = layout.FLOATS if kind == layout.GAUGE else layout.INTEGERS
            self._check_room(where, head_cells)
            with self._appending() as may:
                if may and key not in self.by_key:
                    text = json.dumps([key[0], dict(key[1])], separators=(",", ":")).encode()
                    if len(text) > _LONGEST - layout.SERIES.size:
                        raise IndexFullError
                    address = self._allocate(where, head_cells)
                    self._append(layout.SERIES.pack(layout.SERIES_RECORD, kind, head_cells, address) + text)
                series = self.by_key.get(key)
        return series

    def add_block(self, series: Series, table_number: int, octave: int) -> bool:
        """Hand out one octave of cells to a histogram; return False when it is to be tried again.

        Raises `IndexFullError` when the budget has no room.
        """
        blocks = series.blocks_of(table_number)
        if not blocks[octave]:
            self._check_room(layout.INTEGERS, self.tables[table_number].sizes[octave])
            with self._appending() as may:
                if may and not blocks[octave]:
                    address = self._allocate(layout.INTEGERS, self.tables[table_number].sizes[octave])
                    record = layout.BLOCK.pack(layout.BLOCK_RECORD, octave, table_number, series.number, address)
                    self._append(record)
        return bool(blocks[octave])


class MemoryLog:
    """The records of a process that has no shared directory."""

    def __init__(self) -> None:
        """Begin empty."""
        self._records = b""
        self._words: dict[int, int] = {}

    def lock(self) -> bool:
        """Nobody else writes."""
        return True

    def unlock(self) -> None:
        """Nothing is held."""

    def read(self, offset: int) -> bytes:
        """Return the records behind `offset`."""
        return self._records[offset:]

    def append(self, offset: int, records: bytes) -> None:
        """Keep `records`."""
        self._records = self._records[:offset] + records

    def in_place(self) -> bool:
        """Nobody else looks for them."""
        return True

    def close(self) -> None:
        """Nothing is open."""

    def word(self, offset: int) -> int:
        """Return what has been set."""
        return self._words.get(offset, 0)

    def set_word(self, offset: int, value: int) -> None:
        """Keep it."""
        self._words[offset] = value

    def whole(self) -> bytes:
        """Return the records: there is no header."""
        return self._records
