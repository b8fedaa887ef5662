# SPDX-License-Identifier: Apache-2.0
"""A transaction: one request or background job while it runs, as plain data, and which one is running here."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import Any, Protocol

from wsgiapm.breakdown import Breakdown, Counter
from wsgiapm.dotted_name import dotted_name
from wsgiapm.trace_context import SAMPLED, Trace, read, write

# Names are kept in memory that all workers share, for as long as it lives.
_LONGEST_NAME = 200

# Where a transaction is counted: its route, the word its row says of it while it runs, the same while it is being counted,
# whether its answer has no body, and the recorder's entries by status. A tuple, because every request looks into it.
Place = tuple[str, int, int, bool, dict[int | None, Any]]
Sums = tuple[int, ...]


class Recording(Protocol):
    """Who records a transaction while it runs."""

    @property
    def operations(self) -> Counter:
        """Who counts the calls it makes."""

    def rename(self, transaction: Transaction) -> None:
        """Take notice of a name given while the transaction runs."""


class Transaction:
    """One unit of work. Times are monotonic nanoseconds.

    `ignored` transactions are not recorded. `row` is where it stands among those in flight, `place` what it is
    counted as; both are the recorder's, which is `recorder` as long as the transaction runs. `breakdown` tells where the
    time went, from the first span on. `first_byte` is counted from the start; 0 means that it came with the last one.
    `given_name` is `name` without the cost of a property. `view` is what answers a request (a function, a class, a method),
    where a framework told so; else it is not there. `incoming` is the header `traceparent` as it came, where it
    has been looked for; it is read when somebody asks for the trace.
    """

    __slots__ = (
        "_attributes",
        "_trace",
        "breakdown",
        "error",
        "first_byte",
        "given_name",
        "ignored",
        "incoming",
        "method",
        "place",
        "queue",
        "recorder",
        "row",
        "size",
        "start",
        "status",
        "view",
    )

    start: int
    row: int
    place: Place
    method: int
    recorder: Recording | None
    view: object
    # These are not there as long as nobody has asked for them, or sent one.
    _attributes: dict[str, object]
    _trace: Trace
    incoming: object

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.given_name: str | None = None
        self.breakdown: Breakdown | None = None
        self.error: str | None = None
        self.first_byte = 0
        self.ignored = False
        self.queue = 0
        self.recorder = None
        self.size = 0
        self.status: int | None = None

    @property
    def name(self) -> str | None:
        """The route or task name, None as long as nobody has given one."""
        return self.given_name

    @name.setter
    def name(self, name: str) -> None:
        text = name if type(name) is str else str(name)  # whatever the app gives must count
        self.given_name = text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
        if self.recorder is not None:
            self.recorder.rename(self)

    @property
    def fallback(self) -> str:
        """The route for when nobody gives a better name."""
        return self.place[0]

    @property
    def trace_id(self) -> str:
        """The W3C trace id, 32 hexadecimal digits."""
        return self.trace.trace_id

    @property
    def trace(self) -> Trace:
        """The trace this is a part of: that of the caller, if it sent one, else a new one."""
        try:
            return self._trace
        except AttributeError:
            self._trace = read(self._find_incoming()) or Trace(os.urandom(16).hex(), SAMPLED)
            return self._trace

    def _find_incoming(self) -> object:
        return getattr(self, "incoming", None)

    def traceparent(self) -> str:
        """Return the header `traceparent` for one call that this transaction makes."""
        return write(self.trace, os.urandom(8).hex())

    @property
    def attributes(self) -> dict[str, object] | None:
        """What the app has attached, None as long as that is nothing."""
        return getattr(self, "_attributes", None)

    @property
    def function_name(self) -> str | None:
        """The dotted name of the view, None when it is not known: `code.function.name`."""
        view = getattr(self, "view", None)
        return None if view is None else dotted_name(view)

    def sums(self, duration: int) -> Sums:
        """Return what a duration is made of: up to the first byte, after it, the bytes; and the times of components."""
        first_byte = self.first_byte or duration
        sums = first_byte, duration - first_byte, self.size
        if self.breakdown is None:
            return sums
        return *sums, *self.breakdown.components(self.start, self.start + duration)[1:]

    def ignore(self) -> None:
        """Leave this transaction out of everything."""
        self.ignored = True

    def set(self, key: str, value: object) -> None:
        """Attach an attribute of the app's own."""
        try:
            self._attributes[key] = value
        except AttributeError:
            self._attributes = {key: value}


CURRENT: ContextVar[Transaction | None] = ContextVar("wsgiapm.transaction", default=None)


def current_transaction() -> Transaction | None:
    """Return the transaction that is running in this context, or None."""
    return CURRENT.get()
