# SPDX-License-Identifier: Apache-2.0
"""The series index: what the cells of all segments mean. Shared, append-only, replayed by every process.

A process adds a record only under the index lock, and never waits for it: `Index.add_*` return None when somebody else
is writing, and the caller keeps the value until the next attempt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from zlib import crc32

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.histogram import BLOCKS, Table, table
from wsgiapm.aggregate.layout import CHUNK_CELLS, FIRST_CELL
from wsgiapm.aggregate.snapshot import Attributes

Key = tuple[str, Attributes]


class Log(Protocol):
    """Where the records are kept: a shared file, or the memory of one process."""

    def lock(self) -> bool:
        """Begin to append, without waiting; return whether we may."""

    def unlock(self) -> None:
        """End what `lock` began."""

    def read(self, offset: int) -> bytes:
        """Return the complete records behind `offset`."""

    def append(self, offset: int, records: bytes) -> None:
        """Write `records` at `offset`, the end, and make them visible."""


class Series:
    """One series of the index and where its cells are.

    `head` is the position of its first cell in a segment, in words. `blocks[table][octave]` is such that adding a
    cell's number gives that cell's position in words; 0 means that the block has not been handed out.
    """

    __slots__ = ("attributes", "blocks", "head", "head_cells", "kind", "metric", "number")

    def __init__(self, number: int, kind: int, head_cells: int, head: int, key: Key) -> None:
        """See the class."""
        self.number = number
        self.kind = kind
        self.head_cells = head_cells
        self.head = head
        self.metric, self.attributes = key
        self.blocks: dict[int, list[int]] = {}

    def blocks_of(self, table_number: int) -> list[int]:
        """Return the positions of the blocks in one table, to be filled in as they are handed out."""
        return self.blocks.setdefault(table_number, [0] * BLOCKS)


class IndexFullError(Exception):
    """No room is left for another chunk within the budget."""


class Index:
    """One process's view of the index."""

    def __init__(self, log: Log, may_grow: Callable[[int], bool]) -> None:
        """`may_grow(chunks)` says whether every segment may have this many chunks."""
        self._log = log
        self._may_grow = may_grow
        self._turn = [True]
        self._offset = 0
        self.series: list[Series] = []
        self.by_key: dict[Key, Series] = {}
        self.names: list[str] = []
        self.name_numbers: dict[str, int] = {}
        self.tables: list[Table] = []
        self.chunks: list[int] = []
        self._next = {layout.INTEGERS: (0, 0), layout.FLOATS: (0, 0)}  # first free address and end of its chunk
        self.damaged = False
        self._replay_new()

    def refresh(self) -> None:
        """Replay what other processes have added, unless another thread is about to."""
        with self._taking_turn() as ours:
            if ours:
                self._replay_new()

    def _replay_new(self) -> None:
        data = self._log.read(self._offset)
        end = len(data)
        position = 0
        while position + layout.RECORD.size <= end:
            length, checksum = layout.RECORD.unpack_from(data, position)
            start = position + layout.RECORD.size
            body = data[start : start + length]
            if len(body) < length or not length:
                break
            if crc32(body) != checksum:
                self.damaged = True
                break
            self._replay(body)
            position = start + length
        self._offset += position

    def _replay(self, body: bytes) -> None:
        kind = body[0]
        if kind == layout.BLOCK_RECORD:
            _, octave, table_number, series, address = layout.BLOCK.unpack(body)
            cells = self.tables[table_number]
            self._use(layout.INTEGERS, address + cells.sizes[octave])
            blocks = self.series[series].blocks_of(table_number)
            blocks[octave] = FIRST_CELL + address - cells.first[octave]
        elif kind == layout.SERIES_RECORD:
            self._replay_series(body)
        elif kind == layout.NAME_RECORD:
            name = body[1:].decode()
            self.name_numbers[name] = len(self.names)
            self.names.append(name)
        elif kind == layout.CHUNK_RECORD:
            chunk_kind = body[1]
            start = len(self.chunks) * CHUNK_CELLS
            self._next[chunk_kind] = (start, start + CHUNK_CELLS)
            self.chunks.append(chunk_kind)
        elif kind == layout.TABLE_RECORD:
            self.tables.append(table(layout.TABLE.unpack(body)[1]))

    def _replay_series(self, body: bytes) -> None:
        _, kind, head_cells, address = layout.SERIES.unpack_from(body)
        metric, attributes = json.loads(body[layout.SERIES.size :])
        key = (metric, tuple(sorted(attributes.items())))
        series = Series(len(self.series), kind, head_cells, FIRST_CELL + address, key)
        self._use(layout.FLOATS if kind == layout.GAUGE else layout.INTEGERS, address + head_cells)
        self.series.append(series)
        self.by_key[key] = series

    def _use(self, kind: int, end: int) -> None:
        free, chunk_end = self._next[kind]
        if free < end <= chunk_end:
            self._next[kind] = (end, chunk_end)

    @contextmanager
    def _taking_turn(self) -> Iterator[bool]:
        # Keeps out other threads of this process, signal handlers and finalisers: a record lock does not. Popping from
        # a list is one atomic step and takes no lock that a fork or gevent could get at.
        try:
            self._turn.pop()
        except IndexError:
            yield False
            return
        try:
            yield True
        finally:
            self._turn.append(True)

    @contextmanager
    def _appending(self) -> Iterator[bool]:
        with self._taking_turn() as ours:
            if not ours or self.damaged or not self._log.lock():
                yield False
                return
            try:
                self._replay_new()
                yield not self.damaged
            finally:
                self._log.unlock()

    def busy(self) -> bool:
        """Tell whether a thread is at work on the index; a child forked at that moment must not use its copy."""
        return not self._turn

    def _append(self, body: bytes) -> None:
        self._log.append(self._offset, layout.RECORD.pack(len(body), crc32(body)) + body)
        self._replay_new()

    def _allocate(self, kind: int, cells: int) -> int:
        free, end = self._next[kind]
        if free + cells > end:
            if not self._may_grow(len(self.chunks) + 1):
                raise IndexFullError
            self._append(layout.CHUNK.pack(layout.CHUNK_RECORD, kind))
            free, _ = self._next[kind]
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

    def _find_table(self, apdex_t: int) -> int | None:
        return next((n for n, known in enumerate(self.tables) if known.apdex_t == apdex_t), None)

    def add_name(self, name: str) -> int | None:
        """Return the number of a name, adding it; None when it is to be tried again."""
        if name not in self.name_numbers:
            with self._appending() as may:
                if may and name not in self.name_numbers:
                    self._append(bytes([layout.NAME_RECORD]) + name.encode(errors="replace"))
        return self.name_numbers.get(name)

    def add_series(self, key: Key, kind: int, head_cells: int) -> Series | None:
        """Return the series of a key, adding it; None when it is to be tried again.

        Raises `IndexFullError` when the budget has no room for its cells.
        """
        series = self.by_key.get(key)
        if series is None:
            with self._appending() as may:
                if may and key not in self.by_key:
                    where = layout.FLOATS if kind == layout.GAUGE else layout.INTEGERS
                    address = self._allocate(where, head_cells)
                    text = json.dumps([key[0], dict(key[1])], separators=(",", ":")).encode()
                    self._append(layout.SERIES.pack(layout.SERIES_RECORD, kind, head_cells, address) + text)
                series = self.by_key.get(key)
        return series

    def add_block(self, series: Series, table_number: int, octave: int) -> bool:
        """Hand out one octave of cells to a histogram; return False when it is to be tried again.

        Raises `IndexFullError` when the budget has no room.
        """
        blocks = series.blocks_of(table_number)
        if not blocks[octave]:
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
