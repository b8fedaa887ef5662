# SPDX-License-Identifier: Apache-2.0
"""Merging: reading all segments of a directory and adding them up.

Files are read, not mapped: one that shrinks under us is short, not a SIGBUS. Whole chunks are added as single big
integers; their 64-bit lanes cannot carry into each other while every cell is below 2**63, which is checked first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted, aborted_before, find_aborted
from wsgiapm.aggregate.directory import SharedDirectory, segment_is_live
from wsgiapm.aggregate.in_flight import Row, read_rows
from wsgiapm.aggregate.index import Index
from wsgiapm.aggregate.instance import Instance, observe
from wsgiapm.aggregate.projection import project
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.snapshot import Snapshot
from wsgiapm.errors import SharedDirectoryError

_HIGH_BITS = int.from_bytes(b"\0\0\0\0\0\0\0\x80" * layout.CHUNK_CELLS, "little")
_ALL_BITS = (1 << layout.CHUNK_BYTES * 8) - 1
_READS_AT_MOST = 3


class Worker(NamedTuple):
    """One segment as a reader sees it: its requests in flight if it lives, those it was killed in if not."""

    number: int
    live: bool
    header: memoryview[int]
    running: list[Row]
    aborted: list[Aborted]
    settled: int


class Totals(NamedTuple):
    """The sum of all segments: `cells` from chunk 0 on, the workers, and the files left out as damaged."""

    cells: memoryview[int]
    workers: list[Worker]
    damaged: list[int]


class _Image(NamedTuple):
    worker: Worker
    chunks: list[int]


def _read_image(
    index: Index, kinds: list[int], number: int, read: Callable[[int, int], bytes], *, live: bool
) -> _Image | None:
    """Read a whole segment with chunks of these kinds; None when a cell is impossible."""
    size = layout.segment_size(len(kinds))
    data = read(size, 0).ljust(size, b"\0")
    words = memoryview(data).cast("Q")
    starts = range(layout.CELLS_OFFSET, size, layout.CHUNK_BYTES)
    chunks = [
        int.from_bytes(data[start : start + layout.CHUNK_BYTES], "little") if kind == layout.INTEGERS else 0
        for start, kind in zip(starts, kinds, strict=True)
    ]
    if any(chunk & _HIGH_BITS for chunk in chunks):
        return None
    running = read_rows(words) if live else []
    aborted = [] if live else find_aborted(index, words)
    settled = aborted_before(index.series[:], words)
    return _Image(Worker(number, live, words[: layout.FIRST_ROW], running, aborted, settled), chunks)


def _read_file(index: Index, kinds: list[int], directory: SharedDirectory, number: int, own: int) -> _Image | None:
    descriptor = directory.open(layout.segment_name(number))
    try:

        def read(size: int, offset: int) -> bytes:
            return os.pread(descriptor, size, offset)

        def state() -> tuple[bool, bytes]:
            live = number == own or segment_is_live(directory, number)
            return live, read(layout.WORD, layout.CLAIMS * layout.WORD)

        for _ in range(_READS_AT_MOST):
            before = state()
            image = _read_image(index, kinds, number, read, live=before[0])
            if state() == before:
                break
        return image
    finally:
        os.close(descriptor)


def _images(
    index: Index, kinds: list[int], directory: SharedDirectory, own: int
) -> Iterator[tuple[int, _Image | None]]:
    for number in directory.segments():
        try:
            yield number, _read_file(index, kinds, directory, number, own)
        except (OSError, SharedDirectoryError):  # noqa: PERF203
            yield number, None


def _add(chunks: int, images: Iterable[tuple[int, _Image | None]]) -> Totals:
    sums = [0] * chunks
    workers: list[Worker] = []
    damaged: list[int] = []
    for number, image in images:
        if image is None:
            damaged.append(number)
            continue
        workers.append(image.worker)
        sums = [a + b for a, b in zip(sums, image.chunks, strict=True)]
    data = b"".join((s & _ALL_BITS).to_bytes(layout.CHUNK_BYTES, "little") for s in sums)
    return Totals(memoryview(data).cast("Q"), workers, damaged)


def add_up(index: Index, directory: SharedDirectory, own: int = -1) -> Totals:
    """Return the sum of all segments of a directory. `own` is the number of the segment this process counts in."""
    kinds = index.chunks[:]  # another thread may be adding to them
    return _add(len(kinds), _images(index, kinds, directory, own))


def add_up_alone(instance: Instance) -> Totals:
    """Return the counts of a process that has no directory."""

    def read(size: int, offset: int) -> bytes:
        return bytes(instance.segment.cells.cast("B")[offset : offset + size])

    kinds = instance.index.chunks[:]
    return _add(len(kinds), [(0, _read_image(instance.index, kinds, 0, read, live=True))])


def take_snapshot(instance: Instance, resource: Resource) -> Snapshot:
    """Return the merged truth as the process with this instance sees it."""
    index, header = instance.index, instance.header
    index.refresh()
    if instance.directory is None:
        totals = add_up_alone(instance)
    else:
        totals = add_up(index, instance.directory, instance.segment.number)
    families = project(index, totals.cells, totals.workers)
    return Snapshot(resource.attributes(header), header.created, clock.time_ns(), families)


def merge(path: str, resource: Resource | None = None) -> Snapshot:
    """Return the merged truth of the shared directory at `path`, what dead processes left included.

    Nothing is changed there. Raises `SharedDirectoryError` when it cannot be read.
    """
    return take_snapshot(observe(path), resource or Resource())
