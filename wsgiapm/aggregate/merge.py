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
from wsgiapm.aggregate.adoption import Aborted, Ended, Left, find_left
from wsgiapm.aggregate.catalogue import Catalogue
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.aggregate.in_flight import Row, read_rows
from wsgiapm.aggregate.index import Index
from wsgiapm.aggregate.instance import Instance, observe
from wsgiapm.aggregate.owner import is_claimed, owner_lives
from wsgiapm.aggregate.projection import project
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.segment import HIGH_BITS, read_chunks
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.aggregate.snapshot import Snapshot
from wsgiapm.errors import SharedDirectoryError

_ALL_BITS = (1 << layout.CHUNK_BYTES * 8) - 1
_LANES = 2**64 - 1
_READS_AT_MOST = 5


class Worker(NamedTuple):
    """One segment as a reader sees it: its requests in flight if it lives, what was left of them if not."""

    number: int
    live: bool
    header: memoryview[int]
    running: list[Row]
    aborted: list[Aborted]
    ended: list[Ended]
    finished: int


class Totals(NamedTuple):
    """The sum of all segments: `cells` from chunk 0 on, the workers, and the files left out as damaged."""

    cells: memoryview[int]
    workers: list[Worker]
    damaged: list[int]


class _Image(NamedTuple):
    worker: Worker
    chunks: list[int]


class _Plan(NamedTuple):
    """What of the catalogue every segment is read by: the kinds of its chunks, and which cells count transactions."""

    catalogue: Catalogue
    offset: int
    kinds: list[int]
    transactions: list[int]


def _make_plan(catalogue: Catalogue) -> _Plan:
    offset = catalogue.offset
    kinds = catalogue.chunks[:]  # another thread may be adding to them
    mask = bytearray(len(kinds) * layout.CHUNK_BYTES)
    end = layout.FIRST_CELL + len(mask) // layout.WORD
    for series in catalogue.series[:]:
        if series.kind == layout.TRANSACTIONS:
            for number, blocks in list(series.blocks.items()):
                cells = catalogue.tables[number]
                for first, size, position in zip(cells.first, cells.sizes, blocks, strict=True):
                    if position and position + first + size <= end:
                        start = (position + first - layout.FIRST_CELL) * layout.WORD
                        mask[start : start + size * layout.WORD] = b"\xff" * size * layout.WORD
    return _Plan(catalogue, offset, kinds, read_chunks(bytes(mask), kinds))


def _read_image(plan: _Plan, number: int, read: Callable[[int, int], bytes], *, live: bool) -> _Image | None:
    """Read a whole segment; None when a cell is impossible."""
    size = layout.segment_size(len(plan.kinds))
    data = read(size, 0).ljust(size, b"\0")
    words = memoryview(data).cast("Q")
    chunks = read_chunks(memoryview(data)[layout.CELLS_OFFSET :], plan.kinds)
    if any(chunk & HIGH_BITS for chunk in chunks):
        return None
    running = [row for row in read_rows(words) if not row.ended] if live else []
    left = Left([], []) if live else find_left(plan.catalogue, words)
    # The sum of all 64-bit lanes of a big integer: what remains when it is divided by 2**64 - 1.
    finished = sum((chunk & mask) % _LANES for chunk, mask in zip(chunks, plan.transactions, strict=True))
    worker = Worker(number, live, words[: layout.FIRST_ROW], running, left.aborted, left.ended, finished)
    return _Image(worker, chunks)


def _read_file(plan: _Plan, directory: SharedDirectory, number: int) -> _Image | None:
    file = SharedFile(directory, layout.segment_name(number), os.O_RDONLY)
    try:

        def state() -> tuple[bool, int]:
            header = file.read(layout.PAGE, 0).ljust(layout.PAGE, b"\0")
            words = memoryview(header).cast("Q")
            # The owner first: one that is about to end has lost its lock already, and others try to take it.
            live = owner_lives(words)
            if not live:
                holder = directory.holder(layout.SEGMENT_LOCKS + number)
                live = holder is not None and is_claimed(words, holder)
            return live, words[layout.SETTLEMENTS]

        for _ in range(_READS_AT_MOST):
            before = live, settlements = state()
            settling = settlements % 2 == 1
            image = _read_image(plan, number, file.read, live=live and not settling)
            if state() == before and not settling:
                break
        return image
    finally:
        file.close()


def _images(plan: _Plan, directory: SharedDirectory) -> Iterator[tuple[int, _Image | None]]:
    for number in directory.segments():
        try:
            yield number, _read_file(plan, directory, number)
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


def add_up(index: Index, directory: SharedDirectory) -> Totals:
    """Return the sum of all segments of a directory. Raises OSError when it cannot be read."""
    for _ in range(_READS_AT_MOST):
        plan = _make_plan(index)
        totals = _add(len(plan.kinds), _images(plan, directory))
        # Only who knows all series that were counted in can tell what a dead process left, and where its adopter put it.
        if index.refresh() and index.offset == plan.offset:
            break
    return totals


def add_up_alone(instance: Instance) -> Totals:
    """Return the counts of a process that has no directory."""

    def read(size: int, offset: int) -> bytes:
        return bytes(instance.segment.cells.cast("B")[offset : offset + size])

    plan = _make_plan(instance.index)
    return _add(len(plan.kinds), [(0, _read_image(plan, 0, read, live=True))])


def take_snapshot(instance: Instance, resource: Resource) -> Snapshot:
    """Return the merged truth as the process with this instance sees it."""
    index, header = instance.index, instance.header
    index.refresh()
    totals = add_up_alone(instance) if instance.directory is None else add_up(index, instance.directory)
    families = project(index, totals.cells, totals.workers)
    return Snapshot(resource.attributes(header), header.created, clock.time_ns(), families)


def merge(path: str, resource: Resource | None = None) -> Snapshot:
    """Return the merged truth of the shared directory at `path`, what dead processes left included.

    Nothing is changed there. Raises `SharedDirectoryError` when it cannot be read.
    """
    instance = observe(path)
    try:
        return take_snapshot(instance, resource or Resource())
    except OSError as error:
        msg = f"shared directory {path} cannot be read: {error}"
        raise SharedDirectoryError(msg) from error
    finally:
        instance.close()
