# SPDX-License-Identifier: Apache-2.0
"""The breakdown of a transaction's time: at every instant it belongs to exactly one component.

That is the innermost call that runs, and where calls overlap (greenlets, tasks, threads of one request) the one begun
last. So own times add up to the whole, whatever ends in which order.

Threads need no lock: between two calls of Python's a thread is not interrupted where there is a global lock, and where
there is none a time that is booked twice or not at all is put right in the end (see `_fit`).
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Protocol

from wsgiapm.clock import monotonic_ns
from wsgiapm.native import get_ident
from wsgiapm.span import COMPONENTS, PYTHON, Leaf, Operation, Span

REPEATED: Final = 5
"""So many calls of one operation in one transaction are one too many: N+1."""

SPARE: Final[deque[Leaf]] = deque()
"""Leaves that have ended, for calls to come; each with no time of its `own`."""


class Counter(Protocol):
    """Who counts calls when they have ended."""

    slow: int
    """From how many nanoseconds on a call is slow."""

    def count(self, operation: Operation, error: str | None, duration: int) -> None:
        """Count one call that took `duration` nanoseconds."""

    def notice(self, breakdown: Breakdown, operation: Operation, count: int, duration: int) -> None:
        """Take notice of a call that was slow, or the `REPEATED`th: its caller is still waiting for it."""


class Calls:
    """The calls of one operation within a transaction: how many, and their nanoseconds."""

    __slots__ = ("count", "duration")

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self.duration = 0


class Breakdown:
    """Where the time of one transaction goes, from its first span on.

    `calls` are the operations called, each with its number and time; `counter` takes those that end. `noticed` is kept for
    it. `active` are the spans that run, in the order they began, and `mark` is the moment up to which time has been given to
    them.
    """

    __slots__ = ("_frozen", "_own", "active", "calls", "counter", "mark", "noticed")

    def __init__(self, counter: Counter) -> None:
        """Begin with nothing."""
        self.counter = counter
        self.calls: dict[Operation, Calls] = {}
        self.noticed: list[Any] | None = None
        self.active: deque[Span] = deque()  # of a list that is empty the memory is given back each time
        self.mark = 0
        self._own = [0] * len(COMPONENTS)
        self._frozen: list[int] | None = None

    def open(self, span: Span) -> None:
        """Let a span begin, at its start."""
        active, now = self.active, span.start
        if now < self.mark:  # noqa: PLR1730  # another thread was faster; and no call may be in between
            now = self.mark
        if active:
            active[-1].own += now - self.mark
        self.mark = now
        active.append(span)

    def close(self, span: Span, now: int, error: str | None = None) -> bool:
        """Let a span end; others may have begun after it and still run. Returns whether it was slow.

        `error` is the `error.type` of a call that failed.
        """
        self._take(span, now)
        operation = span.operation
        return self._count(operation, error, now - span.start) if operation.metric else False

    def leave(self, leaf: Leaf, error: str | None) -> bool:
        """Let a leaf end now, as `close` does: in a few steps, for most calls are leaves and run alone."""
        now = monotonic_ns()
        active, operation, start = self.active, leaf.operation, leaf.start
        duration = now - start
        if self.mark == start and active[-1] is leaf:  # nothing else has taken any time since
            self.mark = now
            self._own[operation.component] += duration
            active.pop()
        else:
            self._take(leaf, now)
            leaf.own = 0
        SPARE.append(leaf)
        return self._count(operation, error, duration) if operation.metric else False

    def _take(self, span: Span, now: int) -> None:
        """Take a span from those that run, and give its component the time it had to itself."""
        active = self.active
        if now < self.mark:  # noqa: PLR1730
            now = self.mark
        last = active[-1]
        last.own += now - self.mark
        self.mark = now
        if last is span:
            active.pop()
        else:
            active.remove(span)
        self._own[span.operation.component] += span.own

    def _count(self, operation: Operation, error: str | None, duration: int) -> bool:
        try:
            calls = self.calls[operation]
        except KeyError:
            calls = self.calls.setdefault(operation, Calls())  # another thread may be faster
        calls.count = count = calls.count + 1
        calls.duration += duration
        counter = self.counter
        counter.count(operation, error, duration)
        slow = duration >= counter.slow
        if slow or count == REPEATED:
            counter.notice(self, operation, count, duration)
        return slow

    def is_in_leaf(self, operation: Operation) -> bool:
        """Tell whether a call that begins now, in this thread, is made by a leaf and a part of that."""
        for span in self.active.copy():
            if span.thread and span.thread == get_ident():
                return span.operation.hides and span.operation.component == operation.component
        return False

    def freeze(self, start: int, now: int) -> None:
        """Keep the components as they are now: of a stream, only what came before its first byte counts."""
        if self._frozen is None:
            self._frozen = self._components(start, now)

    def components(self, start: int, end: int) -> list[int]:
        """Return the nanoseconds of each component of a transaction that ran from `start` to `end`; they add up to that.

        What no span tells of is Python's. Spans that are still open count up to `end`. None is negative.
        """
        if self._frozen is not None:
            return _fit(self._frozen.copy(), end - start)
        if self.active:
            return self._components(start, end)
        own, whole = self._own.copy(), end - start
        others = sum(own) - own[PYTHON]
        if others > whole or min(own) < 0:
            return _fit(own, whole)
        own[PYTHON] = whole - others
        return own

    def _components(self, start: int, end: int) -> list[int]:
        own = self._own.copy()
        active = self.active.copy()
        for span in active:
            own[span.operation.component] += span.own
        if active:
            own[active[-1].operation.component] += max(end - self.mark, 0)
        return _fit(own, end - start)


def _fit(own: list[int], whole: int) -> list[int]:
    """Give Python what the others have not; where they have more than the whole, each gives up its part of that."""
    own[:] = [max(nanoseconds, 0) for nanoseconds in own]
    own[PYTHON] = 0
    others = sum(own)
    if others > whole:
        whole = max(whole, 0)
        own[:] = [nanoseconds * whole // others for nanoseconds in own]
        others = sum(own)
    own[PYTHON] += whole - others
    return own
