# SPDX-License-Identifier: Apache-2.0
"""A transaction: one request or background job while it runs, as plain data, and which one is running here."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import Protocol

from wsgiapm.breakdown import Breakdown, Counter
from wsgiapm.dotted_name import dotted_name

# Names are kept in memory that all workers share, for as long as it lives.
_LONGEST_NAME = 200


class Recording(Protocol):
    """Who records a transaction while it runs."""

    @property
    def operations(self) -> Counter:
        """Who counts the calls it makes."""

    def rename(self, transaction: Transaction) -> None:
        """Take notice of a name given while the transaction runs."""


class Transaction:
    """One unit of work. Times are monotonic nanoseconds.

    `ignored` transactions are not recorded. `row` is where it stands among those in flight, `tag` what is written
    there; both are the recorder's, which is `recorder` as long as the transaction runs. `breakdown` tells where the time
    went, from the first span on. `first_byte` is counted from the start; 0 means that it came with the last one.
    `fallback` is the route for when nobody gives a better name; `given_name` is `name` without the cost of a property,
    `made_trace_id` the same of `trace_id`. `view` is what answers a request (a function, a class, a method), where a
    framework told so; else it is not there.
    """

    __slots__ = (
        "attributes",
        "breakdown",
        "error",
        "fallback",
        "first_byte",
        "given_name",
        "ignored",
        "made_trace_id",
        "method",
        "queue",
        "recorder",
        "row",
        "size",
        "start",
        "status",
        "tag",
        "view",
    )

    start: int
    tag: int
    row: int
    fallback: str
    method: int
    recorder: Recording | None
    view: object

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.given_name: str | None = None
        self.made_trace_id: str | None = None
        self.attributes: dict[str, object] | None = None
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
    def trace_id(self) -> str:
        """The W3C trace id, 32 hexadecimal digits."""
        if self.made_trace_id is None:
            self.made_trace_id = os.urandom(16).hex()
        return self.made_trace_id

    @property
    def function_name(self) -> str | None:
        """The dotted name of the view, None when it is not known: `code.function.name`."""
        view = getattr(self, "view", None)
        return None if view is None else dotted_name(view)

    def ignore(self) -> None:
        """Leave this transaction out of everything."""
        self.ignored = True

    def set(self, key: str, value: object) -> None:
        """Attach an attribute of the app's own."""
        if self.attributes is None:
            self.attributes = {}
        self.attributes[key] = value


CURRENT: ContextVar[Transaction | None] = ContextVar("wsgiapm.transaction", default=None)


def current_transaction() -> Transaction | None:
    """Return the transaction that is running in this context, or None."""
    return CURRENT.get()
