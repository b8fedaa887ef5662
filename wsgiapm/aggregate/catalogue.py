# SPDX-License-Identifier: Apache-2.0
"""The catalogue: what one process knows of the index, built by replaying its records in order."""

from __future__ import annotations

import json
import struct
from typing import NamedTuple
from zlib import crc32

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.histogram import BLOCKS, Table, table
from wsgiapm.aggregate.layout import CHUNK_CELLS, FIRST_CELL
from wsgiapm.aggregate.snapshot import Attributes

Key = tuple[str, Attributes]


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


class _Progress(NamedTuple):
    """How far the replay is: bytes, and how many of each have been seen; next free address and end of its chunk."""

    offset: int = 0
    series: int = 0
    names: int = 0
    tables: int = 0
    chunks: int = 0
    integers: tuple[int, int] = (0, 0)
    floats: tuple[int, int] = (0, 0)


class Catalogue:
    """Everything the index says. Other threads may read it while records are replayed: it only ever grows.

    An exception that a signal handler raises in the middle does no harm: a record is done when `_progress` says so, and
    replaying it once more changes nothing.
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.series: list[Series] = []
        self.by_key: dict[Key, Series] = {}
        self.names: list[str] = []
        self.name_numbers: dict[str, int] = {}
        self.tables: list[Table] = []
        self.chunks: list[int] = []
        self.damaged = False
        self._progress = _Progress()

    @property
    def offset(self) -> int:
        """How many bytes of records have been replayed."""
        return self._progress.offset

    def free(self, kind: int) -> tuple[int, int]:
        """Return the next free address in the last chunk of a kind, and the end of that chunk."""
        return self._progress.floats if kind == layout.FLOATS else self._progress.integers

    def replay(self, data: bytes) -> None:
        """Take in complete records that follow what has been replayed; anything else sets `damaged`."""
        position = 0
        while position < len(data) and not self.damaged:
            body, position = _cut(data, position)
            try:
                done = self._replay(body)
            except (IndexError, TypeError, ValueError, struct.error):  # no record, or one that makes no sense here
                self.damaged = True
            else:
                self._progress = done._replace(offset=self.offset + layout.RECORD.size + len(body))

    def _replay(self, body: bytes) -> _Progress:
        done = self._progress
        kind = body[0]
        if kind == layout.BLOCK_RECORD:
            return self._replay_block(body)
        if kind == layout.SERIES_RECORD:
            return self._replay_series(body)
        if kind == layout.NAME_RECORD:
            name = body[1:].decode(errors="replace")
            _put(self.names, done.names, name)
            self.name_numbers[name] = done.names
            return done._replace(names=done.names + 1)
        if kind == layout.CHUNK_RECORD:
            start = done.chunks * CHUNK_CELLS
            _put(self.chunks, done.chunks, body[1])
            done = done._replace(chunks=done.chunks + 1)
            return _set_free(done, body[1], (start, start + CHUNK_CELLS))
        if kind == layout.TABLE_RECORD:
            _put(self.tables, done.tables, table(layout.TABLE.unpack(body)[1]))
            return done._replace(tables=done.tables + 1)
        return done  # of a later version, and no concern of ours

    def _replay_block(self, body: bytes) -> _Progress:
        _, octave, table_number, series, address = layout.BLOCK.unpack(body)
        cells = self.tables[table_number]
        self.series[series].blocks_of(table_number)[octave] = FIRST_CELL + address - cells.first[octave]
        return self._use(layout.INTEGERS, address + cells.sizes[octave])

    def _replay_series(self, body: bytes) -> _Progress:
        _, kind, head_cells, address = layout.SERIES.unpack_from(body)
        metric, attributes = json.loads(body[layout.SERIES.size :])
        key = (metric, tuple(sorted(attributes.items())))
        done = self._use(layout.FLOATS if kind == layout.GAUGE else layout.INTEGERS, address + head_cells)
        series = Series(done.series, kind, head_cells, FIRST_CELL + address, key)
        _put(self.series, done.series, series)
        self.by_key.setdefault(key, self.series[done.series])
        return done._replace(series=done.series + 1)

    def _use(self, kind: int, end: int) -> _Progress:
        free, chunk_end = self.free(kind)
        return _set_free(self._progress, kind, (end, chunk_end)) if free < end <= chunk_end else self._progress


def _set_free(done: _Progress, kind: int, free: tuple[int, int]) -> _Progress:
    return done._replace(floats=free) if kind == layout.FLOATS else done._replace(integers=free)


def _put(target: list, number: int, value: object) -> None:  # type: ignore[type-arg]
    if len(target) == number:
        target.append(value)


def _cut(data: bytes, position: int) -> tuple[bytes, int]:
    """Return the body of the record at `position`, empty if it is none, and where the next one begins."""
    start = position + layout.RECORD.size
    if start > len(data):
        return b"", start
    length, checksum = layout.RECORD.unpack_from(data, position)
    body = data[start : start + length]
    return (body, start + length) if len(body) == length and crc32(body) == checksum else (b"", start)
