# SPDX-License-Identifier: Apache-2.0
"""A span: one call that a transaction waits for, as plain data, and what is known of such a call beforehand."""

from __future__ import annotations

from typing import Final, Protocol

from wsgiapm.operation_digest import digest

PYTHON, TEMPLATE, DB, CACHE, EXTERNAL, MESSAGING, RESPONSE = range(7)
COMPONENTS: Final = ("python", "template", "db", "cache", "external", "messaging", "response")
"""What the time of a transaction is broken down into, by number."""

OPERATION: Final = "wsgiapm.operation"

Attributes = tuple[tuple[str, str | int], ...]


class Operation:
    """What calls of one kind to one place have in common; made once and kept, for it is compared by identity.

    `component` is the number of one of `COMPONENTS`. Calls are counted in the histogram `metric` under `attributes`
    (sorted by name, without `error.type`); with an empty `metric` they take their part of the time and are not counted.
    `hides` tells that the same component called from within is a part of this call and no call of its own, as urllib3 is
    for requests.
    """

    __slots__ = ("attributes", "component", "hides", "identity", "metric", "name")

    def __init__(
        self, name: str, component: int, metric: str = "", attributes: Attributes = (), *, hides: bool = True
    ) -> None:
        """`name` is for people: `SELECT walks`, `shop/walk.html`."""
        self.name = name
        self.component = component
        self.metric = metric
        self.attributes = attributes
        self.hides = hides
        self.identity = ""  # see `identify`

    def __repr__(self) -> str:
        return f"<Operation {self.name!r}>"


def identify(operation: Operation) -> str:
    """Return what an operation is known by outside of this process: `wsgiapm.operation`, 16 hexadecimal digits.

    Of a statement that is its fingerprint, the same in whatever database.
    """
    if not operation.identity:
        given = dict(operation.attributes).get(OPERATION)
        operation.identity = str(given) if given else digest(operation.metric, operation.attributes)
    return operation.identity


class Whole(Protocol):
    """What a span is a part of."""

    def open(self, span: Span) -> None:
        """Let a span begin, at its start."""

    def close(self, span: Span, now: int, error: str | None = None) -> bool:
        """Let a span end; returns whether it was slow. `error` is the `error.type` of a call that failed."""


class Span:
    """One call while it runs. Times are monotonic nanoseconds; `own` is the time not spent in spans within it.

    `outer` is the span it runs in, in its own context; `thread` is only known of a leaf.
    """

    __slots__ = ("breakdown", "operation", "outer", "own", "start")

    thread = 0

    def __init__(self, operation: Operation, breakdown: Whole, outer: Span | None, start: int) -> None:
        """Begin at `start`, as part of a transaction's `breakdown`."""
        self.operation = operation
        self.breakdown = breakdown
        self.outer = outer
        self.start = start
        self.own = 0


class Leaf(Span):
    """A call that has its thread to itself until it ends: what begins there meanwhile has been called by it.

    So no context needs to know of it, and it knows of nothing around it; with its call it is used again for others.
    """

    __slots__ = ("thread",)

    thread: int
