# SPDX-License-Identifier: Apache-2.0
"""Orphans: the segments of processes that died. A new process adopts them; until one comes, the leader settles them."""

from __future__ import annotations

import os

from wsgiapm.aggregate import layout
from wsgiapm.aggregate.adoption import Aborted, needs_settling
from wsgiapm.aggregate.budget import allocate_freely
from wsgiapm.aggregate.directory import SharedDirectory, segment_is_live
from wsgiapm.aggregate.instance import CallWitness, Instance
from wsgiapm.aggregate.segment import take_segment
from wsgiapm.aggregate.shared_file import SharedFile
from wsgiapm.errors import SharedDirectoryError


def settle_orphans(instance: Instance, call_witness: CallWitness | None = None) -> list[tuple[int, Aborted]]:
    """Count what dead processes left; returns segment number and what was running there.

    `call_witness` is for who wants to know how they ended. Raises OSError when a segment cannot be read or written.
    """
    settled: list[tuple[int, Aborted]] = []
    directory = instance.directory
    if directory is not None and instance.index.tables:
        for number in directory.segments():
            ours = number == instance.segment.number
            if not ours and not segment_is_live(directory, number) and _is_unsettled(directory, number, call_witness):
                found = _settle(instance, directory, number, call_witness)
                settled += ((number, aborted) for aborted in found)
    return settled


def _is_unsettled(directory: SharedDirectory, number: int, call_witness: CallWitness | None) -> bool:
    try:
        file = SharedFile(directory, layout.segment_name(number), os.O_RDONLY)
    except (OSError, SharedDirectoryError):
        return False
    try:
        start = file.read(layout.CELLS_OFFSET, 0)
    finally:
        file.close()
    if len(start) != layout.CELLS_OFFSET:
        return False
    cells = memoryview(start).cast("Q")
    is_untold = call_witness is not None and cells[layout.FAREWELL] == layout.PROMISED
    return is_untold or needs_settling(cells)


def _settle(
    instance: Instance, directory: SharedDirectory, number: int, call_witness: CallWitness | None
) -> list[Aborted]:
    budget = instance.budget
    allocate = allocate_freely if budget is None else budget.allocate
    segment = take_segment(directory, instance.header.epoch, instance.index.chunks[:], number, allocate, 1)
    if segment is None:
        return []
    try:
        other = Instance(instance.header, instance.index, segment, directory, budget)
        other.use_table(instance.table_number)
        found = other.settle(call_witness)
        if other.journal is not None:
            other.journal.close()
        return found or []
    finally:
        segment.close()
        directory.unlock(layout.SEGMENT_LOCKS + number)
