# SPDX-License-Identifier: Apache-2.0
"""Handing slow statements from the instruments, which alone have their text, to whoever explains or logs them.

A statement with its parameters stays in the memory of this process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakMethod

from wsgiapm.span import Operation


class Statement(NamedTuple):
    """A statement that was slow. `connect` makes another connection to the same database, None where that is impossible."""

    text: str
    parameters: Any
    system: str
    connect: Callable[[], Any] | None


Taker = Callable[[Operation, Statement], None]

_takers: list[WeakMethod[Taker]] = []


def is_wanted() -> bool:
    """Tell whether anybody takes them."""
    return any(taker() is not None for taker in _takers)


def hand_over(operation: Operation, statement: Statement) -> None:
    """Give a slow statement to all who take them; they keep it, and do nothing with it here and now."""
    for taker in tuple(_takers):
        take = taker()
        if take is not None:
            take(operation, statement)


def listen(take: Taker) -> None:
    """Have slow statements handed over to a method, as long as its object lives."""
    _takers[:] = [taker for taker in _takers if taker() is not None] + [WeakMethod(take)]
