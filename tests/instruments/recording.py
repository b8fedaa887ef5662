# SPDX-License-Identifier: Apache-2.0
"""What a transaction records of its calls, seen before it is counted."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from wsgiapm.clock import monotonic_ns
from wsgiapm.transaction import CURRENT, Transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wsgiapm.span import Operation


class Recorded(NamedTuple):
    """One call that was counted."""

    operation: Operation
    error: str | None
    nanoseconds: int

    @property
    def name(self) -> str:
        """What it is called: `SELECT walks`."""
        return self.operation.name

    @property
    def attributes(self) -> dict[str, str | int]:
        """What it is counted under."""
        return dict(self.operation.attributes)


class Recording:
    """Takes the place of a recorder, and of what counts calls there."""

    slow = 1 << 62

    def __init__(self) -> None:
        """Begin with nothing."""
        self.operations = self
        self.recorder = self
        self.calls: list[Recorded] = []
        self.begun = 0

    def count(self, operation: Operation, error: str | None, duration: int) -> None:
        """See `Operations`."""
        self.calls.append(Recorded(operation, error, duration))

    def notice(self, *_: Any) -> None:
        """See `Operations`."""

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction runs within."""
        transaction = Transaction()
        transaction.recorder = self  # type: ignore[assignment]
        transaction.start = monotonic_ns()
        token = CURRENT.set(transaction)
        try:
            yield transaction
        finally:
            CURRENT.reset(token)

    def take(self) -> list[Recorded]:
        """What has been recorded since it was asked last."""
        calls, self.calls = self.calls, []
        return calls

    def names(self) -> list[str]:
        """The names of it, in the order of their ends."""
        return [call.name for call in self.take()]

    def counts(self) -> Counter[str]:
        """How often each."""
        return Counter(self.names())
