# SPDX-License-Identifier: Apache-2.0
"""The breakdown of a transaction's time: at every instant it belongs to exactly one component.

That is the innermost call that runs, and where calls overlap (greenlets, tasks, threads of one request) the one begun
last. So own times add up to the whole, whatever ends in which order.
"""

from __future__ import annotations

from typing import Protocol

from wsgiapm.span import COMPONENTS, PYTHON, Operation, Span


class Counter(Protocol):
    """Who counts calls when they have ended."""

    def count(self, operation: Operation, error: str | None, duration: int) -> None:
        """Count one call that took `duration` nanoseconds."""


class Calls:
    """The calls of one operation within a transaction: how many, and their nanoseconds."""

    __slots__ = ("count", "duration")

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self.duration = 0


class Breakdown:
    """Where the time of one transaction goes, from its first span on.

    `calls` are the operations called, each with its number and time; `counter` takes those that end.
    """

    __slots__ = ("_active", "_mark", "_own", "calls", "counter")

    def __init__(self, counter: Counter) -> None:
        """Begin with nothing."""
        self.counter = counter
        self.calls: dict[Operation, Calls] = {}
        self._active: list[Span] = []
        self._mark = 0
        self._own = [0] * len(COMPONENTS)

    def open(self, span: Span) -> None:
        """Let a span begin, at its start."""
        active, now = self._active, span.start
        if active:
            active[-1].own += now - self._mark
        self._mark = now
        active.append(span)

    def close(self, span: Span, now: int) -> None:
        """Let a span end; others may have begun after it and still run."""
        operation, duration = span.operation, now - span.start
        if operation.metric:
            self.counter.count(operation, span.error, duration)
        calls = self.calls.get(operation)
        if calls is None:
            calls = self.calls[operation] = Calls()
        calls.count += 1
        calls.duration += duration
        active = self._active
        last = active[-1]
        last.own += now - self._mark
        self._mark = now
        if last is span:
            active.pop()
        else:
            active.remove(span)
        self._own[operation.component] += span.own

    def components(self, start: int, end: int) -> list[int]:
        """Return the nanoseconds of each component of a transaction that ran from `start` to `end`; they add up to that.

        What no span tells of is Python's. Spans that are still open count up to `end`.
        """
        own = self._own.copy()
        for span in self._active:
            own[span.operation.component] += span.own
        if self._active:
            own[self._active[-1].operation.component] += max(end - self._mark, 0)
        own[PYTHON] += end - start - sum(own)
        return own
