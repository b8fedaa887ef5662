# SPDX-License-Identifier: Apache-2.0
"""The catalogue: what one process knows of the index, built by replaying its records in order."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from copy import copy
from typing import ClassVar
from zlib import crc32

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.histogram import BLOCKS, Table, table
from wsgiapm.aggregate.layout import CHUNK_CELLS, FIRST_CELL
from wsgiapm.aggregate.snapshot import Attributes

Key = tuple[str, Attributes]

EXAMPLES_AT_MOST = 16


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


class _Progress:
    """How far the replay is: bytes, and how many of each have been seen; next free address and end of its chunk."""

    __slots__ = ("chunks", "examples", "floats", "integers", "names", "offset", "series", "tables")

    def __init__(self) -> None:
        self.offset = self.series = self.names = self.tables = self.chunks = self.examples = 0
        self.integers = self.floats = (0, 0)


class Catalogue:
    """Everything the index says. Other threads may read it while records are replayed: it only ever grows.

    An exception that a signal handler raises in the middle does no harm: records are done when `_progress` says so, and
    replaying them once more changes nothing.
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.series: list[Series] = []
        self.by_key: dict[Key, Series] = {}
        self.names: list[str] = []
        self.name_numbers: dict[str, int] = {}
        self.tables: list[Table] = []
        self.chunks: list[int] = []
        self.examples: list[tuple[str, str]] = []  # of what went to `(other)`: reason and name
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
        done = copy(self._progress)
        position, size, first = 0, len(data), done.offset
        replays = self._replays
        unpack = layout.RECORD.unpack_from
        try:
            while position < size and not self.damaged:
                length, checksum = unpack(data, position)
                start = position + layout.RECORD.size
                body = data[start : start + length]
                if len(body) != length or crc32(body) != checksum:
                    self.damaged = True
                    break
                replay = replays.get(body[0])
                if replay is not None:  # else of a later version, and no concern of ours
                    replay(self, done, body)
                position = start + length
                done.offset = first + position
        except (IndexError, TypeError, ValueError, struct.error):  # no record, or one that makes no sense here
            self.damaged = True
        self._progress = done

    def _replay_name(self, done: _Progress, body: bytes) -> None:
        name = body[1:].decode(errors="replace")
        _put(self.names, done.names, name)
        self.name_numbers[name] = done.names
        done.names += 1

    def _replay_chunk(self, done: _Progress, body: bytes) -> None:
        kind, start = body[1], done.chunks * CHUNK_CELLS
        _put(self.chunks, done.chunks, kind)
        done.chunks += 1
        if kind == layout.FLOATS:
            done.floats = (start, start + CHUNK_CELLS)
        else:
            done.integers = (start, start + CHUNK_CELLS)

    def _replay_table(self, done: _Progress, body: bytes) -> None:
        _put(self.tables, done.tables, table(layout.TABLE.unpack(body)[1]))
        done.tables += 1

    def _replay_block(self, done: _Progress, body: bytes) -> None:
        _, octave, table_number, series, address = layout.BLOCK.unpack(body)
        cells = self.tables[table_number]
        self.series[series].blocks_of(table_number)[octave] = FIRST_CELL + address - cells.first[octave]
        done.integers = _use(done.integers, address + cells.sizes[octave])

    def _replay_series(self, done: _Progress, body: bytes) -> None:
        _, kind, head_cells, address = layout.SERIES.unpack_from(body)
        metric, attributes = json.loads(str(body[layout.SERIES.size :], "utf-8"))
        key = (metric, tuple(sorted(attributes.items())))
        series = Series(done.series, kind, head_cells, FIRST_CELL + address, key)
        _put(self.series, done.series, series)
        self.by_key.setdefault(key, self.series[done.series])
        if kind == layout.GAUGE:
            done.floats = _use(done.floats, address + head_cells)
        else:
            done.integers = _use(done.integers, address + head_cells)
        done.series += 1

    def _replay_example(self, done: _Progress, body: bytes) -> None:
        reason, name = json.loads(str(body[1:], "utf-8"))
        _put(self.examples, done.examples, (str(reason), str(name)))
        done.examples += 1

    _replays: ClassVar[dict[int, Callable[[Catalogue, _Progress, bytes], None]]] = {
        layout.CHUNK_RECORD: _replay_chunk,
        layout.TABLE_RECORD: _replay_table,
        layout.SERIES_RECORD: _replay_series,
        layout.BLOCK_RECORD: _replay_block,
        layout.NAME_RECORD: _replay_name,
        layout.EXAMPLE_RECORD: _replay_example,
    }


def _use(free: tuple[int, int], end: int) -> tuple[int, int]:
    return (end, free[1]) if free[0] < end <= free[1] else free


def _put(target: list, number: int, value: object) -> None:  # type: ignore[type-arg]
    if len(target) == number:
        target.append(value)
