# SPDX-License-Identifier: Apache-2.0
"""Who calls what: by route and operation the calls, their time, and in how many transactions they were many (N+1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsgiapm.aggregate import schema
from wsgiapm.aggregate.index import IndexFullError
from wsgiapm.aggregate.instance import Instance
from wsgiapm.breakdown import REPEATED
from wsgiapm.drops import Drops
from wsgiapm.quota import BUDGET, Quota
from wsgiapm.span import Operation, identify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wsgiapm.breakdown import Calls

# In this process; beyond it they are left out, and counted as dropped.
_WAITING_AT_MOST = 4096

# Calls, nanoseconds, transactions in which they were many.
Sums = tuple[int, int, int]
Key = tuple[str, Operation]


class Callers:
    """Counts in the segment of this process."""

    def __init__(self, instance: Instance, most: int, scope: str) -> None:
        """`most` is the number of pairs of a transaction and an operation; beyond it they are `(other)`.

        `scope` is the attribute that names the transactions.
        """
        self._scope = scope
        self._instance = instance
        self._most = most
        self._quota = Quota(instance, {schema.CALLER}.__contains__, most)
        self._heads: dict[Key, int] = {}
        self._waiting: list[tuple[Key, Sums]] = []
        self._drops = Drops(instance, "caller")

    def count(self, route: str, calls: Mapping[Operation, Calls]) -> None:
        """Count what one transaction of a route has called."""
        heads, cells = self._heads, self._instance.segment.cells
        length = len(cells)
        for operation, each in list(calls.items()):
            head = heads.get((route, operation))
            if head is None or head + 3 > length:
                self._count_slowly((route, operation), (each.count, each.duration, int(each.count >= REPEATED)))
                cells = self._instance.segment.cells
                continue
            cells[head] += each.count
            cells[head + 1] += each.duration
            if each.count >= REPEATED:
                cells[head + 2] += 1

    def _count_slowly(self, key: Key, sums: Sums) -> None:
        if self._add(key, sums):
            return
        if len(self._waiting) < _WAITING_AT_MOST:
            self._waiting.append((key, sums))
        else:
            self._drops.note("busy", key[0])

    def work_off(self) -> None:
        """Count what had to wait for the index, as far as it is free now."""
        waiting = self._waiting
        for _ in range(len(waiting)):
            try:
                key, sums = waiting.pop()
            except IndexError:  # another thread took the last
                break
            if not self._add(key, sums):
                waiting.append((key, sums))
                break
        self._drops.work_off()

    def _put(self, head: int, sums: Sums) -> None:
        cells = self._instance.segment.cells
        cells[head] += sums[0]
        cells[head + 1] += sums[1]
        cells[head + 2] += sums[2]

    def _add(self, key: Key, sums: Sums) -> bool:
        """Count the calls of one transaction; False when the index is busy."""
        try:
            head, reason = self._find(key)
        except (IndexFullError, OSError):
            self._drops.note(BUDGET, key[0])
            return True
        if head is None:
            return False
        if reason:
            self._drops.note(reason, key[0])
        elif len(self._heads) < 2 * self._most:
            self._heads[key] = head
        self._put(head, sums)
        return True

    def _find(self, key: Key) -> tuple[int | None, str]:
        """Return where to count, and why not under its own name; None when the index is busy."""
        route, operation = key
        route = route.encode(errors="replace").decode()  # a lone surrogate would stop every exporter
        attributes = schema.caller_attributes(self._scope, route, identify(operation))
        reason = ""
        if (schema.CALLER, attributes) not in self._instance.index.by_key:
            reason = self._quota.refuse(new=True)
            if reason:
                attributes = schema.caller_attributes(self._scope, schema.OTHER, schema.OTHER)
        series = self._instance.series(schema.CALLER, attributes)
        return (None if series is None else series.head), reason
