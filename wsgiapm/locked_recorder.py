# SPDX-License-Identifier: Apache-2.0
"""The recorder for interpreters without a global lock, where `cells[i] += 1` of two threads may lose one.

Its lock can be taken again by the thread that has it: a signal handler or a finaliser may record in the middle of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from wsgiapm import log, native
from wsgiapm.aggregate.instance import Instance
from wsgiapm.breakdown import Breakdown
from wsgiapm.errors import WsgiapmError
from wsgiapm.operations import Operations
from wsgiapm.recorder import Recorder
from wsgiapm.span import Operation
from wsgiapm.transaction import Transaction


class LockedOperations(Operations):
    """Counts one call after the other."""

    def __init__(self, instance: Instance, max_series: int, lock: AbstractContextManager[bool]) -> None:
        """See `Operations`; `lock` is the recorder's."""
        self.lock = lock
        super().__init__(instance, max_series)

    def count(self, operation: Operation, error: str | None, duration: int) -> None:
        """See `Operations`."""
        with self.lock:
            super().count(operation, error, duration)

    def finish(self, breakdown: Breakdown, route: str) -> None:
        """See `Operations`."""
        with self.lock:
            super().finish(breakdown, route)

    def finish_task(self, breakdown: Breakdown, task: str) -> None:
        """See `Operations`."""
        with self.lock:
            super().finish_task(breakdown, task)


class LockedRecorder(Recorder):
    """Counts one transaction after the other."""

    def __init__(self, instance: Instance, *, max_series: int, error_status: Iterable[tuple[int, int]]) -> None:
        """See `Recorder`."""
        self._lock = native.allocate_reentrant_lock()
        super().__init__(instance, max_series=max_series, error_status=error_status)
        self.operations: LockedOperations = LockedOperations(instance, max_series, self._lock)

    def begin(self, transaction: Transaction, path: str) -> None:
        """See `Recorder`."""
        with self._lock:
            super().begin(transaction, path)

    def finish(self, transaction: Transaction, end: int) -> None:
        """See `Recorder`."""
        with self._lock:
            super().finish(transaction, end)

    def forget(self, transaction: Transaction) -> None:
        """See `Recorder`."""
        with self._lock:
            super().forget(transaction)

    def rescue(self, transaction: Transaction, end: int) -> None:
        """See `Recorder`."""
        with self._lock:
            super().rescue(transaction, end)

    def work_off(self) -> None:
        """See `Recorder`."""
        with self._lock:
            super().work_off()

    def leave(self) -> None:
        """See `Recorder`; the thread that had the lock may not have come along into the child."""
        self._lock = self.operations.lock = native.allocate_reentrant_lock()
        super().leave()

    def rename(self, transaction: Transaction) -> None:
        """See `Recorder`."""
        with self._lock:
            super().rename(transaction)


def check_interpreter() -> None:
    """Raise `WsgiapmError` where shared words cannot be counted in, and say so once where a lock is needed for it."""
    if not native.has_whole_words():
        msg = "this machine is not little-endian with 64 bits, which the shared files need; nothing is counted"
        raise WsgiapmError(msg)
    if not native.has_global_lock():
        log.once(
            "no global lock", "INFO", "this Python runs without a global lock: requests are counted under one of ours"
        )


def make_recorder(
    instance: Instance, *, max_series: int, error_status: Iterable[tuple[int, int]], slow_sql: float | None = None
) -> Recorder:
    """Return the recorder that is exact on this interpreter; see `Recorder`. From `slow_sql` seconds on SQL is slow."""
    kind = Recorder if native.has_global_lock() else LockedRecorder
    recorder = kind(instance, max_series=max_series, error_status=error_status)
    if slow_sql is not None:
        recorder.operations.slow = round(slow_sql * 1_000_000_000)
    return recorder
