# SPDX-License-Identifier: Apache-2.0
"""What is counted of the calls a transaction makes: each call by its operation, and by route which operations it calls.

Many calls come in one request, so each costs one lookup and two stores; names are settled when an operation is first
seen. Beyond a quota of their own, calls are counted under `(other)`.
"""

from __future__ import annotations

from bisect import bisect_left

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.catalogue import Series
from wsgiapm.aggregate.histogram import BLOCKS, narrow
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.instance import Instance
from wsgiapm.aggregate.snapshot import Attributes
from wsgiapm.breakdown import Breakdown
from wsgiapm.callers import Callers
from wsgiapm.drops import Drops
from wsgiapm.quota import BUDGET, MAX_SERIES, Quota
from wsgiapm.span import Operation, identify
from wsgiapm.sql_sites import Sites

Key = Operation | tuple[Operation, str]
Entry = tuple[int, list[int]]

NEVER = 2**63
_BUSY = "busy"
# Calls that wait for the index in this process; beyond it they are `(other)`.
_WAITING_AT_MOST = 10_000
# One statement may fail in many ways, but an error is one only as long as its name is short.
_LONGEST_ERROR = 200


class Operations:
    """Counts in the segment of this process."""

    def __init__(self, instance: Instance, max_series: int) -> None:
        """Half as many series as requests have (`max_series`) are kept for calls, and as many for their callers."""
        self.slow = NEVER
        self._instance = instance
        self._uppers, self._octaves = instance.table.uppers, instance.table.octaves
        self._narrow = narrow(instance.table.uppers)
        self._most = max(max_series // 2, 1)
        self._quota = Quota(instance, schema.CALL_METRICS.__contains__, self._most)
        self._entries: dict[Key, Entry] = {}
        self._folded: dict[Key, str] = {}
        self._waiting: list[tuple[Operation, str | None, int]] = []
        self._reserved: dict[str, tuple[Series, Series]] = {}
        self._drops = Drops(instance, "operation")
        self._callers = Callers(instance, self._most, schema.ROUTE)
        self._task_callers = Callers(instance, self._most, schema.TASK)
        self._sites = Sites(instance)

    def count(self, operation: Operation, error: str | None, duration: int) -> None:
        """Count one call that took `duration` nanoseconds; `error` is the `error.type` of one that failed."""
        try:
            head, blocks = self._entries[operation if error is None else (operation, error)]
        except KeyError:
            self._count_slowly(operation, error, duration)
            return
        first, uppers = self._narrow[duration.bit_length()]
        cell = first + bisect_left(uppers, duration)
        block = blocks[self._octaves[cell]]
        position = block + cell
        cells = self._instance.segment.cells
        if block and position < len(cells):
            cells[head] += duration
            cells[position] += 1
        else:
            self._count_slowly(operation, error, duration)

    def notice(self, breakdown: Breakdown, operation: Operation, count: int, duration: int) -> None:
        """See `breakdown.Counter`."""
        self._sites.notice(breakdown, operation, count, duration, self.slow)

    def finish(self, breakdown: Breakdown, route: str) -> None:
        """Count by route which operations a transaction has called."""
        self._callers.count(route, breakdown.calls)
        if breakdown.noticed is not None:
            self._sites.tell(breakdown, schema.ROUTE, route)

    def finish_task(self, breakdown: Breakdown, task: str) -> None:
        """Count by background task which operations a run of it has called."""
        self._task_callers.count(task, breakdown.calls)
        if breakdown.noticed is not None:
            self._sites.tell(breakdown, schema.TASK, task)

    def work_off(self) -> None:
        """Count what had to wait for the index, as far as it is free now."""
        waiting = self._waiting
        for _ in range(len(waiting)):
            try:
                call = waiting.pop()
            except IndexError:  # another thread took the last
                break
            if not self._add(*call):
                waiting.append(call)
                break
        self._drops.work_off()
        self._callers.work_off()
        self._task_callers.work_off()

    def _count_slowly(self, operation: Operation, error: str | None, duration: int) -> None:
        if self._add(operation, error, duration):
            return
        if len(self._waiting) < _WAITING_AT_MOST:
            self._waiting.append((operation, error, duration))
        else:
            self._add_to_other(operation, error, duration, _BUSY)

    def _add(self, operation: Operation, error: str | None, duration: int) -> bool:
        """Count one call; False when the index is busy."""
        if operation.metric not in self._reserved and not self._reserve(operation.metric):
            return False
        key = operation if error is None else (operation, error)
        reason = self._folded.get(key, "")
        if not reason:
            try:
                cell = bisect_left(self._uppers, duration)
                series, reason = self._locate(operation, error, self._octaves[cell])
            except (IndexFullError, OSError):
                series, reason = None, BUDGET
            if series is not None:
                self._put(series, duration)
                if len(self._entries) < 2 * self._most:
                    self._entries[key] = series.head, series.blocks_of(self._instance.table_number)
                return True
            if not reason:
                return False
            if reason == MAX_SERIES and len(self._folded) < 2 * self._most:
                self._folded[key] = reason
        self._add_to_other(operation, error, duration, reason)
        return True

    def _locate(self, operation: Operation, error: str | None, octave: int) -> tuple[Series | None, str]:
        """Return the series of a call with its cells, or why it has none; nothing of both when the index is busy."""
        attributes = _attributes(operation, error)
        instance = self._instance
        known = instance.index.by_key.get((operation.metric, attributes))
        if known is None or not known.blocks_of(instance.table_number)[octave]:
            reason = self._quota.refuse(new=known is None)
            if reason:
                return None, reason
        series = instance.series(operation.metric, attributes)
        return (series, "") if series is not None and instance.add_block(series, octave) else (None, "")

    def _put(self, series: Series, duration: int) -> None:
        cell = bisect_left(self._uppers, duration)
        position = series.blocks_of(self._instance.table_number)[self._octaves[cell]] + cell
        cells = self._instance.cells
        cells[series.head] += duration
        cells[position] += 1

    def _add_to_other(self, operation: Operation, error: str | None, duration: int, reason: str) -> None:
        reserved = self._reserved.get(operation.metric)
        if reserved is not None:
            self._put(reserved[error is not None], duration)
        self._drops.note(reason, operation.name)

    def _reserve(self, metric: str) -> bool:
        """Make sure that calls which have no series of their own can be counted; False when the index is busy."""
        found = []
        try:
            for attributes in schema.other_calls(metric):
                series = self._instance.series(metric, attributes)
                if series is None:
                    return False
                for octave in range(BLOCKS):
                    if not self._instance.add_block(series, octave):
                        return False
                found.append(series)
        except (IndexFullError, OSError):
            return True  # then those are told of as dropped, and no more
        self._reserved[metric] = found[0], found[1]
        return True


def _attributes(operation: Operation, error: str | None) -> Attributes:
    attributes = dict(operation.attributes)
    if operation.metric == schema.DB_DURATION:
        attributes[schema.OPERATION] = identify(operation)
    if error is not None:
        attributes[schema.ERROR] = error[:_LONGEST_ERROR]
    return tuple(sorted((name, _readable(value)) for name, value in attributes.items()))


def _readable(value: str | int) -> str | int:
    # A lone surrogate would stop every exporter.
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
