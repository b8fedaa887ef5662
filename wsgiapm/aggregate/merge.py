# SPDX-License-Identifier: Apache-2.0
"""Merging: reading all segments of a directory and adding them up.

Files are read, not mapped: one that shrinks under us is short, not a SIGBUS. A thousand cells are added as one big
integer; its 64-bit lanes cannot carry into each other while every cell is below 2**63, which is checked first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from wsgiapm import clock
from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted, Ended, Left, find_left
from wsgiapm.aggregate.catalogue import Catalogue
from wsgiapm.aggregate.directory import SharedDirectory
from wsgiapm.aggregate.in_flight import Row, header_is_possible, read_rows
from wsgiapm.aggregate.index import Index
from wsgiapm.aggregate.instance import Instance, observe
from wsgiapm.aggregate.owner import is_claimed, owner_lives
from wsgiapm.aggregate.plan import PIECE, Plan, make_plan
from wsgiapm.aggregate.projection import project, stream
from wsgiapm.aggregate.resource import Resource
from wsgiapm.aggregate.segment import cells_are_possible
from wsgiapm.aggregate.snapshot import Snapshot, SnapshotStream
from wsgiapm.errors import SharedDirectoryError
from wsgiapm.named_tuple import NamedTuple
from wsgiapm.pace import Pace, at_once

_DAY = 86_400_000_000_000
_LANES = 2**64 - 1
# Widths in bits at which the lanes of a piece are folded onto each other, down to 32 of them.
_FOLDS = [(PIECE * 8 >> halving, (1 << (PIECE * 8 >> halving)) - 1) for halving in range(1, 6)]
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
    """The bytes of a segment, none of whose cells is impossible, and what its header and rows said."""

    number: int
    live: bool
    data: bytes
    running: list[Row]
    left: Left


class _Source:
    """What the segments of a directory are to be read by."""

    __slots__ = ("catalogue", "epoch", "kinds", "plan")

    def __init__(self, plan: Plan, catalogue: Catalogue, epoch: bytes) -> None:
        self.plan = plan
        self.catalogue = catalogue
        self.epoch = epoch
        self.kinds = catalogue.chunks[:]  # another thread may be adding to them


def _sum_lanes(number: int) -> int:
    """Return the sum of all 64-bit lanes of a big integer: what remains when it is divided by 2**64 - 1.

    Adding its upper half to its lower one does not change that, and is much faster than dividing the whole.
    """
    for bits, low in _FOLDS:
        if number > low:
            number = (number >> bits) + (number & low)
    return number % _LANES


def _read_image(source: _Source, number: int, read: Callable[[int, int], bytes], *, live: bool) -> _Image | None:
    """Read what is in use of a segment; None when it is of another instance, or a cell is impossible."""
    size = source.plan.segment_bytes()
    data = read(size, 0).ljust(size, b"\0")
    if data[: layout.SEGMENT_START.size] != layout.segment_start(source.epoch, number) and any(data[: layout.PAGE]):
        return None
    if not cells_are_possible(data, layout.CELLS_OFFSET, source.kinds):
        return None
    words = memoryview(data).cast("Q")
    if not live and not header_is_possible(words):
        return None
    running = [row for row in read_rows(words) if not row.ended] if live else []
    return _Image(number, live, data, running, Left([], []) if live else find_left(source.catalogue, words))


def _is_live(directory: SharedDirectory, number: int, header: memoryview[int]) -> bool:
    try:
        holder = directory.holder(layout.SEGMENT_LOCKS + number)
    except SharedDirectoryError:  # something else is in the place of the file of locks
        holder = None
    if holder is not None and (holder == header[layout.PID] or is_claimed(header, holder)):
        return True
    # A process that is about to end has lost its lock already, and others try to take it.
    return owner_lives(header)


def _read_file(source: _Source, directory: SharedDirectory, number: int) -> _Image | None:
    # Not a `SharedFile`: it is open for a moment only, and nothing is written.
    descriptor = directory.open(layout.segment_name(number))
    read = partial(os.pread, descriptor)
    try:
        if not layout.is_segment_size(os.fstat(descriptor).st_size):
            return None
        for _ in range(_READS_AT_MOST):
            header = memoryview(read(layout.PAGE, 0).ljust(layout.PAGE, b"\0")).cast("Q")
            settlements = header[layout.SETTLEMENTS]
            settling = settlements % 2 == 1
            live = not settling and _is_live(directory, number, header)
            image = _read_image(source, number, read, live=live)
            # Nobody counts in an adopted segment before this word has been raised.
            now = read(layout.WORD, layout.SETTLEMENTS * layout.WORD)
            if not settling and int.from_bytes(now, "little") == settlements:
                break
        return image
    finally:
        os.close(descriptor)


def _images(source: _Source, directory: SharedDirectory, pace: Pace) -> Iterator[tuple[int, _Image | None]]:
    for number in pace(directory.segments()):
        try:
            yield number, _read_file(source, directory, number)
        except (OSError, SharedDirectoryError):  # noqa: PERF203
            yield number, None


def _add(plan: Plan, images: Iterable[tuple[int, _Image | None]], pace: Pace = at_once) -> Totals:
    sums = [0] * len(plan.pieces)
    workers: list[Worker] = []
    damaged: list[int] = []
    for number, image in images:
        if image is None:
            damaged.append(number)
        else:
            workers.append(_add_image(plan, image, sums, pace))
    data = bytearray(plan.cells_bytes())
    for (start, end), total in pace(zip(plan.pieces, sums, strict=True)):
        data[start:end] = total.to_bytes(end - start + layout.WORD, "little")[: end - start]
    return Totals(memoryview(data).toreadonly().cast("Q"), workers, damaged)


def _add_image(plan: Plan, image: _Image, sums: list[int], pace: Pace) -> Worker:
    """Add the cells of a segment to `sums`."""
    finished = 0
    pieces = plan.read(memoryview(image.data)[layout.CELLS_OFFSET :])
    for place, (piece, mask) in enumerate(pace(zip(pieces, plan.transactions, strict=True))):
        sums[place] += piece
        finished += piece & mask
    header = memoryview(image.data[: layout.PAGE]).cast("Q")  # a copy, for a part would keep the whole in memory
    left = image.left
    return Worker(image.number, image.live, header, image.running, left.aborted, left.ended, _sum_lanes(finished))


def add_up(index: Index, directory: SharedDirectory, epoch: bytes, pace: Pace = at_once) -> Totals:
    """Return the sum of all segments of a directory that are of this epoch. Raises OSError when it cannot be read."""
    for _ in range(_READS_AT_MOST):
        plan = make_plan(index, pace)
        totals = _add(plan, _images(_Source(plan, index, epoch), directory, pace), pace)
        # Only who knows all series that were counted in can tell what a dead process left, and where its adopter put it.
        if index.refresh() and index.offset == plan.offset:
            break
    return totals


def add_up_alone(instance: Instance) -> Totals:
    """Return the counts of a process that has no directory."""

    def read(size: int, offset: int) -> bytes:
        return bytes(instance.segment.cells.cast("B")[offset : offset + size])

    index, plan = instance.index, make_plan(instance.index)
    source = _Source(plan, index, instance.header.epoch)
    return _add(plan, [(0, _read_image(source, 0, read, live=True))])


def _totals(instance: Instance, pace: Pace) -> Totals:
    instance.index.refresh()
    directory = instance.directory
    if directory is None:
        return add_up_alone(instance)
    return add_up(instance.index, directory, instance.header.epoch, pace)


def take_snapshot(instance: Instance, resource: Resource) -> Snapshot:
    """Return the merged truth as the process with this instance sees it."""
    totals, header = _totals(instance, at_once), instance.header
    families = project(instance.index, totals.cells, totals.workers)
    return Snapshot(resource.attributes(header), header.created, _find_time(instance.index, header.created), families)


def _find_time(index: Index, created: int) -> int:
    """Return the time of sums read now: the wall clock's, but never before that of sums uploaded already.

    A receiver ignores points that are older than what it has. Where the wall clock was set back, the time goes on from
    the last one by the monotonic clock; not where it had been so wrong that nobody would take it.
    """
    wall = clock.time_ns()
    now = max(wall, created + 1)
    try:
        last, then = index.word(layout.UPLOADED_OFFSET), index.word(layout.UPLOADED_AT_OFFSET)
    except OSError:
        return now
    ahead = last + max(clock.monotonic_ns() - then, 1)
    return ahead if last and now < ahead <= wall + _DAY else now


def note_uploaded(index: Index, time: int) -> None:
    """Remember the time (Unix nanoseconds) of sums that are uploaded, for whoever leads next; raises OSError."""
    index.set_word(layout.UPLOADED_AT_OFFSET, clock.monotonic_ns())
    index.set_word(layout.UPLOADED_OFFSET, time)


def stream_snapshot(instance: Instance, resource: Resource, pace: Pace) -> SnapshotStream:
    """Return the same to be gone through once, point by point, at this pace."""
    totals, header = _totals(instance, pace), instance.header
    has_requests = any(worker.finished or worker.ended for worker in totals.workers)
    families = stream(instance.index, totals.cells, totals.workers, pace)
    now = _find_time(instance.index, header.created)
    return SnapshotStream(resource.attributes(header), header.created, now, families, has_requests=has_requests)


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
